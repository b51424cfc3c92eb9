package main

import (
	"context"
	"fmt"
	"slices"

	"roster/cmd/internal/connect"
	"roster/cmd/internal/word"
	v1 "roster/proto/roster/v1"
)

// seated refuses to hand a node over on which something serves that the topology
// gives no seat there: Roster would drain and stop it as soon as it may act.
func (sh *shell) seated(ctx context.Context, link *connect.Link, id string) error {
	got, err := call(ctx, sh, v1.NewNodeServiceClient(link).GetNode, &v1.GetNodeRequest{Id: id})
	if err != nil || got.GetNode().GetMode() != v1.AgentMode_AGENT_MODE_OBSERVE {
		return err
	}
	s, err := statusOf(sh, link, false)(ctx)
	if err != nil || s.GetTopology() == nil {
		return err // without a topology nothing is moved
	}
	topologies := v1.NewTopologyServiceClient(link)
	force, err := call(ctx, sh, topologies.GetTopology, &v1.GetTopologyRequest{})
	if err != nil {
		return err
	}
	planned, err := call(ctx, sh, topologies.PlanTopology, &v1.PlanTopologyRequest{})
	if err != nil {
		return err
	}
	if lost := unseated(got.GetNode(), force.GetEffective(), planned.GetPlan().GetSeats()); len(lost) > 0 {
		return fmt.Errorf("%s serves %s, and topology %s has no seat for that there: Roster would drain and stop it\n"+
			"  put the node into a pool first, in the file that `roster topology get` prints; or --allow-stop", id, word.List(lost), s.GetTopology().GetName())
	}
	return nil
}

// unseated are the services that serve on a node and that no pool in which it has
// a seat serves.
func unseated(n *v1.Node, t *v1.Topology, seats []*v1.Seat) (lost []string) {
	kept := map[string]bool{}
	for _, pool := range t.GetPools() {
		if slices.ContainsFunc(seats, func(s *v1.Seat) bool { return s.GetNode() == n.GetId() && s.GetPool() == pool.GetName() }) {
			for _, service := range pool.GetServices() {
				kept[service] = true
			}
		}
	}
	for _, a := range n.GetAssignments() {
		if a.GetWanted() == v1.Wanted_WANTED_SERVING && !kept[a.GetService()] {
			lost = append(lost, a.GetService())
		}
	}
	return lost
}
