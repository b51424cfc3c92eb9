package status

import (
	"net"
	"slices"
	"sort"
	"strconv"
	"strings"

	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/fsm/rollout"
)

// scopeNode begins the scope of a freeze of one node, which is what hands-off
// is.
const scopeNode = "node:"

func nodeRows(nodes []*v1.Node, freezes []*v1.Freeze) []*v1.NodeStatus {
	rows := make([]*v1.NodeStatus, 0, len(nodes))
	off := map[string]bool{}
	for _, f := range freezes {
		if id, ok := strings.CutPrefix(f.GetScope(), scopeNode); ok {
			off[id] = true
		}
	}
	for _, n := range nodes {
		row := &v1.NodeStatus{
			Id: n.GetId(), Region: n.GetRegion(), Zone: n.GetZone(), State: n.GetState(),
			Cordoned: n.GetSettings().GetCordoned(), Mode: n.GetMode(), Drained: n.GetSettings().GetDrain() != nil,
			HandsOff: off[n.GetId()] || n.GetFrozen() != "",
		}
		pools := map[string]bool{}
		for _, a := range n.GetAssignments() {
			if a.GetWanted() == v1.Wanted_WANTED_DRAINING {
				row.Draining = append(row.Draining, a.GetService())
				continue
			}
			row.Services = append(row.Services, a.GetService())
			if a.GetBorrowed() {
				row.Borrowed = append(row.Borrowed, a.GetService())
			} else if a.GetPool() != "" {
				pools[a.GetPool()] = true
			}
		}
		for p := range pools {
			row.Pools = append(row.Pools, p)
		}
		sort.Strings(row.Pools)
		rows = append(rows, row)
	}
	return rows
}

func endpointRows(nodes []*v1.Node) []*v1.StatusEndpoint {
	var rows []*v1.StatusEndpoint
	for _, n := range nodes {
		for _, e := range fsm.Endpoints(n) {
			rows = append(rows, &v1.StatusEndpoint{
				Service: e.GetService(), Node: e.GetNode(), State: e.GetState(),
				Address: net.JoinHostPort(e.GetHost(), strconv.Itoa(int(e.GetPort()))),
			})
		}
	}
	slices.SortStableFunc(rows, func(a, b *v1.StatusEndpoint) int { return strings.Compare(a.GetService(), b.GetService()) })
	return rows
}

// countServices fills in every service that the topology names or a node has.
func countServices(s *v1.Status, state *fsm.State, nodes []*v1.Node) {
	of := func(name string) *v1.ServiceStatus {
		if s.Services[name] == nil {
			s.Services[name] = &v1.ServiceStatus{}
		}
		return s.Services[name]
	}
	for _, service := range state.Effective().GetServices() {
		of(service.GetName()).Floor = service.GetFloor()
	}
	for name, floor := range state.Floors() {
		if s.Services[name] != nil {
			s.Services[name].FloorInForce = floor.GetFloor()
		}
	}
	for _, n := range nodes {
		for _, a := range n.GetAssignments() {
			row := of(a.GetService())
			if a.GetWanted() == v1.Wanted_WANTED_SERVING {
				row.Wanted++
				if a.GetBorrowed() {
					row.Borrowed = append(row.Borrowed, n.GetId())
				}
			}
			if rollout.Ready(n, a.GetService()) {
				row.Ready++
				row.Nodes = append(row.Nodes, n.GetId())
			}
		}
	}
}
