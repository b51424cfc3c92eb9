package status

import (
	"strings"

	v1 "roster/proto/roster/v1"

	"roster/fsm/placement"
	"roster/fsm/rollout"
)

// settled says that nothing moves and nothing is about to: no move is under way,
// possible, forbidden or blocked, everything wanted of the nodes that live is
// ready, every floor in force is kept, and no time runs after which something
// would be moved. A cluster that lost a node for good and has done what can be
// done is settled, short or not; one where a drain goes on, or where a loan is to
// go back, is not.
func (f *findings) settled(s *v1.Status, in Input, waiting []string) bool {
	switch {
	case in.Leader == "", len(f.moves) > 0, len(f.held) > 0:
		return false
	}
	for _, sentence := range waiting {
		if !f.saidOfDown(sentence) {
			return false
		}
	}
	for _, row := range s.GetServices() {
		if row.GetReady() < row.GetFloorInForce() {
			return false
		}
	}
	for _, n := range f.nodes {
		if n.GetState() == v1.NodeState_NODE_STATE_DOWN {
			if len(f.seatsAtStake(n, in)) > 0 {
				return false
			}
			continue
		}
		for _, a := range n.GetAssignments() {
			if !rollout.Ready(n, a.GetService()) || f.kept(n, a) {
				return false
			}
		}
	}
	return true
}

// saidOfDown says that a sentence is about what is changed on a node when it is
// back, which may be never.
func (f *findings) saidOfDown(sentence string) bool {
	id, rest, ok := strings.Cut(sentence, " is down, and ")
	return ok && strings.HasSuffix(rest, " is changed there when it is back") && !strings.Contains(id, " ")
}

// seatsAtStake are the pools in which a node that is down has a seat that it
// loses after replace_after.
func (f *findings) seatsAtStake(n *v1.Node, in Input) (pools []string) {
	said := map[string]bool{}
	for _, a := range n.GetAssignments() {
		pool := a.GetPool()
		if a.GetBorrowed() || pool == "" || said[pool] || a.GetWanted() != v1.Wanted_WANTED_SERVING {
			continue
		}
		said[pool] = true
		if !placement.SeatGone(n, f.pools[pool], f.policy, in.Now) {
			pools = append(pools, pool)
		}
	}
	return pools
}
