package placement

import (
	"cmp"
	"slices"
)

// filling is how many seats can be held at once by nodes that may take them now.
type filling struct {
	got []int
	// By pool that stayed short: the pools that compete for the same nodes.
	rivals map[int][]int
	// Seats are open or gone for good: members stay where they are.
	strained bool
}

// fill decides how many members every pool gets. Where every seat can be
// filled, that is all there is to it. Where seats are gone for good with their
// nodes, or there are too few nodes, those that have a seat keep it.
func (p *problem) fill(s sizing) filling {
	lost := false
	f := p.fillAnew(s, func(n *nodeFacts, pool int) bool {
		lost = lost || n.barrier[pool] == gone
		return n.barrier[pool] == free || n.barrier[pool] == gone
	})
	for k := range p.own {
		lost = lost || kind(p.pools[k].Pool) != 2 && f.got[k] < s.wanted[k]
	}
	if lost {
		return p.fillHeld(s)
	}
	return f
}

// fillAnew gives the seats to pools of higher priority first, weights of equal
// priority in the order of their entitlement, and to `all` pools every node
// that is left.
func (p *problem) fillAnew(s sizing, open func(n *nodeFacts, pool int) bool) filling {
	f := filling{rivals: map[int][]int{}}
	m := newMatching(p, open)
	order := p.byUrgency()
	for at := 0; at < len(order); {
		end := at + 1
		for end < len(order) && p.alike(order[at], order[end]) {
			end++
		}
		p.open(m, &f, s, order[at:end], nil)
		at = end
	}
	f.got = m.got
	return f
}

// alike: weights of equal priority share what there is.
func (p *problem) alike(a, b int) bool {
	x, y := p.pools[a].Pool, p.pools[b].Pool
	return kind(x) == 1 && kind(y) == 1 && x.GetPriority() == y.GetPriority()
}

// open gives open seats to one pool, or to weights of equal priority. held is
// what they have got already, by pool.
func (p *problem) open(m *matching, f *filling, s sizing, group []int, held []int) {
	grow := func(k int) bool {
		if f.rivals[k] != nil {
			return false
		}
		rivals, ok := m.grow(k)
		if !ok {
			f.rivals[k] = rivals
		}
		return ok
	}
	switch first := group[0]; kind(p.pools[first].Pool) {
	case 0:
		for m.got[first] < s.wanted[first] && grow(first) {
		}
	case 1:
		left := slices.Clone(held)
		for _, k := range s.awards {
			if !slices.Contains(group, k) {
				continue
			}
			if left != nil && left[k] > 0 {
				left[k]--
				continue
			}
			grow(k)
		}
	default:
		for grow(first) {
		}
	}
}

// fillHeld gives seats where there are more of them than nodes. Pools of higher
// priority come first, and may take members of lower ones. Among pools of equal
// priority nobody takes members away: those that are there and live keep their
// seats, as far as the pool is that large; open seats come after. So a loss
// costs the pool that had it, and the pools below.
//
// A pool with open seats loses no member but to a higher one, and one that is
// too large is left by members and joined by nobody. So no move towards the
// result changes it.
//
// An `all` pool has no size of its own. It counts as large as the others would
// leave it if every node were there. Where it comes out larger, because others
// cannot fill their seats, it keeps that number, but no certain members.
func (p *problem) fillHeld(s sizing) filling {
	p.holdOne(s.wanted)
	for {
		f := p.fillLevels(s)
		again := false
		for k := range p.own {
			if pool := &p.pools[k]; kind(pool.Pool) == 2 && !pool.loose && f.got[k] > s.wanted[k] {
				pool.loose, again = true, true
			}
		}
		if !again {
			p.bind()
			return f
		}
	}
}

