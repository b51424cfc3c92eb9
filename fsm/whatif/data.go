package whatif

import (
	"slices"

	"google.golang.org/protobuf/proto"

	"roster/fsm/placement"
	"roster/fsm/rollout"
	v1 "roster/proto/roster/v1"
)

// holding are the nodes, each with the data of what is ready on it: where a service
// is local, it is served from then on where it is now. The state machine notes that
// of live nodes in the same way. Nodes that stay as they are keep their records.
func holding(top *v1.Topology, nodes []*v1.Node) []*v1.Node {
	local := placement.Local(top, nodes)
	if len(local) == 0 {
		return nodes
	}
	after := slices.Clone(nodes)
	for i, n := range nodes {
		for _, a := range n.GetAssignments() {
			service := a.GetService()
			if !local[service] || slices.Contains(n.GetHolds(), service) || !rollout.Ready(n, service) {
				continue
			}
			if after[i] == n {
				after[i] = proto.CloneOf(n)
			}
			after[i].Holds = append(after[i].Holds, service)
			slices.Sort(after[i].Holds)
		}
	}
	return after
}
