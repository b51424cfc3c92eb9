package whatif

import (
	"slices"

	"roster/fsm/placement"
	"roster/fsm/rollout"
	v1 "roster/proto/roster/v1"
)

// survey looks at losses of one cluster.
type survey struct {
	c       *Cluster
	nodes   []*v1.Node // by id
	keys    []string   // of floors
	floors  []uint32
	serves  [][]int  // by node: floors that it counts for now
	ready   []uint32 // by floor, before anything is lost
	of      []int    // class of each node
	members [][]int  // nodes of each class
}

func (c *Cluster) survey() *survey {
	s := &survey{c: c, nodes: slices.Clone(c.Nodes), keys: c.floorKeys()}
	slices.SortFunc(s.nodes, func(a, b *v1.Node) int { return placement.Compare(a.GetId(), b.GetId()) })
	s.of, s.members = c.classes(s.nodes)
	place := map[string]int{}
	for i, key := range s.keys {
		place[key] = i
		s.floors = append(s.floors, c.Floors[key].GetFloor())
	}
	s.ready = figures(c.Nodes, c.Floors, s.keys)
	s.serves = make([][]int, len(s.nodes))
	alike := make([][]int, len(s.members)) // what a class serves
	for class, members := range s.members {
		for key := range rollout.ReadyCounts(s.nodes[members[0]:members[0]+1], c.Floors) {
			if i, there := place[key]; there {
				alike[class] = append(alike[class], i)
			}
		}
	}
	for i, class := range s.of {
		s.serves[i] = alike[class]
	}
	return s
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

// broken are the floors that a loss costs: a service that has none ready at once,
// and what stays under its floor.
func (s *survey) broken(o outcome) (atOnce, after []int) {
	for i, key := range s.keys {
		if s.floors[i] > 0 && o.ready[i] == 0 && len(s.c.Floors[key].GetWhere()) == 0 {
			atOnce = append(atOnce, i)
		}
		if o.recovered[i] < s.floors[i] && !o.void[i] {
			after = append(after, i)
		}
	}
	return atOnce, after
}

// harmless: every service keeps its floor, whatever Roster does. Nothing that it
// does takes a service below its floor, so the loss is not fatal either.
func (s *survey) harmless(lost []int) bool {
	for i, ready := range s.atOnce(lost) {
		if ready < s.floors[i] {
			return false
		}
	}
	return true
}
