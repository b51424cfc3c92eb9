package placement

import v1 "roster/proto/roster/v1"

// cost compares choices of members, most important part first. Parts add up
// over nodes, and each part has room for the sum over 100,000 nodes.
//
// Stops are no part: for given sizes they are fewest where starts are.
type cost [8]int64

const (
	// Seats of nodes that do not observe, where one that does has a seat; then,
	// where seats are open or gone, new seats; then new seats at nodes that are
	// cordoned or not up: they start nothing, but a node that is up is better.
	partMembers = iota
	// Sums of squares over the values of the spread keys, two keys to a part.
	partSpread
	_
	_
	_
	// Starts, then drains called off, then seats that change hands.
	partChanges
	// Pools earlier in the file get the nodes of lower rank.
	partOrder
	// Nothing but a difference, so that no two choices cost the same.
	partTie
)

const (
	memberMoved  int64 = 1 << 45
	memberNew    int64 = 1 << 17 // in the lowest level, four times that in the next
	memberAsleep int64 = 1
)

const (
	changeStart   int64 = 1 << 42
	changeUndrain int64 = 1 << 21
	changeHands   int64 = 1
)

func (c cost) plus(d cost) cost {
	for i := range c {
		c[i] += d[i]
	}
	return c
}

func (c cost) minus(d cost) cost {
	for i := range c {
		c[i] -= d[i]
	}
	return c
}

func (c cost) less(d cost) bool {
	for i := range c {
		if c[i] != d[i] {
			return c[i] < d[i]
		}
	}
	return false
}

// memberCost is the price of a node as a member of a pool, spread aside. It
// only depends on the node itself, and apart from partMembers and partChanges
// on nothing that a rollout changes.
func (p *problem) memberCost(node, pool int) cost {
	n, facts := &p.nodes[node], &p.pools[pool]
	var c cost
	if facts.watched && !observing(n.Node) {
		c[partMembers] += memberMoved
	}
	if !n.holds[pool] {
		c[partChanges] += changeHands
		if p.strained && !facts.loose {
			c[partMembers] += memberNew << (2 * max(5-facts.depth, 0))
		}
		if n.GetSettings().GetCordoned() || n.GetState() != v1.NodeState_NODE_STATE_UP {
			c[partMembers] += memberAsleep
		}
	}
	for _, s := range facts.services {
		switch {
		case n.standsIn[pool]:
		case n.drains[s]:
			c[partChanges] += changeUndrain
		case !n.serves[s]:
			c[partChanges] += changeStart
		}
	}
	c[partOrder] = int64(node) * int64(len(p.pools)-pool)
	c[partTie] = tie(n.GetId(), facts.GetName())
	return c
}

// tie is a number below 2^40 that differs between (node, pool) pairs: FNV-1a
// with a final mix, as ids often differ in their last byte only.
func tie(node, pool string) int64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(node); i++ {
		h = (h ^ uint64(node[i])) * 1099511628211
	}
	h = (h ^ 0xff) * 1099511628211
	for i := 0; i < len(pool); i++ {
		h = (h ^ uint64(pool[i])) * 1099511628211
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	return int64(h >> 24)
}

// spreadCost is the price of one more node where count nodes of a pool share a
// value of its spread key number level: (count+1)² - count².
func spreadCost(level, count int) cost {
	var c cost
	part := partSpread + level/2
	c[part] = int64(2*count + 1)
	if level%2 == 0 {
		c[part] <<= 32
	}
	return c
}
