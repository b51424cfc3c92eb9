package placement

// unseated is the bin of nodes that are members of no pool.
const unseated = -1

// members chooses the nodes for exactly got[pool] seats in each pool that takes
// nodes for itself.
func (p *problem) members(got []int) []int {
	pools := make([]int, p.own)
	for k := range pools {
		pools[k] = k
	}
	return p.choose(pools, got)
}

// choose finds the nodes for exactly got[pool] seats in each of some pools, at
// the least cost. It returns the pool of every node, or unseated.
//
// It is a min-cost flow by successive shortest paths over a graph that does
// not grow with the number of nodes: a vertex per pool and place, and edges from
// one to another that stand for the nodes of a class that are cheapest to move.
// It begins with the seats that are held now. Where those are the cheapest
// choice for their own number already, which is the rule, only what differs is
// worked out; else it begins from nothing. As no two choices cost the same, the
// result does not depend on where it began.
func (p *problem) choose(pools []int, got []int) []int {
	if len(p.nodes) == 0 {
		return nil
	}
	p.findQuotas(pools, got)
	g := newGraph(p, pools)
	if g.hold() && !g.straighten(len(pools)+4) {
		g = newGraph(p, pools)
	}
	left := 0
	for _, k := range pools {
		for g.seats[k] > got[k] {
			if !g.augment(g.root[k], func(k int) bool { return k == unseated }) {
				if p.unbind() {
					return p.choose(pools, got)
				}
				panic("placement: a seat cannot be given up")
			}
		}
		left += got[k] - g.seats[k]
	}
	if left > 0 {
		g.offers = g.newOffers()
	}
	for ; left > 0; left-- {
		if !g.augment(g.idle, func(k int) bool { return k != unseated && g.seats[k] < got[k] }) {
			if p.unbind() {
				return p.choose(pools, got)
			}
			panic("placement: a seat that can be filled was not")
		}
	}
	g.order()
	g.uncross()
	for _, k := range pools {
		p.spreads = append(p.spreads, g.bounds(k)...)
	}
	return g.at
}

// hold gives nodes the seats that they hold now, and says whether any does.
func (g *graph) hold() bool {
	found := false
	for number := range g.classes {
		c := &g.classes[number]
		for at, k := range c.open {
			if g.p.nodes[g.sample[number]].holds[k] {
				g.pass(number, len(c.open), at, c.count[len(c.open)])
				found = true
				break
			}
		}
	}
	return found
}
