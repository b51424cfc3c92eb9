package placement

// step is how a vertex was reached: from another one, by moving a node (or -1:
// by going up or down in a pool's tree).
type step struct {
	from int
	node int
	cost cost
	seen bool
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
		for k := unseated; k < len(g.p.pools); k++ {
			if k == at.pool {
				continue
			}
			if m, ok := g.cheapest(at.pool, k, place); ok {
				w := g.idle
				if k != unseated {
					w = g.leaf[k][place]
				}
				visit(w, m.node, m.cost)
			}
		}
	}
}

// augment moves nodes along the cheapest way from one vertex to another.
func (g *graph) augment(from, to int) bool {
	steps := make([]step, len(g.vertices))
	steps[from].seen = true
	queue, queued := []int{from}, make([]bool, len(g.vertices))
	for len(queue) > 0 {
		v := queue[0]
		queue, queued[v] = queue[1:], false
		if v == to {
			continue // what lies beyond the end is of no use
		}
		g.edges(v, func(w, node int, c cost) {
			if w == from {
				return
			}
			c = c.plus(steps[v].cost)
			if steps[w].seen && !c.less(steps[w].cost) {
				return
			}
			steps[w] = step{v, node, c, true}
			if !queued[w] {
				queue, queued[w] = append(queue, w), true
			}
		})
	}
	if !steps[to].seen {
		return false
	}
	g.walk(steps, from, to)
	return true
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
// by moving nodes round in circles. It gives up after some.
func (g *graph) straighten(limit int) bool {
	for range limit {
		steps := make([]step, len(g.vertices))
		turn := -1
		for round := 0; round <= len(g.vertices); round++ {
			turn = -1
			for v := range g.vertices {
				g.edges(v, func(w, node int, c cost) {
					if c = c.plus(steps[v].cost); c.less(steps[w].cost) {
						steps[w] = step{from: v, node: node, cost: c, seen: true}
						turn = w
					}
				})
			}
			if turn < 0 {
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
