package placement

// graph is the residual graph of the choice of members of some pools.
//
// Each pool is a tree of nested sets of places: its root, below it a vertex per
// value of its first spread key, below that one per value of the second, and so
// on. A node sits at the leaf of its place in the pool that it is a member of,
// or at the one vertex idle. Going up from a vertex adds a member there, going
// down takes one away.
type graph struct {
	p     *problem
	pools []int
	at    []int // pool of each node
	seats []int // members of each pool

	vertices []vertex
	idle     int
	root     []int      // by pool
	leaf     [][]int    // by pool, then place
	crossing [][]family // by pool: what its tree leaves out
	nested   [][]family // by pool: what it does not
	both     [][]family // by pool: the nested ones, then the others
	outside  [][]int64  // by pool, then place: floors over parts that it lies outside of
	samples  []int      // a node of each place
	classes  []class
	class    []int32  // of each node
	sample   []int    // a node of each class
	offers   *offers  // nil: not kept
	here     [][]pile // by vertex: the piles there
	// With these added, no edge has a negative cost, see augment. They are zero
	// where nobody has a seat: no seat is cheaper than none.
	potential []cost
	steps     []step // of the last way, and the vertices that it touched
	touched   []int
	queue     queue
}

type vertex struct {
	pool   int
	parent int // -1: a root, or idle
	count  int // members at or below it
	below  []int
	// What a member more costs: for a spread key unit for each one that is there
	// already, twice, and once more; for a floor a unit once it is covered.
	part  int
	unit  int64
	least int // of a floor; 0: a spread key, or nothing
}

func newGraph(p *problem, pools []int) *graph {
	g := &graph{
		p: p, pools: pools, at: make([]int, len(p.nodes)), seats: make([]int, len(p.pools)), samples: p.places(pools),
		root: make([]int, len(p.pools)), leaf: make([][]int, len(p.pools)), outside: make([][]int64, len(p.pools)),
		nested: make([][]family, len(p.pools)), crossing: make([][]family, len(p.pools)),
	}
	for i := range p.nodes {
		g.at[i] = unseated
	}
	for _, k := range pools {
		g.addPool(k)
	}
	g.idle = g.add(vertex{pool: unseated, parent: -1})
	g.potential, g.steps = make([]cost, len(g.vertices)), make([]step, len(g.vertices))
	g.here = make([][]pile, len(g.vertices))
	g.queue = newQueue(len(g.vertices))
	g.classify()
	return g
}

func (g *graph) add(v vertex) int {
	g.vertices = append(g.vertices, v)
	return len(g.vertices) - 1
}

// addPool makes the tree of a pool.
func (g *graph) addPool(k int) {
	g.nested[k], g.crossing[k] = g.p.families(k, g.samples)
	g.root[k] = g.add(vertex{pool: k, parent: -1})
	g.outside[k] = make([]int64, len(g.samples))
	for _, f := range g.nested[k] {
		for place, set := range f.set {
			if f.floor != nil && set < 0 {
				g.outside[k][place]++
			}
		}
	}
	g.leaf[k] = grow(g.nested[k], g.root[k], len(g.samples), func(v vertex) int {
		v.pool = k
		at := g.add(v)
		g.vertices[v.parent].below = append(g.vertices[v.parent].below, at)
		return at
	})
}

// price is what a member more costs where there are count.
func (v *vertex) price(count int) int64 {
	switch {
	case v.least == 0:
		return v.unit * int64(2*count+1)
	case count < v.least:
		return 0
	}
	return v.unit
}
