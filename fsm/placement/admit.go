package placement

import (
	"slices"

	v1 "roster/proto/roster/v1"
)

// barrier is why a node may not be a member of a pool; free: it may.
type barrier uint8

const (
	free barrier = iota
	// The following hold while labels and claims are as they are, and take the
	// node out of the sizes too.
	notListed
	excluded
	mismatched
	unable
	lacking
	elsewhere // the data of one of its services is on other nodes alone
	drained
	watching
	// The following close a pool to a node for now: the first to one that has had
	// a seat there, the others to one that has none.
	gone
	cordoned
	notUp
	deaf
	frozen
	troubled
	// It might, but seats are open or gone, and it is counted on elsewhere, or
	// others are here; see bind.
	bound
	// Of loans alone: its pool does not lend.
	withheld
)

// passes: what is in the way may go by itself.
func (b barrier) passes() bool { return b >= gone && b <= troubled }

// open: the node may be a member of the pool, as far as the two of them go.
func (b barrier) open() bool { return b == free || b == bound }

// fits: the node counts for the size of the pool.
func (b barrier) fits() bool { return b == free || b >= gone }

// admit says whether a node may be a member of a pool. A seat that would start
// nothing is not closed to cordoned nodes, or to nodes that are not up: there
// they serve on as they do. But a node that is down helps no pool other than its
// own.
func (p *problem) admit(n *nodeFacts, k int) barrier {
	pool := &p.pools[k]
	if b := pool.rules(n); b != free {
		return b
	}
	if _, lacks := p.lacksData(n.Node, pool.services); lacks {
		return elsewhere
	}
	return p.standing(n, k)
}

// standing says what keeps a node that a pool's rules let in from a seat there
// all the same.
func (p *problem) standing(n *nodeFacts, k int) barrier {
	pool := &p.pools[k]
	switch missing := n.missing(pool, k); {
	case n.drained:
		return drained
	case observing(n.Node) && !n.holds[k]:
		return watching
	case p.seatGone(n, k):
		return gone
	case n.holds[k]:
		return free
	case n.leaves && !n.down:
		return troubled
	case !missing && !p.troubledIn(n, pool.services) && !(n.down && (n.standsIn[k] || slices.Contains(n.holds, true))):
		return free
	}
	return p.closed(n, pool.services)
}

// rules says whether a pool's rules let a node in at all.
func (p *poolFacts) rules(n *nodeFacts) barrier {
	id := n.GetId()
	switch {
	case p.only != nil && !p.only[id]:
		return notListed
	case p.exclude[id]:
		return excluded
	case !matches(n.Node, p.GetWhere()):
		return mismatched
	}
	for _, s := range p.services {
		if !n.can[s] {
			return unable
		}
	}
	for _, r := range p.requires {
		if !matches(n.Node, r.labels) {
			return lacking
		}
	}
	return free
}

// missing: some service of the pool would have to be started.
func (n *nodeFacts) missing(pool *poolFacts, k int) bool {
	if n.standsIn[k] {
		return false
	}
	for _, s := range pool.services {
		if !n.serves[s] && !n.drains[s] {
			return true
		}
	}
	return false
}

// closed says why services are not started on a node for now.
func (p *problem) closed(n *nodeFacts, services []int) barrier {
	switch {
	case n.GetSettings().GetCordoned():
		return cordoned
	case n.GetState() != v1.NodeState_NODE_STATE_UP:
		return notUp
	case n.GetFrozen() != "" || n.GetAhead() != nil || n.GetUnconfirmed():
		return deaf
	case p.frozen != nil && p.frozen(n.Node):
		return frozen
	}
	if p.troubledIn(n, services) {
		return troubled
	}
	return free
}

// troubledIn: one of the services fails on the node, or failed there lately.
func (p *problem) troubledIn(n *nodeFacts, services []int) bool {
	for _, s := range services {
		if n.fails[s] {
			return true
		}
		if len(n.GetTroubles()) > 0 {
			if _, barred := Barred(n.Node, p.services[s].GetName(), p.now); barred {
				return true
			}
		}
	}
	return false
}

// seatGone: the node has, or had, a seat in the pool, and it is time to give it
// away.
func (p *problem) seatGone(n *nodeFacts, k int) bool {
	policy, services := p.top.GetPolicy(), p.pools[k].GetServices()
	switch {
	case n.down:
		// What it served says what it may have held: while it is down, its seat
		// changes hands in its record, and nothing else does.
		return downForGood(n.Node, policy, p.now) &&
			slices.ContainsFunc(services, func(service string) bool { return assignmentOf(n.Node, service) != nil })
	case n.holds[k] || n.standsIn[k]:
		return slices.ContainsFunc(p.pools[k].services, func(s int) bool { return n.fails[s] }) && SeatGone(n.Node, services, policy, p.now)
	}
	return false
}

func matches(n *v1.Node, where map[string]*v1.LabelValues) bool {
	for key, values := range where {
		have, there := label(n, key)
		if !there || !slices.Contains(values.GetValues(), have) {
			return false
		}
	}
	return true
}

// label reads a node's label; region, zone and id are labels too.
func label(n *v1.Node, key string) (string, bool) {
	switch key {
	case "id":
		return n.GetId(), true
	case "region":
		return n.GetRegion(), n.GetRegion() != ""
	case "zone":
		return n.GetZone(), n.GetZone() != ""
	}
	value, there := n.GetLabels()[key]
	return value, there
}
