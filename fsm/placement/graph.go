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
	outside  [][]int64  // by pool, then place: floors over parts that it lies outside of
	samples  []int      // a node of each place
	classes  []class
	class    []int32   // of each node
	here     [][]int32 // by vertex: classes with nodes there
	// With these added, no edge has a negative cost, see augment. They are zero
	// where nobody has a seat: no seat is cheaper than none.
	potential []cost
	steps     []step // of the last way, and the vertices that it touched
	touched   []int
	queue     []reached
	nodeHash  []uint64
	poolHash  []uint64 // by pool
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
		nodeHash: make([]uint64, len(p.nodes)), poolHash: make([]uint64, len(p.pools)),
	}
	for i := range p.nodes {
		g.at[i] = unseated
		g.nodeHash[i] = hash(p.nodes[i].GetId())
	}
	for _, k := range pools {
		g.poolHash[k] = hash(p.pools[k].GetName())
		g.addPool(k)
	}
	g.idle = g.add(vertex{pool: unseated, parent: -1})
	g.potential, g.steps = make([]cost, len(g.vertices)), make([]step, len(g.vertices))
	g.here = make([][]int32, len(g.vertices))
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

func (g *graph) count(node, k, by int) {
	if k == unseated {
		return
	}
	g.seats[k] += by
	for v := g.leaf[k][g.p.nodes[node].location]; v >= 0; v = g.vertices[v].parent {
		g.vertices[v].count += by
	}
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

// weight orders pools by what the rank of a member counts.
func (g *graph) weight(k int) int {
	switch {
	case k == unseated:
		return 0
	case k >= g.p.own:
		return 1
	}
	return g.p.own - k
}

// fine is what tells a node in a pool apart from others of its class.
func (g *graph) fine(node, k int) (order, tie int64) {
	if k == unseated {
		return 0, 0
	}
	return int64(node) * int64(g.weight(k)), mix(g.nodeHash[node], g.poolHash[k])
}

// hash is FNV-1a.
func hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(s); i++ {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// mix makes a number below 2^40 of a node and a pool, without a pattern.
func mix(node, pool uint64) int64 {
	h := node ^ (pool*0x9e3779b97f4a7c15 + 0x632be59bd9b4e019)
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return int64(h >> 24)
}
