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

// edges calls visit for every edge that leaves a vertex.
func (g *graph) edges(v int, visit func(to, node int, c cost)) {
	at := &g.vertices[v]
	if at.parent >= 0 {
		visit(at.parent, -1, spreadCost(at.level, at.count))
	}
	for _, w := range at.below {
		if n := g.vertices[w].count; n > 0 {
			visit(w, -1, cost{}.minus(spreadCost(g.vertices[w].level, n-1)))
		}
	}
	for _, place := range at.places {
		for _, k := range g.open[place] {
			if k == at.pool {
				continue
			}
			if m, ok := g.cheapest(at.pool, k, place); ok {
				visit(g.leaf[k][place], m.node, m.cost)
			}
		}
		if at.pool != unseated {
			if m, ok := g.cheapest(at.pool, unseated, place); ok {
				visit(g.idle, m.node, m.cost)
			}
		}
	}
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
	queue := append(g.queue[:0], mover{node: from})
	bound, bounded := g.direct(from, to)
	for len(queue) > 0 && !steps[to].settled {
		v := queue[0].node
		queue.pop()
		if steps[v].settled {
			continue
		}
		steps[v].settled = true
		if v == to {
			break
		}
		here := steps[v].cost.plus(g.potential[v])
		g.edges(v, func(w, node int, c cost) {
			if steps[w].settled {
				return
			}
			c = c.plus(here).minus(g.potential[w])
			if steps[w].seen && !c.less(steps[w].cost) || bounded && bound.less(c) {
				return
			}
			if !steps[w].seen {
				g.touched = append(g.touched, w)
			}
			steps[w] = step{from: v, node: node, cost: c, seen: true}
			queue.push(mover{c, w})
		})
	}
	g.queue = queue
	if !steps[to].settled {
		return false
	}
	for _, v := range g.touched {
		if steps[v].settled {
			g.potential[v] = g.potential[v].plus(steps[v].cost).minus(steps[to].cost)
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
	for place := range g.places {
		m, found := g.cheapest(unseated, k, place)
		if !found {
			continue
		}
		c := m.cost.plus(g.potential[from]).minus(g.potential[to])
		for v := g.leaf[k][place]; v != to; v = g.vertices[v].parent {
			c = c.plus(spreadCost(g.vertices[v].level, g.vertices[v].count))
		}
		if !ok || c.less(bound) {
			bound, ok = c, true
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
	for _, m := range moves {
		g.enter(m.node)
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
				g.edges(v, func(w, node int, c cost) {
					if c = c.plus(steps[v].cost); c.less(steps[w].cost) {
						steps[w] = step{from: v, node: node, cost: c}
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
