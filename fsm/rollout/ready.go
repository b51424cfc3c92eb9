package rollout

import (
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// Ready reports whether a node counts for the floor of a service: it is wanted
// serving there, its probe passed in the last report, and the node is up or
// suspect. There is no other definition of ready.
func Ready(n *v1.Node, service string) bool {
	return live(n) && wantedServing(n, service) && serving(n, service)
}

// ReadyCounts counts the ready nodes of every service, and of every part of the
// nodes that a floor is over, by FloorKey; what has none is not in it.
func ReadyCounts(nodes []*v1.Node, floors map[string]*storev1.FloorInForce) map[string]uint32 {
	counts, parts := map[string]uint32{}, partsOf(floors)
	for _, n := range nodes {
		for _, a := range n.GetAssignments() {
			if !Ready(n, a.GetService()) {
				continue
			}
			counts[a.GetService()]++
			for _, key := range parts.of(n, a.GetService()) {
				counts[key]++
			}
		}
	}
	return counts
}

// live: the node's reports are believed.
func live(n *v1.Node) bool {
	return n.GetState() == v1.NodeState_NODE_STATE_UP || n.GetState() == v1.NodeState_NODE_STATE_SUSPECT
}

func wantedServing(n *v1.Node, service string) bool {
	a := assignment(n, service)
	return a != nil && a.GetWanted() == v1.Wanted_WANTED_SERVING
}

func serving(n *v1.Node, service string) bool {
	r := report(n, service)
	return r != nil && r.GetState() == v1.ServiceState_SERVICE_STATE_SERVING
}

// assignment returns a node's assignment of a service, or nil.
func assignment(n *v1.Node, service string) *v1.Assignment {
	for _, a := range n.GetAssignments() {
		if a.GetService() == service {
			return a
		}
	}
	return nil
}

// report returns what a node last reported of a service, or nil.
func report(n *v1.Node, service string) *v1.ServiceReport {
	for _, r := range n.GetReports() {
		if r.GetService() == service {
			return r
		}
	}
	return nil
}
