package placement

import (
	"fmt"
	"slices"
	"time"

	v1 "roster/proto/roster/v1"
)

// explaining is one decision, and the node that is asked about.
type explaining struct {
	*problem
	view   View
	node   int
	sizes  sizing
	filled filling
	at     []int // who was chosen for the pools that take nodes for themselves
	seats  *seating
}

func explainer(v View, node string) (*explaining, error) {
	p, err := compile(v)
	if err != nil {
		return nil, err
	}
	x := &explaining{problem: p, view: v, node: slices.IndexFunc(p.nodes, func(n nodeFacts) bool { return n.GetId() == node })}
	x.sizes, x.filled, x.at, x.seats = p.decide()
	return x, nil
}

// why says why the node is no member of a pool.
func (x *explaining) why(k int) string {
	n, pool := &x.nodes[x.node], &x.pools[k]
	if rule := x.ruleText(k); rule != "" {
		return rule
	}
	switch b := n.barrier[k]; {
	case b == gone:
		return x.away(x.node, k)
	case b == bound:
		return "members stay where they are while seats are open or gone"
	case b != free:
		return x.barrierText(b, pool.services)
	case x.filled.got[k] == 0:
		return "the pool has no member at all: " + x.sizeReason(k)
	case k >= x.own:
		return x.besideShared(k)
	}
	rivals, forced := x.among(k)
	if forced == nil {
		if len(rivals) == 1 {
			return fmt.Sprintf("pool %s needs it, or a seat of it would stay empty", rivals[0])
		}
		return fmt.Sprintf("pools %s need it, or a seat of theirs would stay empty", enumerate(rivals, fewFacts))
	}
	return x.comparison(k, x.pooled(), x.at, forced)
}

func (x *explaining) pooled() []int {
	pools := make([]int, x.own)
	for k := range pools {
		pools[k] = k
	}
	return pools
}

// among chooses the members again with the node in a pool; nil: the seats that
// there are cannot be filled then, and these pools would lack one.
func (x *explaining) among(k int) (rivals []string, at []int) {
	if short := x.without(k); len(short) > 0 {
		for _, other := range short {
			rivals = append(rivals, x.pools[other].GetName())
		}
		return rivals, nil
	}
	again, err := compile(x.view)
	if err != nil {
		return nil, nil // it went well before
	}
	sizes := again.size()
	filled := again.fill(sizes)
	again.strained = filled.strained
	n := &again.nodes[x.node]
	for other := range again.own {
		// As if it failed there: no other pool has it, and none is smaller for that.
		if other != k && n.barrier[other] == free {
			n.barrier[other] = troubled
		}
	}
	// A node that observes comes before every other one.
	watcher := &v1.Node{
		Id: n.GetId(), Region: n.GetRegion(), Zone: n.GetZone(), Labels: n.GetLabels(), Claims: n.GetClaims(), Settings: n.GetSettings(),
		State: n.GetState(), Assignments: n.GetAssignments(), Capacity: n.GetCapacity(), Mode: v1.AgentMode_AGENT_MODE_OBSERVE,
	}
	n.Node, again.pools[k].watched = watcher, true
	return nil, again.members(filled.got)
}

// without are the pools that could not all be filled with the node in pool k.
func (x *explaining) without(k int) []int {
	h := &hall{got: make([]int, x.own)}
	classes := map[string]int{}
	key := make([]byte, x.own)
	for i := range x.nodes {
		if i == x.node {
			continue
		}
		for other := range x.own {
			key[other] = 0
			if x.nodes[i].barrier[other] == free {
				key[other] = 1
			}
		}
		class, known := classes[string(key)]
		if !known {
			class = len(h.idle)
			classes[string(key)] = class
			fits := make([]bool, x.own)
			for other := range fits {
				fits[other] = key[other] == 1
			}
			h.fits, h.idle, h.held = append(h.fits, fits), append(h.idle, 0), append(h.held, make([]int, x.own))
		}
		h.idle[class]++
	}
	wishes := make([]wish, x.own)
	for other := range wishes {
		wishes[other] = wish{least: x.filled.got[other], most: plenty}
	}
	wishes[k].least--
	short := h.fill(wishes, nil, 0)
	return slices.DeleteFunc(short, func(other int) bool { return other == k && len(short) > 1 })
}

