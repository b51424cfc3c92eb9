package whatif

import (
	"slices"

	"roster/fsm/placement"
	"roster/fsm/rollout"
	v1 "roster/proto/roster/v1"
)

// survey looks at losses of one cluster.
type survey struct {
	c      *Cluster
	nodes  []*v1.Node // by id
	keys   []string   // of floors
	floors []uint32
	serves [][]int  // by node: floors that it counts for now
	ready  []uint32 // by floor, before anything is lost
	// Groups of nodes that are looked at once: of few nodes each is one of its own,
	// of more all those that no rule tells apart. By node, and by group.
	of      []int
	members [][]int
	// How many nodes no rule tells apart from those of a group, and which groups
	// those are.
	class []int
	sizes []int // by class
}

func (c *Cluster) survey() *survey {
	s := &survey{c: c, nodes: slices.Clone(c.Nodes), keys: c.floorKeys()}
	slices.SortFunc(s.nodes, func(a, b *v1.Node) int { return placement.Compare(a.GetId(), b.GetId()) })
	s.group()
	place := map[string]int{}
	for i, key := range s.keys {
		place[key] = i
		s.floors = append(s.floors, c.Floors[key].GetFloor())
	}
	s.ready = figures(c.Nodes, c.Floors, s.keys)
	s.serves = make([][]int, len(s.nodes))
	for _, members := range s.members {
		var serves []int // alike
		for key := range rollout.ReadyCounts(s.nodes[members[0]:members[0]+1], c.Floors) {
			if i, there := place[key]; there {
				serves = append(serves, i)
			}
		}
		for _, i := range members {
			s.serves[i] = serves
		}
	}
	return s
}

// group says which nodes are looked at together. Nodes that no rule tells apart
// are lost alike, but for one thing: where two other nodes are as good as each
// other, the smaller id is taken, and the two may lie in different places. So few
// nodes are looked at one by one.
func (s *survey) group() {
	of, members := s.c.classes(s.nodes)
	for _, m := range members {
		s.sizes = append(s.sizes, len(m))
	}
	if len(s.nodes) > MostConcrete {
		s.of, s.members = of, members
		for class := range members {
			s.class = append(s.class, class)
		}
		return
	}
	s.class = of
	for i := range s.nodes {
		s.of, s.members = append(s.of, i), append(s.members, []int{i})
	}
}

// atOnce are the ready nodes right after some nodes fell silent.
func (s *survey) atOnce(lost []int) []uint32 {
	ready := slices.Clone(s.ready)
	for _, i := range lost {
		for _, key := range s.serves[i] {
			ready[key]--
		}
	}
	return ready
}

// outcome is what becomes of a loss.
type outcome struct {
	ready, recovered []uint32
	// Floors over a part of the nodes of which none is left, or that nobody asks
	// for any more, hold no longer.
	void []bool
}

// outcome works out both figures: failover once the nodes are down, then seats
// that are given away after replace_after.
func (s *survey) outcome(lost []int) outcome {
	o := outcome{ready: s.atOnce(lost), void: make([]bool, len(s.keys))}
	if len(lost) == 0 {
		o.recovered = o.ready
		return o
	}
	names := map[string]bool{}
	for _, i := range lost {
		names[s.nodes[i].GetId()] = true
	}
	policy := s.c.Topology.GetPolicy()
	after := s.c.later(policy.GetDownAfter().AsDuration()).without(names)
	for _, wait := range []bool{false, true} {
		if wait {
			after = after.later(policy.GetReplaceAfter().AsDuration()).judged()
		}
		next, err := after.follow()
		if err != nil {
			// A topology in force can be placed; without it nothing is mended.
			o.recovered = o.ready
			return o
		}
		after = next
	}
	o.recovered = figures(after.Nodes, s.c.Floors, s.keys)
	for i, key := range s.keys {
		o.void[i] = after.Floors[key] == nil || s.gone(key, names)
	}
	return o
}

// gone: a floor is over a part of the nodes, and none of them is left.
func (s *survey) gone(key string, lost map[string]bool) bool {
	where := s.c.Floors[key].GetWhere()
	return len(where) > 0 && !slices.ContainsFunc(s.nodes, func(n *v1.Node) bool {
		return !lost[n.GetId()] && placement.Matches(n, where)
	})
}

// serviceLoss is what a loss means for the floor of a key.
func (c *Cluster) serviceLoss(key string, before, ready, recovered uint32) *v1.ServiceLoss {
	f := c.Floors[key]
	return &v1.ServiceLoss{
		Service: f.GetService(), Part: placement.PartName(f.GetWhere()),
		Before: before, Ready: ready, Recovered: recovered, Floor: f.GetFloor(),
	}
}

// silenced: a service that has a floor has none ready. Where somebody served it,
// that is so whatever floor was reached up to now: a service whose floor is not in
// force yet can be lost all the same.
func (s *survey) silenced(key int, ready uint32) bool {
	return ready == 0 && (s.floors[key] > 0 || s.ready[key] > 0) && len(s.c.Floors[s.keys[key]].GetWhere()) == 0
}

// broken are the floors that a loss costs: a service that has none ready at once,
// and what stays under its floor.
func (s *survey) broken(o outcome) (atOnce, after []int) {
	for i := range s.keys {
		if s.silenced(i, o.ready[i]) {
			atOnce = append(atOnce, i)
		}
		if o.recovered[i] < s.floors[i] && !o.void[i] {
			after = append(after, i)
		}
	}
	return atOnce, after
}

// harmless: every service keeps its floor and a ready node, whatever Roster does.
// Nothing that it does takes a service below its floor, so the loss is not fatal
// either.
func (s *survey) harmless(lost []int) bool {
	for i, ready := range s.atOnce(lost) {
		if ready < s.floors[i] || s.silenced(i, ready) {
			return false
		}
	}
	return true
}