func (p *problem) fillLevels(s sizing) filling {
	f := filling{rivals: map[int][]int{}, strained: true}
	m := newHolding(p)
	for depth, level := range p.levels() {
		for _, k := range level {
			pool := &p.pools[k]
			pool.depth, pool.grows = depth, false
			m.only(k, m.holds)
			if pool.loose {
				m.only(k, m.free)
			}
			for m.got[k] < s.wanted[k] {
				if _, ok := m.grow(k); !ok {
					break
				}
			}
		}
		held := slices.Clone(m.got)
		for _, k := range level {
			if held[k] < s.wanted[k] && !p.pools[k].loose {
				m.settle(k)
				m.only(k, m.free)
				p.pools[k].grows = true
			}
		}
		for at := 0; at < len(level); {
			end := at + 1
			for end < len(level) && p.alike(level[at], level[end]) {
				end++
			}
			if kind(p.pools[level[at]].Pool) != 2 {
				p.open(m, &f, s, level[at:end], held)
			}
			at = end
		}
	}
	for _, k := range p.byUrgency() {
		if kind(p.pools[k].Pool) == 2 {
			m.only(k, m.free)
			p.open(m, &f, s, []int{k}, nil)
		}
	}
	for k := range f.rivals {
		f.rivals[k] = m.rivals(k)
	}
	f.got = m.got
	return f
}

// bind closes pools to the nodes that fillHeld did not count on for them: those
// that have a seat in a pool that grows stay there, unless a higher one takes
// them, and a pool that does not grow takes none but its own.
func (p *problem) bind() {
	for i := range p.nodes {
		n := &p.nodes[i]
		own := unseated
		for k := range p.own {
			if n.holds[k] && n.barrier[k] == free && p.pools[k].grows {
				own = k
			}
		}
		for k := range p.own {
			pool := &p.pools[k]
			leftovers := kind(pool.Pool) == 2
			if n.barrier[k] == free && k != own &&
				(!leftovers && !pool.grows && !n.holds[k] || own != unseated && (leftovers && !pool.loose || pool.depth >= p.pools[own].depth)) {
				n.barrier[k] = bound
			}
		}
	}
}

// unbind takes back what bind closed. Sizes that overlap in odd ways can be held
// by nodes that it did not think of.
func (p *problem) unbind() bool {
	found := false
	for i := range p.nodes {
		for k, b := range p.nodes[i].barrier {
			if b == bound {
				p.nodes[i].barrier[k], found = free, true
			}
		}
	}
	return found
}

// holdOne leaves a node on its way from one pool to another one of its seats: of
// the pool that still needs it, the more urgent one first.
func (p *problem) holdOne(most []int) {
	order := slices.Concat(p.levels()...)
	members := make([]int, p.own)
	var many []int
	for i := range p.nodes {
		first, several := unseated, false
		for k, holds := range p.nodes[i].holds[:p.own] {
			if holds && p.nodes[i].barrier[k] == free {
				first, several = k, several || first != unseated
			}
		}
		switch {
		case several:
			many = append(many, i)
		case first != unseated:
			members[first]++
		}
	}
	for _, i := range many {
		own := unseated
		for _, k := range order {
			if n := &p.nodes[i]; n.holds[k] && n.barrier[k] == free && (own == unseated || members[own] >= most[own] && members[k] < most[k]) {
				own = k
			}
		}
		for k := range p.nodes[i].holds[:p.own] {
			p.nodes[i].holds[k] = k == own
		}
		members[own]++
	}
}

// levels are the pools of equal priority, highest first, each in the order of
// urgency.
func (p *problem) levels() [][]int {
	order := p.byUrgency()
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(p.pools[b].GetPriority(), p.pools[a].GetPriority())
	})
	var levels [][]int
	for at, k := range order {
		if at == 0 || p.pools[k].GetPriority() != p.pools[order[at-1]].GetPriority() {
			levels = append(levels, nil)
		}
		levels[len(levels)-1] = append(levels[len(levels)-1], k)
	}
	return levels
}

// keep leaves open seats to the nodes that they are gone with: whoever comes
// back finds it as it was. It returns the pool of every such node.
func (p *problem) keep(f filling, s sizing, at []int) []int {
	kept := make([]int, len(p.nodes))
	room := make([]int, p.own)
	for k := range p.own {
		room[k] = s.wanted[k] - f.got[k]
		if kind(p.pools[k].Pool) == 2 {
			room[k] = len(p.nodes)
		}
	}
	for i := range p.nodes {
		kept[i] = unseated
		n := &p.nodes[i]
		for k := range p.own {
			if at[i] == unseated && n.barrier[k] == gone && n.holds[k] && room[k] > 0 {
				kept[i] = k
				room[k]--
				break
			}
		}
	}
	return kept
}
