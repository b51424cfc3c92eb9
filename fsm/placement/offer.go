package placement

import "slices"

// offers says which node without a seat a pool could take at the least cost. It
// is kept up to date, as a search for it among all places would take longer the
// more there are of them.
type offers struct {
	*graph
	// Of leaves: the classes of the place that may be members, the cheapest first;
	// those that no node is left of are taken away.
	classes [][]int
	// Of vertices that have others below: these, the cheapest first.
	below []queue
	slot  []int // by vertex: its place among those below the same one
}

func (g *graph) newOffers() *offers {
	o := &offers{
		graph: g, classes: make([][]int, len(g.vertices)), below: make([]queue, len(g.vertices)), slot: make([]int, len(g.vertices)),
	}
	for v := range g.vertices {
		o.below[v] = newQueue(len(g.vertices[v].below))
		for at, w := range g.vertices[v].below {
			o.slot[w] = at
		}
	}
	for number := range g.classes {
		c := &g.classes[number]
		if c.count[len(c.open)] == 0 {
			continue
		}
		for _, k := range c.open {
			v := g.leaf[k][c.place]
			o.classes[v] = append(o.classes[v], number)
		}
	}
	// Vertices come after those that they are below of.
	for v := len(g.vertices) - 1; v >= 0; v-- {
		if len(o.classes[v]) > 1 {
			k := g.vertices[v].pool
			slices.SortStableFunc(o.classes[v], func(a, b int) int {
				x, y := &g.classes[a], &g.classes[b]
				return x.costs[x.at(k)].compare(&y.costs[y.at(k)])
			})
		}
		o.report(v)
	}
	return o
}

// best is the class of the cheapest node that could be a member below a vertex,
// and its cost up to there.
func (o *offers) best(v int) (number int, price cost, ok bool) {
	if len(o.below[v].heap) == 0 {
		if len(o.classes[v]) == 0 {
			return 0, cost{}, false
		}
		number := o.classes[v][0]
		c := &o.graph.classes[number]
		return number, c.costs[c.at(o.vertices[v].pool)], true
	}
	price = o.below[v].cost[o.below[v].heap[0]]
	for len(o.below[v].heap) > 0 {
		v = o.vertices[v].below[o.below[v].heap[0]]
	}
	return o.classes[v][0], price, true
}

// report tells the vertex above what a vertex has to offer, and says whether
// there is one.
func (o *offers) report(v int) bool {
	at := &o.vertices[v]
	if at.parent < 0 {
		return false
	}
	q := &o.below[at.parent]
	_, price, ok := o.best(v)
	if !ok {
		q.remove(o.slot[v])
		return true
	}
	price[at.part] += at.price(at.count)
	q.update(o.slot[v], &price)
	return true
}

// passed is told of each move.
func (o *offers) passed(number, from, to int) {
	c := &o.graph.classes[number]
	if from == len(c.open) && c.count[from] == 0 {
		for _, k := range c.open {
			v := o.leaf[k][c.place]
			at := slices.Index(o.classes[v], number)
			o.classes[v] = slices.Delete(o.classes[v], at, at+1)
			o.tell(v)
		}
	}
	for _, at := range [...]int{from, to} {
		if at < len(c.open) {
			o.tell(o.leaf[c.open[at]][c.place])
		}
	}
}

// tell reports what a vertex has to offer all the way up.
func (o *offers) tell(v int) {
	for o.report(v) {
		v = o.vertices[v].parent
	}
}

// at finds a pool in class.open, which is sorted; below zero: it is not there.
func (c *class) at(k int) int {
	at, there := slices.BinarySearch(c.open, k)
	if !there {
		return -1
	}
	return at
}
