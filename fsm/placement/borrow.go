package placement

import (
	"fmt"
	"slices"
	"strings"

	v1 "roster/proto/roster/v1"
)

// borrow keeps floors: where fewer nodes may be counted on for a service than
// its floor in force, others take it on top of their own. A pool's `where` binds
// its members, not them. What no node may take is a shortage.
func (l *lending) borrow() []*v1.Shortage {
	var shortages []*v1.Shortage
	for s, service := range l.services {
		floor := int(l.floors[service.GetName()])
		if l.expect[s] < floor && !service.GetExclusive() {
			l.fillUp(s, floor)
		}
		if l.expect[s] >= floor {
			continue
		}
		// Nobody else can do it: where it fails now is as good as anywhere.
		for _, x := range l.failing {
			if x.service == s {
				x.reason = fmt.Sprintf("%s fails on %s, and no other node may take it", service.GetName(), l.nodes[x.node].GetId())
				l.loans = append(l.loans, x)
			}
		}
		shortages = append(shortages, &v1.Shortage{
			Service: service.GetName(), Wanted: uint32(floor), Got: uint32(l.expect[s]), Reason: l.shortageOf(s, floor),
		})
	}
	return shortages
}

// fillUp borrows a service until its floor is covered, or nobody is left.
func (l *lending) fillUp(s, floor int) {
	lost := slices.Clone(l.missing[s])
	slices.SortFunc(lost, func(a, b absence) int { return Compare(l.nodes[a.node].GetId(), l.nodes[b.node].GetId()) })
	type lender struct {
		node int
		near nearness
	}
	var lenders []lender
	for i := range l.nodes {
		if l.refusal(i, s) == free {
			lenders = append(lenders, lender{i, l.nearness(-1, i, []int{s})})
		}
	}
	covered := 0
	for _, x := range l.loans {
		if x.service == s && x.counted {
			covered++
		}
	}
	for ; l.expect[s] < floor && len(lenders) > 0; covered++ {
		from := absence{-1, l.homeOf(s)}
		if len(lost) > 0 {
			from = lost[min(covered, len(lost)-1)]
		}
		best := 0
		for at := range lenders {
			l.locateFrom(&lenders[at].near, from.node, lenders[at].node)
			if lenders[at].near.compare(&lenders[best].near) < 0 {
				best = at
			}
		}
		i, near := lenders[best].node, lenders[best].near
		lenders = slices.Delete(lenders, best, best+1)
		pool := from.pool
		if a := assignmentOf(l.nodes[i].Node, l.services[s].GetName()); a.GetBorrowed() && l.poolOf(a) != unseated {
			pool = l.poolOf(a)
		}
		l.add(loan{node: i, service: s, pool: pool, reason: l.lentFor(s, floor, from.node, i, near)})
	}
}

// homeOf is the first pool that has a service.
func (l *lending) homeOf(s int) int {
	return slices.IndexFunc(l.pools, func(p poolFacts) bool { return slices.Contains(p.services, s) })
}

// refusal says why a node may not take a service on top of its own; free: it
// may.
func (l *lending) refusal(i, s int) barrier {
	n := &l.nodes[i]
	if b := l.unfit(i, s); b != free {
		return b
	}
	switch {
	case n.drained:
		return drained
	case observing(n.Node):
		return watching
	case l.seated(i, s) || slices.ContainsFunc(l.loans, func(x loan) bool { return x.node == i && x.service == s }):
		return bound
	case !l.lends(i):
		return withheld
	}
	return l.closed(n, []int{s})
}

func (l *lending) lentFor(s, floor, from, i int, near nearness) string {
	name, why := l.services[s].GetName(), ""
	if from >= 0 {
		why = ": " + l.absent(from, []int{s})
	}
	origin := " has no seat"
	if k := l.seat[i]; k != unseated {
		origin = " is of pool " + l.pools[k].GetName()
	}
	return fmt.Sprintf("%s would be under its floor of %d%s; %s%s%s", name, floor, why, l.nodes[i].GetId(), origin, near.words(name))
}

// absent says why a node cannot be counted on.
func (l *lending) absent(i int, services []int) string {
	n := &l.nodes[i]
	switch {
	case n.down:
		return n.GetId() + " is down"
	case n.drained:
		return n.GetId() + " is drained"
	}
	for _, s := range services {
		if n.fails[s] {
			return fmt.Sprintf("%s is not ready on %s", l.services[s].GetName(), n.GetId())
		}
	}
	return n.GetId() + " is away"
}

// shortageOf says why a floor is not covered.
func (l *lending) shortageOf(s, floor int) string {
	name := l.services[s].GetName()
	counts := map[barrier]int{}
	for i := range l.nodes {
		counts[l.refusal(i, s)]++
	}
	var why []string
	for _, w := range []struct {
		barrier barrier
		text    string
	}{
		{unable, "unable to run it"},
		{lacking, "without labels that it requires"},
		{elsewhere, "without its data"},
		{withheld, "in pools that do not lend"},
		{drained, "drained"},
		{watching, "only observing"},
		{cordoned, "cordoned"},
		{notUp, "not up"},
		{deaf, "not following"},
		{frozen, "frozen"},
		{troubled, "where it failed lately"},
	} {
		if n := counts[w.barrier]; n > 0 {
			why = append(why, fmt.Sprintf("%d %s", n, w.text))
		}
	}
	text := fmt.Sprintf("%s needs %s for its floor and can count on %d", name, amount(floor, "node"), l.expect[s])
	if len(why) > 0 {
		text += "; no other may take it: " + strings.Join(why, ", ")
	}
	return text
}
