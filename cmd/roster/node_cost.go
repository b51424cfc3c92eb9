package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"roster/cmd/internal/connect"
	"roster/cmd/internal/exit"
	"roster/cmd/internal/word"
	v1 "roster/proto/roster/v1"
)

// costOfRemoval says in sentences what the cluster loses where a node is
// forgotten by force. A status that cannot be read is told and holds nothing up.
func (sh *shell) costOfRemoval(ctx context.Context, link *connect.Link, node string) []string {
	response, err := call(ctx, sh, v1.NewClusterServiceClient(link).GetStatus, &v1.GetStatusRequest{})
	if err != nil {
		return []string{"What it costs is not known: " + exit.Sentence(err) + "."}
	}
	return removalCost(response.GetStatus(), node)
}

func removalCost(s *v1.Status, node string) []string {
	var cost []string
	for _, n := range s.GetNodes() {
		if serves := append(slices.Clone(n.GetServices()), n.GetDraining()...); n.GetId() == node && len(serves) > 0 {
			cost = append(cost, fmt.Sprintf("Assigned to it until now: %s.", strings.Join(serves, ", ")))
		}
	}
	floors := false
	for _, name := range slices.Sorted(maps.Keys(s.GetServices())) {
		service := s.GetServices()[name]
		if service.GetReady() == 0 || !slices.Contains(service.GetNodes(), node) {
			continue
		}
		left, floor := service.GetReady()-1, service.GetFloorInForce()
		switch {
		case left == 0:
			cost = append(cost, fmt.Sprintf("%s loses its last ready node.", name))
		case left < floor:
			cost = append(cost, fmt.Sprintf("%s falls below its floor: %s ready, the floor is %d.", name, word.Count(left, "node"), floor))
		}
		floors = floors || left < floor
	}
	if floors {
		cost = append(cost, "--force is the exception to the rule that no command goes below a floor.")
	}
	return cost
}
