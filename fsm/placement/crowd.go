package placement

import v1 "roster/proto/roster/v1"

// crowd counts the nodes that serve a pool, over the values of its spread keys.
type crowd struct {
	keys   []string
	levels []int            // of these, that make a difference
	counts []map[string]int // by level
}

// crowd counts the members of a pool that are there, and who stands in.
func (l *lending) crowd(k int, there []int) crowd {
	c := crowd{keys: l.pools[k].GetSpread(), levels: l.pools[k].spread}
	for range c.levels {
		c.counts = append(c.counts, map[string]int{})
	}
	for _, i := range l.members[k] {
		n := &l.nodes[i]
		lost := n.down
		for _, s := range l.pools[k].services {
			lost = lost || n.fails[s]
		}
		if !lost {
			c.enter(n.Node)
		}
	}
	for _, i := range there {
		c.enter(l.nodes[i].Node)
	}
	return c
}

func (c crowd) enter(n *v1.Node) {
	for at, level := range c.levels {
		c.counts[at][spreadValue(n, c.keys, level)]++
	}
}

// price is what one more node adds to the sums of squares, outer keys first, but
// for what it adds anyhow.
func (c crowd) price(n *v1.Node) []int {
	var price []int
	for at, level := range c.levels {
		price = append(price, c.counts[at][spreadValue(n, c.keys, level)])
	}
	return price
}
