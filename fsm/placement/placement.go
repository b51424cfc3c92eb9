// Package placement decides who should serve what: the size of every pool, its
// members, what stands in for what was lost, and what today's nodes cannot fill,
// each with its reason.
//
// It owns the target: pools, seats and loans; and what is lost (lost.go). It must
// not know how the cluster gets there (package rollout), or who asks; the time is
// an argument. It is pure: equal views give equal targets, whatever the order of
// the nodes, and messages in a view are never changed. It keeps no state, so
// every function may be called from any goroutine.
//
// Placing happens in stages, each bound by the ones before it:
//
//  1. Sizes, by formula over the registered nodes, up or down (sizes.go): count
//     pools, then weights by Sainte-Laguë, then `all`.
//  2. Filling: how many of these seats can be held at once by nodes that may
//     take them now, pools of higher priority first (fill.go).
//  3. Members: the cheapest choice of nodes for exactly these seats (members.go).
//     What cheap means is one list of costs, compared in order (cost.go). Then
//     pools that share nodes, one after the other (shared.go).
//  4. Loans: those that stay (loan.go, whole.go), stand-ins (standin.go), and
//     services borrowed for their floors (borrow.go).
//  5. Reasons (reason.go).
//
// The costs have a property that the rest of Roster relies on: a move towards
// the target makes the target cheaper by at least as much as it makes any other
// choice, and no two choices cost the same. So placing again in the middle of a
// rollout, or after it, gives the same target.
package placement

import (
	"slices"
	"time"

	v1 "roster/proto/roster/v1"
)

// View is what a placement is made from.
type View struct {
	// The topology with every default filled in (topology.Effective); nil: there
	// is none, and no seat either.
	Topology *v1.Topology
	// All registered nodes, in any order.
	Nodes []*v1.Node
	// The leader's time. Zero: nothing has been lost for long.
	Now time.Time
	// Floors in force, by service; a service without an entry has none.
	Floors map[string]uint32
	// Floors in force over parts of the nodes, in any order.
	Parts []Part
	// Who had which seat when the rollout began that is being walked back; nil:
	// none is.
	Prefer []*v1.Seat
	// Frozen says that the operator keeps Roster off a node for now: it keeps
	// what it has and gets nothing new. nil: none is.
	Frozen func(*v1.Node) bool
}

// Target is who should serve what.
type Target struct {
	// Members of every pool: pools in the order of the file, nodes by Less.
	Seats []*v1.Seat
	// One entry per pool, in the order of the file.
	Sizes []PoolSize
	// What today's nodes cannot fill, in the order of the file.
	Shortages []*v1.Shortage
	// What stands in for what was lost, beside the seats: by node, then service.
	Loans []*v1.Loan
	// How good the spread is, where keys cross and that is not certain.
	Spreads []*v1.SpreadBound
}

// PoolSize is how many members a pool should have and gets.
type PoolSize struct {
	Pool string
	// Wanted follows from the topology and the registered nodes, up or down.
	Wanted uint32
	// Got is the number of its seats that are filled.
	Got uint32
	// Reason says in a sentence how Wanted came about.
	Reason string
	// Open says that more nodes would make it larger: a weight, or `all`.
	Open bool
}

// Place decides the target for a view. An error means that the topology can
// hold for no nodes at all; whatever today's nodes lack is a shortage.
func Place(v View) (*Target, error) {
	p, err := compile(v)
	if err != nil {
		return nil, err
	}
	sizes, filled, _, seats := p.decide()
	left := p.left(seats)

	t := &Target{Spreads: p.spreads}
	byPool := make([][]int, len(p.pools))
	for i, pools := range seats.of {
		for _, k := range pools {
			byPool[k] = append(byPool[k], i)
		}
	}
	for _, k := range p.filed {
		pool := &p.pools[k]
		wanted, got := pool.demand(sizes.wanted[k], filled.got[k]), filled.got[k]
		t.Sizes = append(t.Sizes, PoolSize{pool.GetName(), uint32(wanted), uint32(got), p.sizeReason(k), kind(pool.Pool) != 0})
		if got < wanted && pool.GetMin() > 0 {
			t.Shortages = append(t.Shortages, &v1.Shortage{
				Pool: pool.GetName(), Wanted: uint32(wanted), Got: uint32(got),
				Reason: p.shortageReason(k, wanted, got, filled.rivals[k], seats),
			})
		}
		slices.SortFunc(byPool[k], func(a, b int) int { return Compare(p.nodes[a].GetId(), p.nodes[b].GetId()) })
		for _, i := range byPool[k] {
			t.Seats = append(t.Seats, &v1.Seat{Pool: pool.GetName(), Node: p.nodes[i].GetId(), Reason: p.seatReason(i, k, seats.keeps(i, k), left)})
		}
	}
	var under []*v1.Shortage
	t.Loans, under = p.lend(v, t, filled, sizes, seats)
	t.Shortages = append(t.Shortages, under...)
	return t, nil
}

// decide chooses who has which seats; at is who was chosen for the pools that
// take nodes for themselves.
func (p *problem) decide() (sizes sizing, filled filling, at []int, seats *seating) {
	sizes = p.size()
	filled = p.fill(sizes)
	p.strained = filled.strained
	at = p.members(filled.got)
	seats = p.seating(at, p.keep(filled, sizes, at))
	p.seatShared(&sizes, &filled, seats)
	return sizes, filled, at, seats
}

// demand is the number of members that a pool should have. A pool with less is
// short, unless its min is 0.
func (p *poolFacts) demand(size, got int) int {
	switch kind(p.Pool) {
	case 0:
		return size
	case 1:
		return max(size, int(p.GetMin()))
	}
	return max(got, int(p.GetMin()))
}

// Wanted lists the (node, service) pairs that the seats mean, with the pool
// that wants each: node, then service, then pool. Where several want it, that is
// the one that is not shared, else the first by priority and place in the file.
func (t *Target) Wanted(top *v1.Topology) map[string]map[string]string {
	services, order := map[string][]string{}, map[string]int{}
	pools, _, _ := inOrder(top.GetPools())
	for k, p := range pools {
		services[p.GetName()], order[p.GetName()] = p.GetServices(), k
	}
	wanted := map[string]map[string]string{}
	if t == nil {
		return wanted
	}
	for _, s := range t.Seats {
		set := wanted[s.GetNode()]
		if set == nil {
			set = map[string]string{}
			wanted[s.GetNode()] = set
		}
		for _, service := range services[s.GetPool()] {
			if first, there := set[service]; !there || order[s.GetPool()] < order[first] {
				set[service] = s.GetPool()
			}
		}
	}
	return wanted
}

// Loaned lists the (node, service) pairs that stand in, with the pool that each
// stands in for. None of them is in Wanted.
func (t *Target) Loaned() map[string]map[string]string {
	loaned := map[string]map[string]string{}
	if t == nil {
		return loaned
	}
	for _, l := range t.Loans {
		set := loaned[l.GetNode()]
		if set == nil {
			set = map[string]string{}
			loaned[l.GetNode()] = set
		}
		set[l.GetService()] = l.GetPool()
	}
	return loaned
}
