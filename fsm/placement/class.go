package placement

import "encoding/binary"

// class is the nodes at one place that no rule tells apart: as members of any
// pool they cost the same, but for their rank.
type class struct {
	place int
	open  []int  // pools that they may be members of
	costs []cost // of these, in their order
	piles []pile
}

// pile is the nodes of a class that are members of one pool, or of none. Nodes
// that have left are dropped when they come up.
type pile struct {
	pool  int
	low   []int32 // heap, lowest rank first
	high  []int32 // heap, highest rank first
	count int
}

// classify sorts the nodes into classes.
func (g *graph) classify() {
	known := map[string]int{}
	var signature []byte
	g.class = make([]int32, len(g.p.nodes))
	var members [][]int32
	for i := range g.p.nodes {
		signature = g.signature(signature[:0], i)
		number, there := known[string(signature)]
		if !there {
			number = len(g.classes)
			known[string(signature)] = number
			g.classes = append(g.classes, g.newClass(i))
			members = append(members, nil)
		}
		g.class[i] = int32(number)
		members[number] = append(members[number], int32(i))
	}
	for number := range g.classes {
		c := &g.classes[number]
		low := members[number]
		high := make([]int32, len(low))
		for at, i := range low {
			high[len(low)-1-at] = i
		}
		c.piles = []pile{{pool: unseated, low: low, high: high, count: len(low)}}
		g.here[g.idle] = append(g.here[g.idle], int32(number))
	}
}

// signature is all that memberCost looks at, and the place.
func (g *graph) signature(b []byte, i int) []byte {
	n := &g.p.nodes[i]
	b = binary.AppendUvarint(b, uint64(n.location))
	for _, k := range g.pools {
		var f byte
		for at, flag := range [...]bool{
			n.barrier[k] == free, n.holds[k], n.standsIn[k], k >= g.p.own && g.p.covered(i, k), g.p.prefer != nil && g.p.prefer[k][n.GetId()],
		} {
			if flag {
				f |= 1 << at
			}
		}
		b = append(b, f)
	}
	for s, whose := range n.whose {
		b = binary.AppendVarint(b, int64(whose))
		var f byte
		for at, flag := range [...]bool{n.serves[s], n.drains[s], g.p.given != nil && g.p.given[i*len(g.p.services)+s]} {
			if flag {
				f |= 1 << at
			}
		}
		b = append(b, f)
	}
	for _, group := range n.groups {
		b = append(b, byte(group))
	}
	var f byte
	for at, flag := range [...]bool{observing(n.Node), n.asleep(), n.groups != nil} {
		if flag {
			f |= 1 << at
		}
	}
	return append(b, f)
}

func (g *graph) newClass(i int) class {
	c := class{place: g.p.nodes[i].location}
	for _, k := range g.pools {
		if g.p.nodes[i].barrier[k] != free {
			continue
		}
		price := g.p.memberCost(i, k)
		price[partWishes] += g.outside[k][c.place] * wishFloor
		c.open, c.costs = append(c.open, k), append(c.costs, price)
	}
	return c
}

// pile returns the nodes of a class that are in a pool.
func (g *graph) pile(number, pool int) *pile {
	c := &g.classes[number]
	for at := range c.piles {
		if c.piles[at].pool == pool {
			return &c.piles[at]
		}
	}
	c.piles = append(c.piles, pile{pool: pool})
	v := g.idle
	if pool != unseated {
		v = g.leaf[pool][c.place]
	}
	g.here[v] = append(g.here[v], int32(number))
	return &c.piles[len(c.piles)-1]
}

// put moves a node to a pool, or to unseated.
func (g *graph) put(node, pool int) {
	number, from := int(g.class[node]), g.at[node]
	g.pile(number, from).count--
	g.count(node, from, -1)
	g.at[node] = pool
	g.count(node, pool, +1)
	to := g.pile(number, pool)
	to.count++
	push(&to.low, int32(node), lower)
	push(&to.high, int32(node), higher)
}

// first returns the node of a pile that has the lowest rank, or the highest.
func (g *graph) first(m *pile, lowest bool) int {
	h, before := &m.high, higher
	if lowest {
		h, before = &m.low, lower
	}
	for g.at[(*h)[0]] != m.pool {
		pop(h, before)
	}
	return int((*h)[0])
}

func lower(a, b int32) bool  { return a < b }
func higher(a, b int32) bool { return a > b }

func push[T any](heap *[]T, x T, before func(a, b T) bool) {
	*heap = append(*heap, x)
	h := *heap
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if !before(h[i], h[up]) {
			return
		}
		h[i], h[up] = h[up], h[i]
		i = up
	}
}

func pop[T any](heap *[]T, before func(a, b T) bool) {
	h := *heap
	last := len(h) - 1
	h[0] = h[last]
	h = h[:last]
	*heap = h
	for i := 0; ; {
		low := 2*i + 1
		if low >= len(h) {
			return
		}
		if low+1 < len(h) && before(h[low+1], h[low]) {
			low++
		}
		if !before(h[low], h[i]) {
			return
		}
		h[i], h[low] = h[low], h[i]
		i = low
	}
}
