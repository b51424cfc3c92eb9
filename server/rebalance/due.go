package rebalance

import (
	"encoding/binary"
	"hash/fnv"
	"time"

	v1 "roster/proto/roster/v1"

	"roster/fsm/placement"
)

// again is how often what is not at rest is placed anew though nothing is known
// to have changed.
const again = 30 * time.Second

// restless are the nodes of which placement says another thing as time passes:
// they are down, or came back lately, or something on them is not as it is
// wanted, or only since a little while, or stands in. In a healthy cluster there
// are none, whatever its size.
func restless(nodes []*v1.Node, policy *v1.Policy, now time.Time) (found []*v1.Node) {
	for _, n := range nodes {
		if n.GetState() != v1.NodeState_NODE_STATE_UP || n.GetReturnedAt() != nil || len(n.GetTroubles()) > 0 || !atRest(n, policy, now) {
			found = append(found, n)
		}
	}
	return found
}

// atRest: whatever it is wanted to serve, it has served for return_after, and
// nothing of it is borrowed.
func atRest(n *v1.Node, policy *v1.Policy, now time.Time) bool {
	for _, a := range n.GetAssignments() {
		if a.GetBorrowed() || a.GetWanted() == v1.Wanted_WANTED_SERVING && !proven(n, a.GetService(), policy, now) {
			return false
		}
	}
	return true
}

// proven: it has served for return_after.
func proven(n *v1.Node, service string, policy *v1.Policy, now time.Time) bool {
	for _, r := range n.GetReports() {
		if r.GetService() == service {
			return r.GetState() == v1.ServiceState_SERVICE_STATE_SERVING &&
				!now.Before(r.GetSince().AsTime().Add(policy.GetReturnAfter().AsDuration()))
		}
	}
	return false
}

// verdict is everything that time alone decides about the restless: what is
// lost, which seats are gone, who may be relied on again, and what may be placed
// where. While it stays the same and the state does, so does the placement.
func verdict(restless []*v1.Node, policy *v1.Policy, now time.Time) uint64 {
	if len(restless) == 0 {
		return 0
	}
	h := fnv.New64a()
	var bits []byte
	say := func(yes bool) {
		if yes {
			bits = append(bits, 1)
		} else {
			bits = append(bits, 0)
		}
	}
	for _, n := range restless {
		say(placement.Settled(n, policy, now))
		for _, a := range n.GetAssignments() {
			say(placement.Lost(n, a.GetService(), policy, now))
			say(placement.SeatGone(n, []string{a.GetService()}, policy, now))
			say(proven(n, a.GetService(), policy, now))
		}
		for _, t := range n.GetTroubles() {
			_, barred := placement.Barred(n, t.GetService(), now)
			say(barred)
		}
	}
	bits = binary.AppendVarint(bits, now.Unix()/int64(again.Seconds()))
	_, _ = h.Write(bits) // a hash takes everything
	return h.Sum64()
}
