package placement

import (
	"slices"

	v1 "roster/proto/roster/v1"
)

// uncross makes the spread over keys that cross as good as it gets. Keys cross
// where no order of them is nested: racks that reach through several zones, and
// zones with several racks. A tree cannot hold both, so the choice of members
// has seen the first of them only.
//
// What the trees hold is not given up for keys that cross: they come after all of
// it, and before starts. For one pool alone, two trees are a flow as well: from the values of the one,
// through the places, to the values of the other. So each such pool chooses
// anew among its members and the nodes without a seat, exactly; then pairs of
// pools swap members as long as that is better. Each change makes the whole
// choice cheaper, so that comes to an end; and it begins at the members chosen
// before, of which those that are there already are the cheapest. So placing
// again changes nothing.
func (g *graph) uncross() {
	var pools []int
	g.both = make([][]family, len(g.p.pools))
	for _, k := range g.pools {
		g.both[k] = slices.Concat(g.nested[k], g.crossing[k])
		if len(g.crossing[k]) > 0 && g.seats[k] > 0 {
			pools = append(pools, k)
		}
	}
	for again := len(pools) > 0; again; {
		again = false
		for _, k := range pools {
			again = g.rechoose(k) || again
		}
		for _, k := range pools {
			again = g.swap(k) || again
		}
	}
}

// trees are the families of a pool, sorted into two trees as far as they can be.
func (g *graph) trees(k int) (left, right []family) {
	left = slices.Clone(g.nested[k])
	for _, f := range g.crossing[k] {
		switch {
		case f.nestedIn(left):
			left = append(left, f)
		case f.nestedIn(right):
			right = append(right, f)
		}
	}
	return left, right
}

// rechoose chooses the members of a pool anew, by both of its trees.
func (g *graph) rechoose(k int) bool {
	up, down := g.trees(k)
	f := &flow{}
	source, sink := f.vertex(), f.vertex()
	left := f.tree(up, source, len(g.samples), true)
	right := f.tree(down, sink, len(g.samples), false)
	candidates := make([][]nodeAt, len(g.samples))
	for i := range g.at {
		if g.at[i] != k && g.at[i] != unseated || g.p.nodes[i].barrier[k] != free {
			continue
		}
		place := g.p.nodes[i].location
		c, _ := g.costAt(i, k)
		for _, f := range slices.Concat(up[len(g.nested[k]):], down) {
			if f.floor != nil && f.set[place] < 0 {
				c[f.part] += f.unit
			}
		}
		candidates[place] = append(candidates[place], nodeAt{i, c})
	}
	for place, nodes := range candidates {
		if len(nodes) == 0 {
			continue
		}
		slices.SortFunc(nodes, func(a, b nodeAt) int {
			if a.cost.less(&b.cost) {
				return -1
			}
			return 1
		})
		f.arc(arc{from: left[place], to: right[place], most: len(nodes), node: nodes})
	}
	for range g.seats[k] {
		if !f.send(source, sink) {
			panic("placement: a pool lost a member")
		}
	}
	changed := false
	for at := range f.arcs {
		for unit, x := range f.arcs[at].node {
			if unit >= f.arcs[at].count && g.at[x.node] == k {
				g.at[x.node] = unseated
				changed = true
			}
		}
	}
	for at := range f.arcs {
		for unit, x := range f.arcs[at].node {
			if unit < f.arcs[at].count && g.at[x.node] != k {
				g.at[x.node] = k
				changed = true
			}
		}
	}
	return changed
}

// tree adds the sets of nested families to a flow, below a root, and returns the
// vertex of each place.
func (f *flow) tree(families []family, root, places int, down bool) []int {
	return grow(families, root, places, func(v vertex) int {
		at := f.vertex()
		a := arc{from: v.parent, to: at, most: 1 << 40, vertex: v}
		if !down {
			a.from, a.to = a.to, a.from
		}
		f.arc(a)
		return at
	})
}

// costAt is what a node costs as a member of a pool, but for what depends on the
// others; false: it may be none.
func (g *graph) costAt(i, k int) (cost, bool) {
	if k == unseated {
		return cost{}, true
	}
	class := &g.classes[g.class[i]]
	at := class.at(k)
	if at < 0 {
		return cost{}, false
	}
	c := class.costs[at]
	c[partOrder] += int64(i)
	c[partTie] += noise(g.p.nodes[i].GetId()) * int64(k+1)
	return c, true
}

// swap lets a pool exchange members with others, one for one, where that makes
// the choice cheaper.
func (g *graph) swap(k int) bool {
	changed := false
	for again := true; again; {
		again = false
		counts := make([][][]int, len(g.p.pools))
		for _, j := range g.pools {
			counts[j] = g.counts(j)
		}
		mine, others := g.members(func(j int) bool { return j == k }), g.members(func(j int) bool { return j != k && j != unseated })
		for a := range mine {
			for b := range others {
				x, y := mine[a], others[b]
				if !g.evens(k, x, y, counts[k]) {
					continue
				}
				if c, ok := g.exchange(x, y, counts); !ok || !c.less(&cost{}) {
					continue
				}
				j := g.at[y]
				g.move(k, x, y, counts[k])
				g.move(j, y, x, counts[j])
				g.at[x], g.at[y] = j, k
				mine[a], others[b] = y, x
				again, changed = true, true
			}
		}
	}
	return changed
}

// move counts one node of a pool in another one's place.
func (g *graph) move(k, from, to int, counts [][]int) {
	x, y := g.p.nodes[from].location, g.p.nodes[to].location
	for n := range g.both[k] {
		if set := g.both[k][n].set[x]; set >= 0 {
			counts[n][set]--
		}
		if set := g.both[k][n].set[y]; set >= 0 {
			counts[n][set]++
		}
	}
}

