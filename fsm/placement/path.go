package placement

// step is how a vertex was reached: from another one, by moving a node of a
// class (below zero: by going up or down in a pool's tree).
type step struct {
	from    int
	class   int
	a, b    int // places in class.open
	seen    bool
	settled bool
}

// edge is one that leaves a vertex.
type edge struct {
	to    int
	class int
	a, b  int
	cost  cost
}

// edges calls visit for every edge that leaves a vertex. The cost may be
// overwritten.
func (g *graph) edges(v int, visit func(e *edge)) {
	at := &g.vertices[v]
	e := edge{class: -1}
	if at.parent >= 0 {
		e.to = at.parent
		e.cost[at.part] = at.price(at.count)
		visit(&e)
	}
	for _, w := range at.below {
		if below := &g.vertices[w]; below.count > 0 {
			e.to, e.cost = w, cost{}
			e.cost[below.part] = -below.price(below.count - 1)
			visit(&e)
		}
	}
	for _, x := range g.here[v] {
		c := &g.classes[x.class]
		if c.count[x.pool] == 0 {
			continue
		}
		e.class, e.a = x.class, x.pool
		for to := range c.count {
			if to == x.pool {
				continue
			}
			e.to, e.b = g.idle, to
			if to < len(c.open) {
				e.to = g.leaf[c.open[to]][c.place]
			}
			e.cost = c.costs[to]
			e.cost.sub(&c.costs[x.pool])
			visit(&e)
		}
	}
}

// augment moves nodes along the cheapest way from one vertex to one of those
// that are ends, and says whether there is one (Dijkstra's algorithm over costs
// made non-negative by potentials, ended as soon as the way is known: Edmonds
// and Karp, 1972). Which end that is makes no difference once all are served.
func (g *graph) augment(from int, end func(k int) bool) bool {
	d := direct{}
	if from == g.idle {
		d = g.direct(end)
	}
	if d.ok && (d.cost == cost{}) {
		// Nothing costs less.
		g.pass(d.class, len(g.classes[d.class].open), d.at, 1)
		return true
	}
	to := g.search(from, end, &d)
	if to < 0 && !d.ok {
		return false
	}
	last := d.cost
	if to >= 0 {
		last = g.queue.cost[to]
	}
	for _, v := range g.touched {
		if g.steps[v].settled {
			g.potential[v].add(&g.queue.cost[v])
			g.potential[v].sub(&last)
		}
	}
	if to >= 0 {
		g.walk(g.steps, from, to)
	} else {
		g.pass(d.class, len(g.classes[d.class].open), d.at, 1)
	}
	return true
}

// search finds the end that is nearest, if it is nearer than the direct way.
func (g *graph) search(from int, end func(k int) bool, d *direct) int {
	steps := g.steps
	for _, v := range g.touched {
		steps[v] = step{}
	}
	g.touched = append(g.touched[:0], from)
	steps[from].seen = true
	g.queue.reset()
	g.queue.push(from, &cost{})
	for g.queue.len() > 0 {
		v := g.queue.pop()
		steps[v].settled = true
		if v != from && g.vertices[v].parent < 0 && end(g.vertices[v].pool) {
			return v
		}
		here := g.queue.cost[v]
		here.add(&g.potential[v])
		g.edges(v, func(e *edge) {
			x := &steps[e.to]
			if x.settled {
				return
			}
			e.cost.add(&here)
			e.cost.sub(&g.potential[e.to])
			if x.seen && !e.cost.less(&g.queue.cost[e.to]) || d.ok && !e.cost.less(&d.cost) {
				return
			}
			if !x.seen {
				g.touched = append(g.touched, e.to)
			}
			*x = step{from: v, class: e.class, a: e.a, b: e.b, seen: true}
			g.queue.push(e.to, &e.cost)
		})
	}
	return -1
}

// direct is a way that gives an idle node a seat and moves no other. Nothing
// dearer need be looked at.
type direct struct {
	class, at int
	cost      cost
	ok        bool
}

func (g *graph) direct(end func(k int) bool) (d direct) {
	for _, k := range g.pools {
		if !end(k) {
			continue
		}
		number, price, ok := g.offers.best(g.root[k])
		if !ok {
			continue
		}
		price.add(&g.potential[g.idle])
		price.sub(&g.potential[g.root[k]])
		if !d.ok || price.less(&d.cost) {
			d = direct{number, g.classes[number].at(k), price, true}
		}
	}
	return d
}

// walk does the moves of a way, from its end back to its beginning.
func (g *graph) walk(steps []step, from, to int) {
	for v := to; ; {
		s := steps[v]
		if s.class >= 0 {
			g.pass(s.class, s.a, s.b, 1)
		}
		v = s.from
		if v == from {
			break
		}
	}
}

// straighten makes the present choice the cheapest for its own number of seats
// by moving nodes round in circles, and finds the potentials. It gives up after
// some circles.
func (g *graph) straighten(limit int) bool {
	for range limit {
		steps, far := make([]step, len(g.vertices)), make([]cost, len(g.vertices))
		turn := -1
		for round := 0; round <= len(g.vertices); round++ {
			turn = -1
			for v := range g.vertices {
				g.edges(v, func(e *edge) {
					e.cost.add(&far[v])
					if e.cost.less(&far[e.to]) {
						steps[e.to] = step{from: v, class: e.class, a: e.a, b: e.b}
						far[e.to] = e.cost
						turn = e.to
					}
				})
			}
			if turn < 0 {
				g.potential = far
				return true
			}
		}
		// A vertex that still got cheaper after as many rounds as there are
		// vertices is behind a circle: as many steps back lie on it.
		for range g.vertices {
			turn = steps[turn].from
		}
		g.walk(steps, turn, turn)
	}
	return false
}
