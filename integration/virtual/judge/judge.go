package judge

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// The rules, as a verdict names them.
const (
	RuleFloor    = "no command takes what answers below its floor"
	RuleRepair   = "what is under its floor is repaired"
	RuleHold     = "while it holds, nothing is taken away"
	RuleBackward = "no agent goes back to an older set"
	RuleOlder    = "no agent acts on an older set"
)

// settles is how long floors must be reached, as far as an onlooker can tell,
// until the cluster must have noticed.
const settles = 5 * time.Second

// slack is what the second rule gives beyond down_after.
const slack = 2 * time.Second

// Tally counts what there was to judge: a history in which nothing happens keeps
// every promise.
type Tally struct {
	// Taken: instances that commands took; Close: those that left just the floor.
	Taken, Close int
	// Under: how often a service was under its floor with nothing in the way of its
	// repair; Watched: of these, how often for as long as a repair may take.
	Under, Watched int
	// Acts of agents.
	Acts int
}

// Add adds another history's.
func (t *Tally) Add(o Tally) {
	t.Taken, t.Close, t.Under, t.Watched, t.Acts = t.Taken+o.Taken, t.Close+o.Close, t.Under+o.Under, t.Watched+o.Watched, t.Acts+o.Acts
}

// Verdict lists what a history breaks.
func Verdict(h History) ([]Broken, Tally) {
	facts := slices.Clone(h.Facts)
	slices.SortStableFunc(facts, func(a, b Fact) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Kind, b.Kind))
	})
	c := &court{
		h: h, instances: map[instance]*life{}, wants: map[string]map[string]Want{}, sets: map[string][]Fact{}, held: map[string][]Fact{},
		inForce: map[string]int{}, desired: map[string]int{}, reached: map[string]time.Time{}, under: map[string]time.Time{}, watched: map[string]bool{},
	}
	for len(facts) > 0 {
		n := 1
		for n < len(facts) && facts[0].Kind == Set && facts[n].Kind == Set && facts[n].At.Equal(facts[0].At) {
			n++
		}
		if facts[0].Kind == Set {
			c.committed(facts[:n])
		} else {
			c.hear(facts[0])
		}
		facts = facts[n:]
	}
	return c.broken, c.tally
}

type instance struct{ node, service string }

// life is what is known of a service on a node.
type life struct {
	answers bool
	failed  time.Time
	// doomed: a command takes it away; it counts no more, whatever it does.
	doomed bool
}

type court struct {
	h         History
	broken    []Broken
	tally     Tally
	instances map[instance]*life
	wants     map[string]map[string]Want // by node: of its newest set
	sets      map[string][]Fact          // by node
	held      map[string][]Fact          // by node, rising

	inForce, desired map[string]int
	// reached is since when the desired floor is reached without a break.
	reached map[string]time.Time

	disturbed time.Time
	under     map[string]time.Time
	watched   map[string]bool
}

func (c *court) breaks(at time.Time, rule, format string, args ...any) {
	c.broken = append(c.broken, Broken{At: at, Rule: rule, Text: fmt.Sprintf(format, args...)})
}

func (c *court) life(f Fact) *life {
	i := instance{f.Node, f.Service}
	if c.instances[i] == nil {
		c.instances[i] = &life{}
	}
	return c.instances[i]
}

func (c *court) hear(f Fact) {
	switch f.Kind {
	case Sent:
		for s, floor := range c.inForce {
			c.inForce[s] = min(floor, f.Floors[s])
		}
		c.reached = map[string]time.Time{}
	case Acked:
		c.desired, c.reached = f.Floors, map[string]time.Time{}
	case Disturbed:
		c.disturbed = f.At
	case Answers:
		l := c.life(f)
		l.answers, l.failed = true, time.Time{}
	case Fails:
		if l := c.life(f); l.answers {
			l.answers, l.failed = false, f.At
		}
	case Acts:
		c.acts(f)
	case Held:
		c.holds(f)
	case Stops:
		c.stops(f)
	case Looked:
		c.floors(f)
		c.repair(f)
	}
}

// counted is how many instances of a service count.
func (c *court) counted(service string, at time.Time) (n int) {
	for i, l := range c.instances {
		if i.service == service && c.counts(l, at) {
			n++
		}
	}
	return n
}

func (c *court) counts(l *life, at time.Time) bool {
	return !l.doomed && (l.answers || !l.failed.IsZero() && at.Sub(l.failed) <= 2*c.h.Heartbeat)
}

