package placement

import (
	"cmp"
	"slices"

	v1 "roster/proto/roster/v1"
)

// lending works out what stands in for what was lost. Nodes, services and pools
// are those of the problem, by number.
type lending struct {
	*problem
	seats  [][]int // by node: the pools that it has seats of, the exclusive one first
	vacant []int   // by pool: seats that nobody holds

	demands []demands   // by service
	missing [][]absence // by service: who may not be counted on
	members [][]int     // by pool
	short   [][]int     // by pool: members that have lost a service of it
	needs   []verdict   // by pool
	loans   []loan
	lent    [][]int // by node: the services of its loans
	failing []loan  // what there is, but cannot be counted on
	load    []int   // by node: its services
}

// loan is one service at a node without a seat that has it.
type loan struct {
	node, service, pool int
	counted             bool
	reason              string
}

// absence is a node that cannot be counted on for a service of its pool.
type absence struct{ node, pool int }

// lend decides what stands in, beside the seats. Loans that there are stay until
// their pool is whole again. Members that are lost get a stand-in each, as long
// as there are nodes without a seat. A service that would still be under its
// floor is borrowed from nodes of other pools.
func (p *problem) lend(v View, t *Target, f filling, s sizing, seats *seating) ([]*v1.Loan, []*v1.Shortage) {
	l := p.lending(v, f, s, seats)
	l.keep()
	l.standIn()
	shortages := l.outsized(t, l.borrow())
	return l.written(), shortages
}

// lending counts what there is.
func (p *problem) lending(v View, f filling, s sizing, seats *seating) *lending {
	l := &lending{
		problem: p, seats: seats.of, vacant: make([]int, len(p.pools)),
		demands: p.demand(v.Floors, v.Parts), missing: make([][]absence, len(p.services)),
		members: make([][]int, len(p.pools)), short: make([][]int, len(p.pools)), needs: make([]verdict, len(p.pools)),
		load: make([]int, len(p.nodes)), lent: make([][]int, len(p.nodes)),
	}
	for k := range p.pools {
		if kind(p.pools[k].Pool) != 2 {
			l.vacant[k] = s.wanted[k] - f.got[k] - len(seats.kept[k])
		}
	}
	for i := range p.nodes {
		l.count(i)
	}
	return l
}

// count notes what a node is good for. Where several of its pools have a
// service, that is one instance, and belongs to the first of them; so is its loss.
func (l *lending) count(i int) {
	n := &l.nodes[i]
	for s, ready := range n.ready {
		if ready {
			for _, at := range l.demands[s].of(n.Node) {
				l.demands[s].all[at].ready++
			}
		}
	}
	l.load[i] = len(n.GetAssignments())
	if len(l.seats[i]) == 0 {
		l.countDrained(i)
		return
	}
	for at, k := range l.seats[i] {
		l.members[k] = append(l.members[k], i)
		lost := false
		for _, s := range l.pools[k].services {
			if slices.ContainsFunc(l.seats[i][:at], func(before int) bool { return slices.Contains(l.pools[before].services, s) }) {
				continue
			}
			if n.down || n.fails[s] {
				l.missing[s] = append(l.missing[s], absence{i, k})
				lost = true
				continue
			}
			l.expect(i, s, false)
		}
		if lost {
			l.short[k] = append(l.short[k], i)
		}
	}
}

// expect counts on a node for a service.
func (l *lending) expect(i, s int, lent bool) {
	for _, at := range l.demands[s].of(l.nodes[i].Node) {
		l.demands[s].all[at].have++
		if lent {
			l.demands[s].all[at].loans++
		}
	}
}

// countDrained notes what a node that is being drained was good for.
func (l *lending) countDrained(i int) {
	if !l.nodes[i].drained {
		return
	}
	for _, a := range l.nodes[i].GetAssignments() {
		if s, named := l.numbers[a.GetService()]; named && !a.GetBorrowed() {
			if k := l.poolOf(a); k != unseated {
				l.missing[s] = append(l.missing[s], absence{i, k})
			}
		}
	}
}

// poolOf is the pool that an assignment is for, if that still has the service.
func (l *lending) poolOf(a *v1.Assignment) int {
	if k, there := l.byName[a.GetPool()]; there && slices.Contains(l.pools[k].GetServices(), a.GetService()) {
		return k
	}
	return unseated
}

// keep goes on with the loans that there are, for as long as their pool needs
// them, and with what is left of a seat that went to another node.
func (l *lending) keep() {
	for i := range l.nodes {
		n := &l.nodes[i]
		for _, a := range n.GetAssignments() {
			s, named := l.numbers[a.GetService()]
			if !named || a.GetWanted() != v1.Wanted_WANTED_SERVING || l.seated(i, s) || n.drained || observing(n.Node) {
				continue
			}
			k := l.poolOf(a)
			if k == unseated || !a.GetBorrowed() && (n.barrier[k] != gone || n.down) {
				continue
			}
			if l.unfit(i, s) != free || !l.lends(i) {
				continue
			}
			why := l.stays(k, i)
			if why == "" {
				continue
			}
			x := loan{node: i, service: s, pool: k, reason: "stays until pool " + l.pools[k].GetName() + " is whole: " + why}
			switch {
			case n.fails[s]:
				l.failing = append(l.failing, x)
			case n.down:
				x.reason = n.GetId() + " is down; " + x.reason
				l.enlist(x)
			default:
				l.add(x)
			}
		}
	}
}

// enlist notes a loan.
func (l *lending) enlist(x loan) {
	l.loans = append(l.loans, x)
	l.lent[x.node] = append(l.lent[x.node], x.service)
}

// add counts on a loan.
func (l *lending) add(x loan) {
	x.counted = true
	l.enlist(x)
	l.expect(x.node, x.service, true)
	if assignmentOf(l.nodes[x.node].Node, l.services[x.service].GetName()) == nil {
		l.load[x.node]++
	}
}

// seated: the node has a seat of a pool with this service.
func (l *lending) seated(i, s int) bool {
	return slices.ContainsFunc(l.seats[i], func(k int) bool { return slices.Contains(l.pools[k].services, s) })
}

// lends: the node's services may be joined by others.
func (l *lending) lends(i int) bool {
	return !slices.ContainsFunc(l.seats[i], func(k int) bool { return l.pools[k].Lend != nil && !l.pools[k].GetLend() })
}

// spare: no pool has the node for itself.
func (l *lending) spare(i int) bool {
	return !slices.ContainsFunc(l.seats[i], func(k int) bool { return !l.pools[k].GetShared() })
}

// unfit says what keeps a service from a node for good, whatever pool it is for.
func (p *problem) unfit(i, s int) barrier {
	n, service := &p.nodes[i], p.services[s]
	switch {
	case !n.can[s]:
		return unable
	case !matches(n.Node, service.GetRequires()):
		return lacking
	case !p.hasData(n.Node, s):
		return elsewhere
	}
	return free
}

// written puts loans in order: by node, then service.
func (l *lending) written() []*v1.Loan {
	slices.SortFunc(l.loans, func(a, b loan) int {
		return cmp.Or(Compare(l.nodes[a.node].GetId(), l.nodes[b.node].GetId()),
			cmp.Compare(l.services[a.service].GetName(), l.services[b.service].GetName()))
	})
	var out []*v1.Loan
	for _, x := range l.loans {
		out = append(out, &v1.Loan{
			Pool: l.pools[x.pool].GetName(), Service: l.services[x.service].GetName(), Node: l.nodes[x.node].GetId(), Reason: x.reason,
		})
	}
	return out
}
