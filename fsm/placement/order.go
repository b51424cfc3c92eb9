package placement

// order decides who is a member of what, among all choices that cost least: the
// node of the lowest rank becomes a member of the first pool of the file that it
// can be a member of; then the next one, and so on. So no two choices are equal,
// and where the search for the cheapest one began makes no difference.
//
// As the graph has no edge with a negative cost, the cheapest choices are those
// that can be reached along edges that cost nothing.
func (g *graph) order() {
	o := &ordering{graph: g, from: make([]step, len(g.vertices)), seen: make([]int, len(g.vertices))}
	for number := range g.classes {
		o.tight = append(o.tight, o.best(number))
	}
	for i := range g.p.nodes {
		number := int(g.class[i])
		c := &g.classes[number]
		for {
			// What could not be had once cannot be had later.
			at := o.tight[number][0]
			if c.count[at] > 0 || o.reroute(number, at) {
				c.count[at]--
				g.at[i] = unseated
				if at < len(c.open) {
					g.at[i] = c.open[at]
				}
				break
			}
			o.tight[number] = o.tight[number][1:]
		}
	}
}

// ordering is the search for other choices that cost the same. Class.count is
// what has not been decided yet.
type ordering struct {
	*graph
	tight [][]int // by class: where its nodes may be, by place in class.open
	from  []step
	seen  []int // by vertex: the search that saw it last
	turn  int
	queue []int
}

// best lists where the nodes of a class can be in a cheapest choice.
func (o *ordering) best(number int) []int {
	c := &o.classes[number]
	var best []int
	var least cost
	for at := range c.costs {
		price := c.costs[at]
		price.sub(&o.potential[o.vertexOf(pile{number, at})])
		if len(best) > 0 && least.less(&price) {
			continue
		}
		if len(best) > 0 && price.less(&least) {
			best = best[:0]
		}
		best, least = append(best, at), price
	}
	return best
}

// reroute brings a node of a class into a pool, at no cost, by moving others
// that are not decided yet.
func (o *ordering) reroute(number, pool int) bool {
	o.turn++
	c := &o.classes[number]
	start := o.vertexOf(pile{number, pool})
	o.queue = append(o.queue[:0], start)
	o.seen[start] = o.turn
	for at := 0; at < len(o.queue); at++ {
		v := o.queue[at]
		if v != start {
			for _, from := range o.tight[number] {
				if c.count[from] > 0 && o.vertexOf(pile{number, from}) == v {
					o.walkBack(start, v)
					o.change(number, from, -1)
					o.change(number, pool, 1)
					return true
				}
			}
		}
		o.visit(v)
	}
	return false
}

// visit sees all that can be reached from a vertex at no cost.
func (o *ordering) visit(v int) {
	see := func(w int, s step) {
		if o.seen[w] != o.turn {
			o.seen[w] = o.turn
			s.from = v
			o.from[w] = s
			o.queue = append(o.queue, w)
		}
	}
	if at := &o.vertices[v]; at.parent >= 0 && o.free(v, at.parent, at.part, at.price(at.count)) {
		see(at.parent, step{class: -1, a: v, b: 1})
	}
	for _, w := range o.vertices[v].below {
		if at := &o.vertices[w]; at.count > 0 && o.free(v, w, at.part, -at.price(at.count-1)) {
			see(w, step{class: -1, a: w, b: -1})
		}
	}
	for _, x := range o.here[v] {
		if o.classes[x.class].count[x.pool] == 0 {
			continue
		}
		for _, to := range o.tight[x.class] {
			if to != x.pool {
				see(o.vertexOf(pile{x.class, to}), step{class: x.class, a: x.pool, b: to})
			}
		}
	}
}

// free: an edge of a tree costs nothing.
func (o *ordering) free(v, w, part int, price int64) bool {
	c := o.potential[v]
	c.sub(&o.potential[w])
	c[part] += price
	return c == cost{}
}

func (o *ordering) walkBack(start, v int) {
	for ; v != start; v = o.from[v].from {
		switch s := o.from[v]; {
		case s.class >= 0:
			o.change(s.class, s.a, -1)
			o.change(s.class, s.b, 1)
		default:
			o.vertices[s.a].count += s.b
		}
	}
}
