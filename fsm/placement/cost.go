package placement

import (
	"slices"

	v1 "roster/proto/roster/v1"
)

// cost compares choices of members, most important part first. Parts add up
// over nodes, and each part has room for the sum over 100,000 nodes.
//
// Stops are no part: for given sizes they are fewest where starts are.
type cost [12]int64

const (
	// Seats of nodes that do not observe, where one that does has a seat; then,
	// where seats are open or gone, new seats; then new seats at nodes that are
	// cordoned or not up: they start nothing, but a node that is up is better.
	partMembers = iota
	// Seats of others than those who had them when the rollout began that is being
	// walked back; then what floors over parts lack.
	partWishes
	// Sums of squares over the values of the spread keys, two keys to a part.
	partSpread
	_
	_
	_
	// The same, and what floors over parts lack, where keys and parts cross those
	// before: two to a part.
	partCross
	_
	// Starts, then services that restart with them.
	partChanges
	// Drains called off, then seats that change hands.
	partHands
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
	wishOther int64 = 1 << 32
	wishFloor int64 = 1

	changeStart   int64 = 1 << 32
	changeRestart int64 = 1

	changeUndrain int64 = 1 << 32
	changeHands   int64 = 1
)

func (c *cost) add(d *cost) {
	for i := range c {
		c[i] += d[i]
	}
}

func (c *cost) sub(d *cost) {
	for i := range c {
		c[i] -= d[i]
	}
}

func (c *cost) less(d *cost) bool {
	for i := range c {
		if c[i] != d[i] {
			return c[i] < d[i]
		}
	}
	return false
}

func (c *cost) compare(d *cost) int { return slices.Compare(c[:], d[:]) }

// memberCost is the price of a node as a member of a pool, but for spread,
// floors over parts, and what tells it apart from others of its class. It only
// depends on the node itself, and apart from partMembers, partChanges and
// partHands on nothing that a rollout changes.
func (p *problem) memberCost(node, pool int) cost {
	n, facts := &p.nodes[node], &p.pools[pool]
	var c cost
	if facts.watched && !observing(n.Node) {
		c[partMembers] += memberMoved
	}
	if p.prefer != nil && !p.prefer[pool][n.GetId()] {
		c[partWishes] += wishOther
	}
	covered := pool >= p.own && p.covered(node, pool)
	switch {
	case covered:
		// It starts nothing, and nothing will show that it has the seat.
		c[partHands] += changeHands
		if p.strained {
			c[partMembers] += memberNew
		}
	case !n.holds[pool]:
		c[partHands] += changeHands
		if pool >= p.own {
			// Where it is covered comes before where something stands in.
			c[partHands] += changeHands
		}
		if p.strained && !facts.loose {
			c[partMembers] += memberNew << (2 * max(5-facts.depth, 0))
		}
		if n.asleep() {
			c[partMembers] += memberAsleep
		}
	}
	if covered || n.standsIn[pool] {
		return c
	}
	for _, s := range facts.services {
		switch p.has(node, pool, s) {
		case absent:
			c[partChanges] += changeStart
		case draining:
			c[partHands] += changeUndrain
		}
	}
	if !n.holds[pool] {
		c[partChanges] += changeRestart * int64(p.restarts(node, pool))
	}
	return c
}

// asleep: nothing is started there.
func (n *nodeFacts) asleep() bool {
	return n.GetSettings().GetCordoned() || n.GetState() != v1.NodeState_NODE_STATE_UP
}

// presence is what there is of a service at a node, as far as a pool may count
// on it.
type presence uint8

const (
	absent presence = iota
	draining
	serving
)

// has says what there is of a service at a node for a pool. What is there for a
// shared pool that is placed later is not.
func (p *problem) has(i, k, s int) presence {
	n := &p.nodes[i]
	switch {
	case k >= p.own && p.given[i*len(p.services)+s]:
		return serving
	case n.whose[s] >= p.own && n.whose[s] > k:
		return absent
	case n.drains[s]:
		return draining
	case n.serves[s]:
		return serving
	}
	return absent
}

// restarts counts the services that are there, go on serving, and are restarted
// when a node comes to serve all of a pool: a service in their restart group has
// to be started, or taken over from another pool. Services that are to leave
// the node do not count: their number falls while they leave, and the choice
// would change on the way. Nor does it count for a node that holds a seat.
func (p *problem) restarts(i, k int) int {
	groups := p.nodes[i].groups
	if groups == nil {
		return 0
	}
	count := 0
	for s, group := range groups {
		if group == 0 || !p.stays(i, k, s) {
			continue
		}
		if slices.ContainsFunc(p.pools[k].services, func(t int) bool { return groups[t] == group && p.changes(i, k, t) }) {
			count++
		}
	}
	return count
}

// stays: the service is there, and would go on if the node joined the pool.
func (p *problem) stays(i, k, s int) bool {
	if k >= p.own && p.given[i*len(p.services)+s] {
		return true
	}
	return slices.Contains(p.pools[k].services, s) && p.has(i, k, s) != absent
}

// changes: the service is started at a node for a pool, or was started there for
// another one.
func (p *problem) changes(i, k, t int) bool {
	if k >= p.own && p.given[i*len(p.services)+t] {
		return false
	}
	return p.has(i, k, t) == absent || p.nodes[i].whose[t] != unseated && p.nodes[i].whose[t] != k
}

// most families that cross others.
const mostCrossing = 4

// spreadPart returns the part of a spread key, and what a square counts there.
func spreadPart(level int) (part int, unit int64) { return halfPart(partSpread, level) }

// halfPart returns one of the parts of which each holds two, and its unit.
func halfPart(first, number int) (part int, unit int64) {
	if number%2 == 0 {
		return first + number/2, 1 << 32
	}
	return first + number/2, 1
}
