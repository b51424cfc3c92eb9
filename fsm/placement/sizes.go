package placement

import (
	"cmp"
	"slices"

	v1 "roster/proto/roster/v1"
)

// sizing is what the formula gives: the size of every pool, and the order in
// which the seats of weights were given.
type sizing struct {
	wanted []int // by pool; of `all` pools: what the others would leave
	awards []int // pools, one per seat of a weight
}

// byUrgency orders the pools that are not shared: those that take what no other pool took last; higher
// priority first, then fixed before weights, then as in the file.
func (p *problem) byUrgency() []int {
	order := make([]int, p.own)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		if x, y := p.pools[a].GetAll(), p.pools[b].GetAll(); x != y {
			if y {
				return -1
			}
			return 1
		}
		if c := cmp.Compare(p.pools[b].GetPriority(), p.pools[a].GetPriority()); c != 0 {
			return c
		}
		return cmp.Compare(kind(p.pools[a].Pool), kind(p.pools[b].Pool))
	})
	return order
}

func kind(p *v1.Pool) int {
	switch p.Size.(type) {
	case *v1.Pool_Count:
		return 0
	case *v1.Pool_Weight:
		return 1
	}
	return 2
}

// size decides how many members each pool should have. It looks at registered
// nodes, up or down: a failure never resizes a pool. Fixed pools come first;
// weights share what is left by Sainte-Laguë, each seat going to the
// best-entitled pool that can be filled together with every seat given so far.
//
// Seats and nodes are the two sides of a matching, so adding a node never makes
// a seat impossible that was possible before (Shapley, Complements and
// substitutes in the optimal assignment problem, 1962): no pool shrinks when a
// node is added.
func (p *problem) size() sizing {
	m := newMatching(p, func(n *nodeFacts, pool int) bool { return n.barrier[pool].fits() })
	s := sizing{wanted: make([]int, len(p.pools))}
	for _, k := range p.byUrgency() {
		if kind(p.pools[k].Pool) != 0 {
			continue
		}
		s.wanted[k] = int(p.pools[k].GetCount())
		for m.got[k] < s.wanted[k] {
			if _, ok := m.grow(k); !ok {
				break
			}
		}
	}
	closed := make([]bool, len(p.pools))
	for {
		best := -1
		for k := range p.own {
			if kind(p.pools[k].Pool) != 1 || closed[k] || p.pools[k].GetWeight() == 0 {
				continue
			}
			if best < 0 || entitled(p.pools[k].GetWeight(), m.got[k], p.pools[best].GetWeight(), m.got[best]) {
				best = k
			}
		}
		if best < 0 {
			break
		}
		if _, ok := m.grow(best); !ok {
			closed[best] = true
			continue
		}
		s.wanted[best]++
		s.awards = append(s.awards, best)
	}
	for _, k := range p.byUrgency() {
		if kind(p.pools[k].Pool) != 2 {
			continue
		}
		for {
			if _, ok := m.grow(k); !ok {
				break
			}
			s.wanted[k]++
		}
	}
	return s
}

// entitled: weight a with its seats has a strictly better claim to the next one
// than weight b: a/(2s+1) > b/(2t+1).
func entitled(a uint32, aSeats int, b uint32, bSeats int) bool {
	return uint64(a)*uint64(2*bSeats+1) > uint64(b)*uint64(2*aSeats+1)
}
