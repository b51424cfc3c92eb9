package placement

import (
	"cmp"
	"fmt"
	"slices"
)

// standIn gives every member that is lost a node that no pool has for itself, to serve all
// of its pool at once. That node is the first to get the seat, if it comes to
// that, so it is chosen as a member would be: by the pool's rules, its spread,
// then the fewest starts; and then, as for any loan, the nearest.
func (l *lending) standIn() {
	order := slices.Concat(l.levels()...)
	for k := l.own; k < len(l.pools); k++ {
		order = append(order, k)
	}
	for _, k := range order {
		if len(l.short[k]) == 0 {
			continue
		}
		lost := slices.Clone(l.short[k])
		l.byID(lost)
		there := l.standingIn(k)
		if len(there) >= len(lost) {
			continue
		}
		crowd := l.crowd(k, there)
		idle := l.idle(k, there)
		for _, from := range lost[len(there):] {
			best := -1
			for at, i := range idle {
				if best < 0 || l.standsBetter(k, from, i, idle[best], crowd) {
					best = at
				}
			}
			if best < 0 {
				break
			}
			i := idle[best]
			idle = slices.Delete(idle, best, best+1)
			l.takeOver(k, from, i)
			crowd.enter(l.nodes[i].Node)
		}
	}
}

// standingIn lists the nodes that stand in for a whole member of a pool.
func (l *lending) standingIn(k int) []int {
	served := map[int]int{}
	var there []int
	for _, x := range l.loans {
		if x.pool == k && x.counted && l.spare(x.node) {
			if served[x.node]++; served[x.node] == len(l.pools[k].services) {
				there = append(there, x.node)
			}
		}
	}
	return there
}

// idle lists the nodes that may stand in for a member of a pool.
func (l *lending) idle(k int, there []int) []int {
	busy := map[int]bool{}
	for _, i := range there {
		busy[i] = true
	}
	for _, x := range slices.Concat(l.loans, l.failing) {
		busy[x.node] = busy[x.node] || x.pool != k && !l.pools[x.pool].GetShared() && !l.pools[k].GetShared()
	}
	var idle []int
	for i := range l.nodes {
		n := &l.nodes[i]
		if !l.spare(i) || !l.lends(i) || slices.Contains(l.seats[i], k) || busy[i] || !n.barrier[k].open() || l.closed(n, l.pools[k].services) != free {
			continue
		}
		if !slices.ContainsFunc(l.pools[k].services, func(s int) bool { return l.unfit(i, s) != free }) {
			idle = append(idle, i)
		}
	}
	return idle
}

// standsBetter: a is a better stand-in than b.
func (l *lending) standsBetter(k, from, a, b int, c crowd) bool {
	x, y := l.nodes[a].Node, l.nodes[b].Node
	if order := slices.Compare(c.price(x), c.price(y)); order != 0 {
		return order < 0
	}
	if order := cmp.Compare(l.starts(k, a), l.starts(k, b)); order != 0 {
		return order < 0
	}
	near, other := l.nearness(from, a, l.pools[k].services), l.nearness(from, b, l.pools[k].services)
	return near.compare(&other) < 0
}

// starts counts the services of a pool that would have to be started on a node.
func (l *lending) starts(k, i int) int {
	starts := 0
	for _, s := range l.pools[k].services {
		if assignmentOf(l.nodes[i].Node, l.services[s].GetName()) == nil {
			starts++
		}
	}
	return starts
}

func (l *lending) takeOver(k, from, i int) {
	near := l.nearness(from, i, l.pools[k].services)
	reason := fmt.Sprintf("%s; %s%s%s", l.absent(from, l.pools[k].services), l.nodes[i].GetId(), l.origin(i), near.words(""))
	for _, s := range l.pools[k].services {
		if !l.seated(i, s) && !slices.Contains(l.lent[i], s) {
			l.add(loan{node: i, service: s, pool: k, reason: reason})
		}
	}
}

// byID puts nodes in the order of their ids.
func (l *lending) byID(nodes []int) {
	slices.SortFunc(nodes, func(a, b int) int { return Compare(l.nodes[a].GetId(), l.nodes[b].GetId()) })
}