// members lists, for each class, one of its nodes in each of some pools: of
// those, the one with the highest rank.
func (g *graph) members(in func(k int) bool) []int {
	var nodes []int
	known := map[[2]int]bool{}
	for i := len(g.at) - 1; i >= 0; i-- {
		key := [2]int{int(g.class[i]), g.at[i]}
		if in(g.at[i]) && !known[key] {
			known[key] = true
			nodes = append(nodes, i)
		}
	}
	return nodes
}

// counts are the members of a pool, by family and set; the nested families
// first.
func (g *graph) counts(k int) [][]int {
	var counts [][]int
	for _, f := range g.both[k] {
		counts = append(counts, make([]int, slices.Max(f.set)+1))
	}
	for i, at := range g.at {
		if at != k {
			continue
		}
		for n := range g.both[k] {
			if set := g.both[k][n].set[g.p.nodes[i].location]; set >= 0 {
				counts[n][set]++
			}
		}
	}
	return counts
}

// evens: a node in the place of a member makes the pool more even over one of
// the keys that cross.
func (g *graph) evens(k, from, to int, counts [][]int) bool {
	x, y := g.p.nodes[from].location, g.p.nodes[to].location
	for n, f := range g.crossing[k] {
		n += len(g.nested[k])
		if a, b := f.set[x], f.set[y]; a != b && a >= 0 && b >= 0 && counts[n][a] > counts[n][b]+1 {
			return true
		}
	}
	return false
}

// exchange is what it costs that two nodes take each other's seat.
func (g *graph) exchange(x, y int, counts [][][]int) (sum cost, ok bool) {
	k, j := g.at[x], g.at[y]
	for _, move := range [][3]int{{x, k, -1}, {y, k, 1}, {y, j, -1}, {x, j, 1}} {
		c, open := g.costAt(move[0], move[1])
		if !open {
			return cost{}, false
		}
		if move[2] > 0 {
			sum.add(&c)
		} else {
			sum.sub(&c)
		}
	}
	g.replace(&sum, k, x, y, counts[k])
	g.replace(&sum, j, y, x, counts[j])
	return sum, true
}

// replace adds what it costs a pool's trees that one node takes another's seat.
func (g *graph) replace(sum *cost, k, from, to int, counts [][]int) {
	x, y := g.p.nodes[from].location, g.p.nodes[to].location
	for n := range g.both[k] {
		f := &g.both[k][n]
		a, b := f.set[x], f.set[y]
		if a == b {
			continue
		}
		v := f.vertex(unseated)
		if a >= 0 {
			sum[v.part] -= v.price(counts[n][a] - 1)
		}
		if b >= 0 {
			sum[v.part] += v.price(counts[n][b])
		}
		if f.floor != nil && n >= len(g.nested[k]) {
			// Those of the nested families are in the price of the nodes.
			switch {
			case a >= 0:
				sum[f.part] += f.unit
			case b >= 0:
				sum[f.part] -= f.unit
			}
		}
	}
}

// bounds says how good a pool's spread is over the keys that cross.
//
// The bound is the least sum of squares that this many members can have over the
// key's values, where each value has no more of them than nodes that may be
// members, whatever else there is: other pools and other keys only take choices
// away. It is reached by giving each seat to the value with the fewest that has
// a node left, as each one more at a value costs more than the one before. Where
// no other pool may have the pool's nodes, and no third key crosses, the members
// were chosen exactly; then the bound is the sum.
func (g *graph) bounds(k int) []*v1.SpreadBound {
	var bounds []*v1.SpreadBound
	all := g.both[k]
	left, right := g.trees(k)
	exact := len(left)+len(right) == len(all) && g.alone(k)
	counts := g.counts(k)
	for n := len(g.nested[k]); n < len(all); n++ {
		f := &all[n]
		if f.floor != nil {
			continue
		}
		room := make([]int, len(counts[n]))
		for i := range g.p.nodes {
			if set := f.set[g.p.nodes[i].location]; set >= 0 && g.p.nodes[i].barrier[k] == free {
				room[set]++
			}
		}
		b := &v1.SpreadBound{Pool: g.p.pools[k].GetName(), Key: g.p.pools[k].GetSpread()[f.level]}
		for _, c := range counts[n] {
			b.Sum += uint64(c) * uint64(c)
		}
		if b.Bound = leastSquares(room, g.seats[k]); exact {
			b.Bound = b.Sum
		}
		bounds = append(bounds, b)
	}
	return bounds
}

// alone: no other pool may have any of the pool's nodes.
func (g *graph) alone(k int) bool {
	for number := range g.classes {
		if open := g.classes[number].open; len(open) > 1 && slices.Contains(open, k) {
			return false
		}
	}
	return true
}

// leastSquares is the least sum of squares of that many units over values that
// have room for so many each.
func leastSquares(room []int, units int) uint64 {
	room = slices.Clone(room)
	slices.Sort(room)
	sum := uint64(0)
	for at, most := range room {
		share := min(most, units/(len(room)-at))
		// The last ones share the rest, as evenly as may be: they have room for it.
		if most > share {
			left := len(room) - at
			more := units % left
			return sum + uint64(more)*uint64(share+1)*uint64(share+1) + uint64(left-more)*uint64(share)*uint64(share)
		}
		sum += uint64(share) * uint64(share)
		units -= share
	}
	return sum
}

// noise is a number of a node without a pattern: FNV-1a with a final mix, as ids
// often differ in their last byte only.
func noise(id string) int64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(id); i++ {
		h = (h ^ uint64(id[i])) * 1099511628211
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	return int64(h >> 38)
}
