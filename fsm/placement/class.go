package placement

import "encoding/binary"

// class is the nodes at one place that no rule tells apart: as members of any
// pool they cost the same. Which of them are members of what is decided last,
// see order.go; until then it is enough to know how many.
type class struct {
	place int
	open  []int  // pools that they may be members of, in the order of the file
	costs []cost // of these; last, of having no seat: nothing
	count []int  // of these: how many nodes they have; last: how many have no seat
	known []bool // of these: noted in graph.here
}

// pile is the nodes of a class in one pool, by its place in class.open.
type pile struct{ class, pool int }

// classify sorts the nodes into classes. None has a seat.
func (g *graph) classify() {
	known := map[string]int{}
	var signature []byte
	g.class = make([]int32, len(g.p.nodes))
	var sizes []int
	for i := range g.p.nodes {
		signature = g.signature(signature[:0], i)
		number, there := known[string(signature)]
		if !there {
			number = len(g.classes)
			known[string(signature)] = number
			g.classes = append(g.classes, g.newClass(i))
			g.sample = append(g.sample, i)
			sizes = append(sizes, 0)
		}
		g.class[i] = int32(number)
		sizes[number]++
	}
	for number, n := range sizes {
		g.put(number, len(g.classes[number].open), n)
	}
}

// signature is all that memberCost looks at, and the place.
func (g *graph) signature(b []byte, i int) []byte {
	n := &g.p.nodes[i]
	b = binary.AppendUvarint(b, uint64(n.location))
	for _, k := range g.pools {
		b = appendFlags(b, n.barrier[k] == free, n.holds[k], n.standsIn[k], k >= g.p.own && g.p.covered(i, k), g.p.prefer != nil && g.p.prefer[k][n.GetId()])
	}
	for s, whose := range n.whose {
		b = binary.AppendVarint(b, int64(whose))
		b = appendFlags(b, n.serves[s], n.drains[s], g.p.given != nil && g.p.given[i*len(g.p.services)+s])
	}
	for _, group := range n.groups {
		b = append(b, byte(group))
	}
	return appendFlags(b, observing(n.Node), n.asleep(), n.groups != nil)
}

func appendFlags(b []byte, flags ...bool) []byte {
	var f byte
	for at, flag := range flags {
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
	c.costs = append(c.costs, cost{})
	c.count, c.known = make([]int, len(c.costs)), make([]bool, len(c.costs))
	return c
}

// vertexOf is the vertex of a pile.
func (g *graph) vertexOf(x pile) int {
	c := &g.classes[x.class]
	if x.pool == len(c.open) {
		return g.idle
	}
	return g.leaf[c.open[x.pool]][c.place]
}

// put adds nodes to a pile, or takes them away.
func (g *graph) put(number, pool, by int) {
	c := &g.classes[number]
	v := g.change(number, pool, by)
	if v == g.idle {
		return
	}
	g.seats[c.open[pool]] += by
	for ; v >= 0; v = g.vertices[v].parent {
		g.vertices[v].count += by
	}
}

// change counts the nodes of a pile, and returns its vertex.
func (g *graph) change(number, pool, by int) int {
	c, x := &g.classes[number], pile{number, pool}
	c.count[pool] += by
	v := g.vertexOf(x)
	if !c.known[pool] {
		c.known[pool] = true
		g.here[v] = append(g.here[v], x)
	}
	return v
}

// pass moves nodes of a class from one pool to another.
func (g *graph) pass(number, from, to, n int) {
	g.put(number, from, -n)
	g.put(number, to, n)
	if g.offers != nil {
		g.offers.passed(number, from, to)
	}
}
