package placement

// unseated is the bin of nodes that are members of no pool.
const unseated = -1

// members chooses the nodes for exactly got[pool] seats in each pool, at the
// least cost. It returns the pool of every node, or unseated.
//
// It is a min-cost flow by successive shortest paths over a graph that does
// not grow with the number of nodes: a vertex per pool and place, an edge from
// one to another that stands for the node that is cheapest to move. It begins
// with the seats that are held now. Where those are the cheapest choice for
// their own number already, which is the rule, only what differs is worked out;
// else it begins from nothing. As no two choices cost the same, the result does
// not depend on where it began.
func (p *problem) members(got []int) []int {
	if len(p.nodes) == 0 {
		return nil
	}
	g := newGraph(p)
	for i := range p.nodes {
		for k, holds := range p.nodes[i].holds {
			if holds && p.nodes[i].barrier[k] == free {
				g.put(i, k)
				break
			}
		}
	}
	g.enterAll()
	if !g.straighten(len(p.pools) + 4) {
		g = newGraph(p)
		g.enterAll()
	}
	for k := range p.pools {
		for g.seats[k] > got[k] {
			if !g.augment(g.root[k], g.idle) {
				if p.unbind() {
					return p.members(got)
				}
				panic("placement: a seat cannot be given up")
			}
		}
	}
	for k := range p.pools {
		for g.seats[k] < got[k] {
			if !g.augment(g.idle, g.root[k]) {
				if p.unbind() {
					return p.members(got)
				}
				panic("placement: a seat that can be filled was not")
			}
		}
	}
	return g.at
}
