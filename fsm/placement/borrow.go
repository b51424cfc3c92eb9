package placement

import (
	"fmt"
	"slices"
	"strings"

	v1 "roster/proto/roster/v1"
)

// borrow keeps floors: where fewer nodes may be counted on for a service than a
// floor in force, others take it on top of their own; for a floor over a part of
// the nodes, others in that part. A pool's `where` binds its members, not them.
// What no node may take is a shortage.
func (l *lending) borrow() []*v1.Shortage {
	var shortages []*v1.Shortage
	for s, service := range l.services {
		d := &l.demands[s]
		if !service.GetExclusive() {
			l.fillUp(s)
		}
		if len(d.short()) == 0 {
			continue
		}
		// Nobody else can do it: where it fails now is as good as anywhere.
		for _, x := range l.failing {
			if x.service == s && d.shortIn(l.nodes[x.node].Node) > 0 {
				x.reason = fmt.Sprintf("%s fails on %s, and no other node may take it", service.GetName(), l.nodes[x.node].GetId())
				l.enlist(x)
			}
		}
		for at := range d.all {
			if x := &d.all[at]; x.have < x.least {
				shortages = append(shortages, &v1.Shortage{
					Service: service.GetName(), Part: x.name, Wanted: uint32(x.least), Got: uint32(x.have), Reason: l.shortageOf(s, x),
				})
			}
		}
	}
	return shortages
}

// fillUp borrows a service until its floors are covered, or nobody is left. Where
// parts lie in one another or apart, and begin with the smallest, no choice takes
// fewer loans; where they cross, what turns out to be covered by others is taken
// back.
func (l *lending) fillUp(s int) {
	d := &l.demands[s]
	short := d.short()
	if len(short) == 0 {
		return
	}
	lenders, away := l.lendersOf(s, short), l.awayFrom(s)
	before := len(l.loans)
	for turn, at := range short {
		x := &d.all[at]
		rows := l.rows(lenders[at], short[turn+1:])
		for x.have < x.least {
			from := absence{-1, l.homeOf(s)}
			if lost := away[at]; len(lost) > 0 {
				from = lost[min(x.loans, len(lost)-1)]
			}
			best := l.nearest(d, rows, from.node)
			if best == nil {
				break
			}
			best.taken = true
			l.add(loan{node: best.node, service: s, pool: l.poolFor(s, best.node, from), reason: l.lentFor(s, x, from.node, best.node, best.near)})
		}
	}
	if len(short) > 1 {
		l.takeBack(d, before)
	}
}

// takeBack drops the loans since a moment without which every floor is covered.
func (l *lending) takeBack(d *demands, since int) {
	for at := len(l.loans) - 1; at >= since; at-- {
		x := l.loans[at]
		in := d.of(l.nodes[x.node].Node)
		if slices.ContainsFunc(in, func(one int) bool { return d.all[one].have <= d.all[one].least }) {
			continue
		}
		for _, one := range in {
			d.all[one].have--
			d.all[one].loans--
		}
		if assignmentOf(l.nodes[x.node].Node, l.services[x.service].GetName()) == nil {
			l.load[x.node]--
		}
		l.loans = slices.Delete(l.loans, at, at+1)
		l.lent[x.node] = slices.DeleteFunc(l.lent[x.node], func(s int) bool { return s == x.service })
	}
}

// poolFor is the pool that a loan stands in for: the one that it stands in for
// already, or the one that lost what it had, if that lacks something; else one
// that does. Or it would never be said to be needed, and not be given back
// either.
func (l *lending) poolFor(s, i int, from absence) int {
	own := unseated
	if a := assignmentOf(l.nodes[i].Node, l.services[s].GetName()); a.GetBorrowed() {
		own = l.poolOf(a)
	}
	home := l.homeOf(s)
	switch {
	case own != unseated && l.lacks(own):
		return own
	case from.node >= 0 && l.lacks(from.pool):
		return from.pool
	case l.lacks(home):
		return home
	case own != unseated:
		return own
	}
	return from.pool
}

// lacks: the pool has an open seat, or a member that has lost something.
func (l *lending) lacks(k int) bool { return l.vacant[k] > 0 || len(l.short[k]) > 0 }

// homeOf is the first pool that has a service and lacks something; else the first
// that has it.
func (l *lending) homeOf(s int) int {
	has := func(p poolFacts) bool { return slices.Contains(p.services, s) }
	for k := range l.pools {
		if has(l.pools[k]) && l.lacks(k) {
			return k
		}
	}
	return slices.IndexFunc(l.pools, has)
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
	case l.seated(i, s) || slices.Contains(l.lent[i], s):
		return bound
	case !l.lends(i):
		return withheld
	}
	return l.closed(n, []int{s})
}

func (l *lending) lentFor(s int, x *demand, from, i int, near nearness) string {
	name, why := l.services[s].GetName(), ""
	if from >= 0 {
		why = ": " + l.absent(from, []int{s})
	}
	return fmt.Sprintf("%s would be under its floor of %d%s%s; %s%s%s", name, x.least, x.inWords(), why, l.nodes[i].GetId(), l.origin(i), near.words(name))
}

// origin says what seat a node has, to go on its id.
func (l *lending) origin(i int) string {
	switch seats := l.seats[i]; {
	case len(seats) == 0:
		return " has no seat"
	case l.spare(i):
		return " only has seats of shared pools"
	default:
		return " is of pool " + l.pools[seats[0]].GetName()
	}
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

// lostIn says what became of the nodes of a part that have a service and cannot
// be counted on for it.
func (l *lending) lostIn(s int, x *demand) string {
	var nodes []int
	for i := range l.nodes {
		if n := &l.nodes[i]; matches(n.Node, x.where) && (n.down || n.fails[s]) {
			nodes = append(nodes, i)
		}
	}
	l.byID(nodes)
	words := make([]string, len(nodes))
	for at, i := range nodes {
		words[at] = l.absent(i, []int{s})
	}
	return enumerate(words, fewFacts)
}

// shortageOf says why a floor is not covered.
func (l *lending) shortageOf(s int, x *demand) string {
	name := l.services[s].GetName()
	counts := map[barrier]int{}
	for i := range l.nodes {
		if matches(l.nodes[i].Node, x.where) {
			counts[l.refusal(i, s)]++
		}
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
	text := fmt.Sprintf("%s needs %s for its floor%s and can count on %d", name, amount(x.least, "node"), x.inWords(), x.have)
	switch {
	case len(why) > 0:
		text += "; no other may take it: " + strings.Join(why, ", ")
	case x.nodes == x.have:
		text += "; there is no other node"
	default:
		text += "; " + l.lostIn(s, x)
	}
	if counts[elsewhere] > 0 {
		text += "; " + l.whereData([]int{s})
	}
	return text
}
