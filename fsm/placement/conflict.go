package placement

import (
	"fmt"
	"slices"
	"strings"

	v1 "roster/proto/roster/v1"
)

// Conflicts says why today's nodes cannot fill a topology: for each cause a set
// of rules that cannot all be kept. Drop any one of them, and the others can.
//
// Pools that are in each other's way are found first; then each of their rules
// is tried to be done without, one after the other: what is left is irreducible,
// because a rule less never makes anything harder. What a
// pool wants has part in one cause at most.
func Conflicts(v View) []*v1.Conflict {
	p, err := compile(v)
	if err != nil {
		return nil // Place says so, and why
	}
	pools := make([]int, len(p.pools))
	for k := range pools {
		pools[k] = k
	}
	every, apart := slices.Clone(pools), map[int]bool{}
	var found []*v1.Conflict
	for {
		rivals := p.rivals(pools)
		if rivals == nil {
			break
		}
		c, told := p.rulesOf(rivals, -1, nil).conflict()
		if !p.pools[told[0]].GetShared() || isShort(v, p.pools[told[0]].GetName()) {
			found = append(found, c)
		}
		for _, k := range told {
			apart[k] = true
		}
		pools = slices.DeleteFunc(pools, func(k int) bool { return slices.Contains(told, k) })
	}
	found = append(found, p.shares(v, apart)...)
	for s, service := range p.services {
		if service.GetFloor() == 0 || !p.mayFallShort(s) {
			continue
		}
		if r := p.rulesOf(every, s, apart); r.possible(r.every()) != nil {
			c, _ := r.conflict()
			found = append(found, c)
		}
	}
	return found
}

// isShort asks the planner itself: a shared pool may have members that take
// nothing new for it, whatever state they are in.
func isShort(v View, pool string) bool {
	target, err := Place(v)
	return err == nil && slices.ContainsFunc(target.Shortages, func(s *v1.Shortage) bool { return s.GetPool() == pool })
}

// rivals are pools that want more nodes together than there are for any of them;
// nil: there are none.
func (p *problem) rivals(pools []int) []int {
	h := &hall{got: make([]int, len(pools))}
	classes := map[string]int{}
	key := make([]byte, len(pools))
	for i := range p.nodes {
		for at, k := range pools {
			key[at] = 0
			if p.nodes[i].barrier[k] == free {
				key[at] = 1
			}
		}
		class, known := classes[string(key)]
		if !known {
			class = len(h.idle)
			classes[string(key)] = class
			fits := make([]bool, len(pools))
			for at := range pools {
				fits[at] = key[at] == 1
			}
			h.fits, h.idle, h.held = append(h.fits, fits), append(h.idle, 0), append(h.held, make([]int, len(pools)))
		}
		h.idle[class]++
	}
	wishes := make([]wish, len(pools))
	for at, k := range pools {
		wishes[at] = wish{least: p.pools[k].least(), most: plenty, shared: p.pools[k].GetShared()}
	}
	var rivals []int
	for _, at := range h.fill(wishes, nil, 0) {
		rivals = append(rivals, pools[at])
	}
	slices.Sort(rivals)
	return rivals
}

// mayFallShort: what the pools of a service have to have does not cover its
// floor by itself.
func (p *problem) mayFallShort(s int) bool {
	sum := 0
	for k := range p.pools {
		if slices.Contains(p.pools[k].services, s) && !p.pools[k].GetShared() {
			sum += p.pools[k].least()
		}
	}
	return sum < int(p.services[s].GetFloor())
}

func (r *ruling) every() ruleSet {
	all := newRuleSet(len(r.rules))
	for rule := range r.rules {
		all.put(rule)
	}
	return all
}

// conflict reduces the rules to those of which none can be done without, and
// returns the pools that they are about.
func (r *ruling) conflict() (c *v1.Conflict, told []int) {
	standing := r.every()
	for rule := range r.rules {
		standing.drop(rule)
		if r.possible(standing) == nil {
			standing.put(rule)
		}
	}
	c = &v1.Conflict{}
	for rule := range r.rules {
		if standing.has(rule) {
			c.Rules = append(c.Rules, r.rules[rule])
		}
	}
	slices.Reverse(c.Rules)
	slices.SortStableFunc(c.Rules, func(a, b *v1.Rule) int { return later(fact(a), fact(b)) })
	for _, k := range r.pools {
		if rule, asks := r.size[k]; asks && standing.has(rule) {
			told = append(told, k)
		}
	}
	c.Reason = r.reason(standing, told)
	return c, told
}

// fact: it is said of the nodes, and not by the topology.
func fact(r *v1.Rule) bool { return r.GetPath() == "nodes" || strings.HasPrefix(r.GetPath(), "nodes.") }

// reason says what rules that stand come down to.
func (r *ruling) reason(standing ruleSet, told []int) string {
	var names []string
	var in []int
	sum := 0
	for at, k := range r.pools {
		if slices.Contains(told, k) {
			names = append(names, r.pool(k).GetName())
			in = append(in, at)
			sum += r.pool(k).least()
		}
	}
	about := slices.Clone(in)
	if r.floor != noRule && standing.has(r.floor) {
		for at, k := range r.pools {
			if slices.Contains(r.pool(k).services, r.service) && !slices.Contains(about, at) {
				about = append(about, at)
			}
		}
	}
	h, room := newHall(r.classes, len(r.pools), standing), 0
	for c, class := range r.classes {
		if slices.ContainsFunc(about, func(at int) bool { return h.fits[c][at] }) && class.nodes < plenty {
			room += class.nodes
		}
	}
	nodes := fmt.Sprintf("%d of %s may be", room, amount(len(r.nodes), "registered node"))
	if room == len(r.nodes) {
		nodes = fmt.Sprintf("only %s there", areIs(room, "node"))
	}
	switch {
	case r.floor != noRule && standing.has(r.floor):
		text := fmt.Sprintf("%s has a floor of %d", r.services[r.service].GetName(), r.services[r.service].GetFloor())
		if len(names) > 0 {
			text += fmt.Sprintf(", pools %s have their sizes", enumerate(names, fewFacts))
		}
		return text + ", and its pools cannot have as many members"
	case len(names) == 1 && room < len(r.nodes):
		return fmt.Sprintf("pool %s wants %s, and %s its members", names[0], amount(sum, "node"), nodes)
	case len(names) == 1:
		return fmt.Sprintf("pool %s wants %s, and %s", names[0], amount(sum, "node"), nodes)
	case room < len(r.nodes):
		return fmt.Sprintf("pools %s want %s together, and %s members of any of them", enumerate(names, fewFacts), amount(sum, "node"), nodes)
	}
	return fmt.Sprintf("pools %s want %s together, and %s", enumerate(names, fewFacts), amount(sum, "node"), nodes)
}

func areIs(n int, noun string) string {
	if n == 1 {
		return "1 " + noun + " is"
	}
	return fmt.Sprintf("%d %ss are", n, noun)
}
