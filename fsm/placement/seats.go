package placement

import "slices"

// seating is who has which seats in the target.
type seating struct {
	of   [][]int // by node: pools, the one that takes the node for itself first
	kept [][]int // by pool, in order: nodes whose seat is gone with them, and waits for them
}

func (p *problem) seating(at, kept []int) *seating {
	s := &seating{of: make([][]int, len(p.nodes)), kept: make([][]int, len(p.pools))}
	room := make([]int, len(p.nodes))
	for i := range p.nodes {
		k := at[i]
		if k == unseated && kept[i] != unseated {
			k = kept[i]
			s.kept[k] = append(s.kept[k], i)
		}
		if k != unseated {
			room[i] = k
			s.of[i] = room[i : i+1 : i+1]
		}
	}
	return s
}

// has: the node has a seat of the pool.
func (s *seating) has(i, k int) bool { return slices.Contains(s.of[i], k) }

// keeps: the seat of the pool is gone with the node, and waits for it.
func (s *seating) keeps(i, k int) bool {
	_, kept := slices.BinarySearch(s.kept[k], i)
	return kept
}
