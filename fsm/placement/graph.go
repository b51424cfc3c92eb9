package placement

// graph is the residual graph of the choice of members.
//
// Each pool is a tree: its root, a vertex per value of its first spread key,
// below it one per value of the second, and so on. A node sits at the leaf of
// its place in the pool that it is a member of, or at the one vertex idle.
// Going up from a vertex adds a member there, going down takes one away.
type graph struct {
	p     *problem
	at    []int // pool of each node
	seats []int // members of each pool

	vertices []vertex
	idle     int
	root     []int   // by pool
	leaf     [][]int // by pool, then place
	places   int
	open     [][]int         // by place: pools that some node there may be a member of
	heaps    []movers        // by (from, to, place), see heap
	sparse   map[int]*movers // the same, where there would be too many
	// With these added, no edge has a negative cost, see augment. They are zero
	// where nobody has a seat: no seat is cheaper than none.
	potential []cost
	steps     []step // of the last way, and the vertices that it touched
	touched   []int
	queue     movers
}

// mostHeaps bounds the table of heaps; most would be empty in a larger one.
const mostHeaps = 1 << 21

type vertex struct {
	pool   int
	parent int // -1: a root, or idle
	level  int // which spread key its siblings differ in
	count  int // members at or below it
	below  []int
	places []int // of a leaf
}

func newGraph(p *problem) *graph {
	samples := p.locate()
	g := &graph{
		p: p, at: make([]int, len(p.nodes)), seats: make([]int, len(p.pools)),
		places: len(samples),
	}
	for i := range p.nodes {
		g.at[i] = unseated
	}
	for k := range p.pools {
		g.addPool(k, samples)
	}
	g.idle = g.add(vertex{pool: unseated, parent: -1})
	for place := range g.places {
		g.vertices[g.idle].places = append(g.vertices[g.idle].places, place)
	}
	g.potential, g.steps = make([]cost, len(g.vertices)), make([]step, len(g.vertices))
	g.open = make([][]int, g.places)
	for k := range p.pools {
		for i := range p.nodes {
			place := p.nodes[i].location
			if last := len(g.open[place]) - 1; p.nodes[i].barrier[k] == free && (last < 0 || g.open[place][last] != k) {
				g.open[place] = append(g.open[place], k)
			}
		}
	}
	if n := (len(p.pools) + 1) * (len(p.pools) + 1) * g.places; n <= mostHeaps {
		g.heaps = make([]movers, n)
	} else {
		g.sparse = map[int]*movers{}
	}
	return g
}

func (g *graph) add(v vertex) int {
	g.vertices = append(g.vertices, v)
	return len(g.vertices) - 1
}

func (g *graph) addPool(k int, samples []int) {
	root := g.add(vertex{pool: k, parent: -1})
	g.root = append(g.root, root)
	leaves := make([]int, g.places)
	known := map[string]int{}
	keys := g.p.pools[k].spread
	for place := range g.places {
		at := root
		for level := range keys {
			path := locationPath(g.p.nodes[samples[place]].Node, keys[:level+1])
			v, there := known[path]
			if !there {
				v = g.add(vertex{pool: k, parent: at, level: level})
				known[path] = v
				g.vertices[at].below = append(g.vertices[at].below, v)
			}
			at = v
		}
		leaves[place] = at
		g.vertices[at].places = append(g.vertices[at].places, place)
	}
	g.leaf = append(g.leaf, leaves)
}

// put moves a node to a pool, or to unseated.
func (g *graph) put(node, pool int) {
	g.count(node, -1)
	g.at[node] = pool
	g.count(node, +1)
}

func (g *graph) count(node, by int) {
	k := g.at[node]
	if k == unseated {
		return
	}
	g.seats[k] += by
	for v := g.leaf[k][g.p.nodes[node].location]; v >= 0; v = g.vertices[v].parent {
		g.vertices[v].count += by
	}
}

// costAt is the price of a node where it could be; idle is free of charge.
func (g *graph) costAt(node, pool int) cost {
	if pool == unseated {
		return cost{}
	}
	return g.p.memberCost(node, pool)
}
