package placement

// step is how a vertex was reached: from another one, by moving a node (or -1:
// by going up or down in a pool's tree).
type step struct {
	from    int
	node    int
	cost    cost
	seen    bool
	settled bool
}

// reached is a vertex in the queue.
type reached struct {
	cost   cost
	vertex int
}

func nearer(a, b reached) bool { return a.cost.less(&b.cost) }

// edges calls visit for every edge that leaves a vertex. The cost may be
// overwritten.
func (g *graph) edges(v int, visit func(to, node int, c *cost)) {
	at := &g.vertices[v]
	var c cost
	if at.parent >= 0 {
		c[at.part] = at.price(at.count)
		visit(at.parent, -1, &c)
	}
	for _, w := range at.below {
		if below := &g.vertices[w]; below.count > 0 {
			c = cost{}
			c[below.part] = -below.price(below.count - 1)
			visit(w, -1, &c)
		}
	}
	from := at.pool
	for _, number := range g.here[v] {
		m := g.pile(int(number), from)
		if m.count == 0 {
			continue
		}
		class := &g.classes[number]
		var here *cost
		if from != unseated {
			for at, k := range class.open {
				if k == from {
					here = &class.costs[at]
				}
			}
			node := g.first(m, false)
			c = cost{}
			c.sub(here)
			g.refine(&c, node, from, unseated)
			visit(g.idle, node, &c)
		}
		for at, k := range class.open {
			if k == from {
				continue
			}
			node := g.first(m, g.weight(k) > g.weight(from))
			c = class.costs[at]
			if here != nil {
				c.sub(here)
			}
			g.refine(&c, node, from, k)
			visit(g.leaf[k][class.place], node, &c)
		}
	}
}

// refine adds what tells a node apart from others of its class.
func (g *graph) refine(c *cost, node, from, to int) {
	order, tie := g.fine(node, to)
	less, other := g.fine(node, from)
	c[partOrder] += order - less
	c[partTie] += tie - other
}

// augment moves nodes along the cheapest way from one vertex to another
// (Dijkstra's algorithm over costs made non-negative by potentials, ended as
// soon as the way is known: Edmonds and Karp, 1972).
func (g *graph) augment(from, to int) bool {
	steps := g.steps
	for _, v := range g.touched {
		steps[v] = step{}
	}
	g.touched = append(g.touched[:0], from)
	steps[from].seen = true
	g.queue = append(g.queue[:0], reached{vertex: from})
	bound, bounded := g.direct(from, to)
	for len(g.queue) > 0 && !steps[to].settled {
		v := g.queue[0].vertex
		pop(&g.queue, nearer)
		if steps[v].settled {
			continue
		}
		steps[v].settled = true
		if v == to {
			break
		}
		here := steps[v].cost
		here.add(&g.potential[v])
		g.edges(v, func(w, node int, c *cost) {
			if steps[w].settled {
				return
			}
			c.add(&here)
			c.sub(&g.potential[w])
			if steps[w].seen && !c.less(&steps[w].cost) || bounded && bound.less(c) {
				return
			}
			if !steps[w].seen {
				g.touched = append(g.touched, w)
			}
			steps[w] = step{from: v, node: node, cost: *c, seen: true}
			push(&g.queue, reached{*c, w}, nearer)
		})
	}
	if !steps[to].settled {
		return false
	}
	for _, v := range g.touched {
		if steps[v].settled {
			g.potential[v].add(&steps[v].cost)
			g.potential[v].sub(&steps[to].cost)
		}
	}
	g.walk(steps, from, to)
	return true
}

// direct is what the cheapest way would cost that gives an idle node a seat and
// moves no other. Nothing dearer need be looked at.
func (g *graph) direct(from, to int) (bound cost, ok bool) {
	if from != g.idle {
		return cost{}, false
	}
	k := g.vertices[to].pool
	for _, number := range g.here[g.idle] {
		m := g.pile(int(number), unseated)
		if m.count == 0 {
			continue
		}
		class := &g.classes[number]
		for at, open := range class.open {
			if open != k {
				continue
			}
			c := class.costs[at]
			g.refine(&c, g.first(m, true), unseated, k)
			c.add(&g.potential[from])
			c.sub(&g.potential[to])
			for v := g.leaf[k][class.place]; v != to; v = g.vertices[v].parent {
				c[g.vertices[v].part] += g.vertices[v].price(g.vertices[v].count)
			}
			if !ok || c.less(&bound) {
				bound, ok = c, true
			}
		}
	}
	return bound, ok
}

// walk does the moves of a way, from its end back to its beginning.
func (g *graph) walk(steps []step, from, to int) {
	type move struct{ node, pool int }
	var moves []move
	for v := to; ; {
		s := steps[v]
		if s.node >= 0 {
			moves = append(moves, move{s.node, g.vertices[v].pool})
		}
		v = s.from
		if v == from {
			break
		}
	}
	for _, m := range moves {
		g.put(m.node, m.pool)
	}
}

// straighten makes the present choice the cheapest for its own number of seats
// by moving nodes round in circles, and finds the potentials. It gives up after
// some circles.
func (g *graph) straighten(limit int) bool {
	for range limit {
		steps := make([]step, len(g.vertices))
		turn := -1
		for round := 0; round <= len(g.vertices); round++ {
			turn = -1
			for v := range g.vertices {
				g.edges(v, func(w, node int, c *cost) {
					c.add(&steps[v].cost)
					if c.less(&steps[w].cost) {
						steps[w] = step{from: v, node: node, cost: *c}
						turn = w
					}
				})
			}
			if turn < 0 {
				for v := range steps {
					g.potential[v] = steps[v].cost
				}
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
