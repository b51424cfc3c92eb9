package placement

// movers is a heap of the nodes at one place in one pool (or idle) that may
// move to another, cheapest first. What a move costs never changes while
// members are chosen, so nodes that have left are dropped when they come up.
type movers []mover

type mover struct {
	cost cost
	node int
}

// heap returns the movers from one pool to another; either may be unseated.
func (g *graph) heap(from, to, place int) *movers {
	at := ((from+1)*(len(g.p.pools)+1)+to+1)*g.places + place
	if g.sparse == nil {
		return &g.heaps[at]
	}
	h := g.sparse[at]
	if h == nil {
		h = &movers{}
		g.sparse[at] = h
	}
	return h
}

// enter enters a node where it is.
func (g *graph) enter(node int) {
	from, place := g.at[node], g.p.nodes[node].location
	here := g.costAt(node, from)
	for to := unseated; to < len(g.p.pools); to++ {
		if to != from && (to == unseated || g.p.nodes[node].barrier[to] == free) {
			g.heap(from, to, place).push(mover{g.costAt(node, to).minus(here), node})
		}
	}
}

func (g *graph) enterAll() {
	for i := range g.p.nodes {
		g.enter(i)
	}
}

// cheapest returns the node that is cheapest to move.
func (g *graph) cheapest(from, to, place int) (mover, bool) {
	if g.sparse != nil && g.sparse[((from+1)*(len(g.p.pools)+1)+to+1)*g.places+place] == nil {
		return mover{}, false
	}
	h := g.heap(from, to, place)
	for len(*h) > 0 {
		if g.at[(*h)[0].node] == from {
			return (*h)[0], true
		}
		h.pop()
	}
	return mover{}, false
}

func (m *movers) push(x mover) {
	*m = append(*m, x)
	h := *m
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if !h[i].cost.less(h[up].cost) {
			return
		}
		h[i], h[up] = h[up], h[i]
		i = up
	}
}

func (m *movers) pop() {
	h := *m
	last := len(h) - 1
	h[0] = h[last]
	h = h[:last]
	*m = h
	for i := 0; ; {
		low := 2*i + 1
		if low >= len(h) {
			return
		}
		if low+1 < len(h) && h[low+1].cost.less(h[low].cost) {
			low++
		}
		if !h[low].cost.less(h[i].cost) {
			return
		}
		h[i], h[low] = h[low], h[i]
		i = low
	}
}