// besideShared compares the members of a shared pool with those that it would
// have if the node were one: the best of them differ in one node.
func (x *explaining) besideShared(k int) string {
	strained := x.strained
	defer func() { x.strained = strained }()
	at, best := x.beside(k)
	return x.comparison(k, []int{k}, at, best)
}

// beside goes back to when the members of a shared pool were chosen.
func (x *explaining) beside(k int) (at, best []int) {
	x.given = make([]bool, len(x.nodes)*len(x.services))
	at = make([]int, len(x.nodes))
	lost := x.filled.got[k] < x.sizes.wanted[k]
	for i := range x.nodes {
		at[i] = unseated
		for _, other := range x.seats.of[i] {
			if other < k {
				x.give(i, other)
			}
			if other == k && !x.seats.keeps(i, k) {
				at[i] = k
			}
		}
		lost = lost || x.nodes[i].barrier[k] == gone
	}
	x.strained = x.strained || lost
	var least cost
	for i := range at {
		if at[i] != k {
			continue
		}
		other := slices.Clone(at)
		other[i], other[x.node] = unseated, k
		// Of equals, the node of the lowest rank makes way.
		if c := x.bill([]int{k}, other); best == nil || !least.less(&c) {
			best, least = other, c
		}
	}
	return at, best
}

// ruleText says which of a pool's rules keeps the node out; empty: none does.
func (x *explaining) ruleText(k int) string {
	n, pool := &x.nodes[x.node], &x.pools[k]
	switch b := pool.rules(n); b {
	case free:
	case mismatched:
		return x.labelsText("the pool wants", n.Node, pool.GetWhere())
	case lacking:
		for _, r := range pool.requires {
			if !matches(n.Node, r.labels) {
				return x.labelsText(r.service+" requires", n.Node, r.labels)
			}
		}
	default:
		return x.barrierText(b, pool.services)
	}
	return ""
}

// labelsText says which label is not as it should be.
func (x *explaining) labelsText(who string, n *v1.Node, where map[string]*v1.LabelValues) string {
	for _, key := range sortedKeys(where) {
		if has(n, key, where[key]) {
			continue
		}
		if value, there := label(n, key); there {
			return fmt.Sprintf("%s %s, and its %s is %s", who, labelText(key, where[key]), key, value)
		}
		return fmt.Sprintf("%s %s, and it has no such label", who, labelText(key, where[key]))
	}
	return ""
}

// barrierText says what keeps the node from some services.
func (x *explaining) barrierText(b barrier, services []int) string {
	n := &x.nodes[x.node]
	switch b {
	case notListed:
		return "it is not among the pool's nodes"
	case excluded:
		return "the pool excludes it"
	case unable:
		for _, s := range services {
			if !n.can[s] {
				return "its agent cannot run " + x.services[s].GetName()
			}
		}
	case lacking:
		for _, s := range services {
			if !matches(n.Node, x.services[s].GetRequires()) {
				return x.labelsText(x.services[s].GetName()+" requires", n.Node, x.services[s].GetRequires())
			}
		}
	case elsewhere:
		if s, lacks := x.lacksData(n.Node, services); lacks {
			return x.whereData([]int{s})
		}
	case drained:
		return "it is drained"
	case watching:
		return "its agent only observes"
	case cordoned:
		return "it is cordoned"
	case notUp:
		return "it is " + map[bool]string{true: "down", false: "not up"}[n.down]
	case deaf:
		return "its agent does not follow orders"
	case frozen:
		return "it lies where a freeze is"
	case troubled:
		return x.troubleText(services)
	case withheld:
		return "its pool does not lend"
	}
	return "it may not"
}

func (x *explaining) troubleText(services []int) string {
	n := &x.nodes[x.node]
	for _, s := range services {
		name := x.services[s].GetName()
		if n.fails[s] {
			return name + " fails there"
		}
		if until, barred := Barred(n.Node, name, x.now); barred {
			return fmt.Sprintf("%s failed there lately, and is not placed there anew before %s", name, until.UTC().Format(time.RFC3339))
		}
	}
	return "a seat that it has is to be given away first"
}
