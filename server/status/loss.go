package status

import (
	"slices"

	v1 "roster/proto/roster/v1"

	"roster/fsm/placement"
)

// losses are what the pools lack or do not rely on yet.
type losses struct {
	// Nodes that hold a seat and have lost a service of it, as people count.
	seats map[poolService][]*v1.Node
	// Nodes that hold a seat, live, and came back too lately to be relied on.
	back map[string][]*v1.Node
}

type poolService struct{ pool, service string }

func (f *findings) survey() *losses {
	if f.losses != nil {
		return f.losses
	}
	f.losses = &losses{seats: map[poolService][]*v1.Node{}, back: map[string][]*v1.Node{}}
	for _, n := range f.nodes {
		lately := f.cameBackLately(n)
		for _, a := range n.GetAssignments() {
			pool := a.GetPool()
			if a.GetBorrowed() || pool == "" {
				continue
			}
			if at := (poolService{pool, a.GetService()}); placement.Lost(n, a.GetService(), f.policy, f.now) {
				f.losses.seats[at] = append(f.losses.seats[at], n)
			}
			if lately && !slices.Contains(f.losses.back[pool], n) {
				f.losses.back[pool] = append(f.losses.back[pool], n)
			}
		}
	}
	return f.losses
}

func (f *findings) cameBackLately(n *v1.Node) bool {
	return !isDown(n) && !placement.Settled(n, f.policy, f.now)
}

// standsIn: something is lost, and this node serves it meanwhile. What only has
// not been given back yet is no loss.
func (f *findings) standsIn(n *v1.Node) bool {
	for _, a := range n.GetAssignments() {
		if a.GetBorrowed() && f.makesUp(n, a) {
			return true
		}
	}
	return false
}

// makesUp says whether what a node serves without a seat is missing elsewhere.
// What is on loan for a floor that is above the seats is no surplus, however well
// everybody is. The planner also keeps what is missing nowhere, while a node that
// came back is not relied on yet.
func (f *findings) makesUp(n *v1.Node, a *v1.Assignment) bool {
	if f.loaned[n.GetId()][a.GetService()] == "" {
		return false
	}
	lost := f.survey().seats[poolService{a.GetPool(), a.GetService()}]
	return f.short[a.GetPool()] || f.floorShort[a.GetService()] || slices.ContainsFunc(lost, func(other *v1.Node) bool { return other != n })
}

// kept says whether what a node serves without a seat is missing nowhere, and
// only stays until something has been well for long enough.
func (f *findings) kept(n *v1.Node, a *v1.Assignment) bool {
	return a.GetBorrowed() && (f.loaned[n.GetId()][a.GetService()] != "" && !f.makesUp(n, a) || len(f.untrusted(n, a.GetPool())) > 0)
}

// missing are the nodes beside one that hold seats of a pool and have lost some
// of its services.
func (f *findings) missing(beside *v1.Node, pool string, services []string) (ids []string) {
	for _, service := range services {
		for _, n := range f.survey().seats[poolService{pool, service}] {
			if n != beside {
				ids = append(ids, n.GetId())
			}
		}
	}
	slices.SortFunc(ids, placement.Compare)
	return slices.Compact(ids)
}

// untrusted are the nodes that live and came back too lately to be relied on,
// for which something that a node has without a seat in a pool is kept.
func (f *findings) untrusted(n *v1.Node, pool string) []*v1.Node {
	back := f.survey().back[pool]
	if f.cameBackLately(n) && !slices.Contains(back, n) {
		back = append(slices.Clone(back), n)
	}
	return back
}