// committed judges the sets of one moment together.
func (c *court) committed(sets []Fact) {
	at := sets[0].At
	before, taken := map[string]int{}, map[string][]string{}
	really := map[string]bool{} // something that answers is taken
	for _, f := range sets {
		for service := range c.wants[f.Node] {
			l := c.instances[instance{f.Node, service}]
			if f.Wants[service] == Serving || l == nil || !c.counts(l, at) {
				continue
			}
			if _, known := before[service]; !known {
				before[service] = c.counted(service, at)
			}
			taken[service] = append(taken[service], f.Node)
			really[service] = really[service] || l.answers
			if f.Holds && l.answers {
				c.breaks(at, RuleHold, "%s is taken from %s", service, f.Node)
			}
		}
	}
	for service, nodes := range taken {
		slices.Sort(nodes)
		nodes = slices.Compact(nodes)
		floor := c.inForce[service]
		if c.tally.Taken += len(nodes); floor > 0 && before[service]-len(nodes) == floor {
			c.tally.Close++
		}
		// To take what has failed already takes nothing.
		if left := before[service] - len(nodes); really[service] && left < min(floor, before[service]) {
			c.breaks(at, RuleFloor, "commands take %s from %d to %d, its floor in force is %d (on %v)", service, before[service], left, floor, nodes)
		}
	}
	for _, f := range sets {
		services := map[string]bool{}
		for s := range c.wants[f.Node] {
			services[s] = true
		}
		for s := range f.Wants {
			services[s] = true
		}
		for s := range services {
			c.life(Fact{Node: f.Node, Service: s}).doomed = f.Wants[s] != Serving
		}
		c.wants[f.Node] = f.Wants
		c.sets[f.Node] = append(c.sets[f.Node], f)
	}
}

// stops judges what an agent stopped though no set asked for it.
func (c *court) stops(f Fact) {
	l := c.life(f)
	if !l.answers {
		return
	}
	if counts := c.counts(l, f.At); counts {
		before := c.counted(f.Service, f.At)
		if before-1 < min(c.inForce[f.Service], before) {
			c.breaks(f.At, RuleFloor, "%s stops on %s, where its set wants it: from %d to %d, its floor in force is %d",
				f.Service, f.Node, before, before-1, c.inForce[f.Service])
		}
	}
	l.answers, l.failed = false, time.Time{}
}

func (c *court) holds(f Fact) {
	held := c.held[f.Node]
	if len(held) > 0 && f.Version.before(held[len(held)-1].Version) {
		c.breaks(f.At, RuleBackward, "%s held %v and holds %v", f.Node, held[len(held)-1].Version, f.Version)
		return
	}
	c.held[f.Node] = append(held, f)
}

// acts judges what an agent does against the sets that are not older than the one
// that it held before this moment.
func (c *court) acts(f Fact) {
	c.tally.Acts++
	var least Version
	for _, h := range c.held[f.Node] {
		if h.At.Before(f.At) {
			least = h.Version
		}
	}
	for _, s := range c.sets[f.Node] {
		if !s.Version.before(least) && s.Wants[f.Service] == f.Verb.asks() {
			return
		}
	}
	c.breaks(f.At, RuleOlder, "%s does %s %s; no set from %v on asks for it", f.Node, f.Verb, f.Service, least)
}

// floors notices when a floor that was asked for is reached.
func (c *court) floors(f Fact) {
	for _, s := range slices.Sorted(maps.Keys(c.desired)) {
		if c.inForce[s] >= c.desired[s] {
			continue
		}
		if !f.Look.Leader || f.Look.Sure[s] < c.desired[s] {
			delete(c.reached, s)
			continue
		}
		since, on := c.reached[s]
		switch {
		case !on:
			c.reached[s] = f.At
		case f.At.Sub(since) >= settles:
			c.inForce[s] = c.desired[s]
		}
	}
}

// repair judges whether what is under its floor is being mended.
func (c *court) repair(f Fact) {
	for _, s := range slices.Sorted(maps.Keys(c.inForce)) {
		answering := 0
		for i, l := range c.instances {
			if i.service == s && l.answers {
				answering++
			}
		}
		if answering >= c.inForce[s] || !f.Look.Leader || !f.Look.Calm {
			delete(c.under, s)
			continue
		}
		since, on := c.under[s]
		if !on || since.Before(c.disturbed) {
			since = f.At
			c.under[s] = since
			c.tally.Under++
			c.watched[s] = false
		}
		if f.At.Sub(since) > c.h.DownAfter+slack && !c.watched[s] {
			c.watched[s] = true
			c.tally.Watched++
		}
		if f.At.Sub(since) <= c.h.DownAfter+slack || f.Look.Starting[s] || f.Look.Failed[s] != "" || len(f.Look.Eligible[s]) == 0 {
			continue
		}
		c.breaks(f.At, RuleRepair, "%s: %d answer, its floor in force is %d, for %s, and no start is in flight; %v could take it",
			s, answering, c.inForce[s], f.At.Sub(since), f.Look.Eligible[s])
		c.under[s] = f.At // said once in a while
	}
}
