// Package status sums the cluster up: the first word, the sentences and the
// tables of `roster status`. It reads a state that it is given and asks nobody;
// its functions are safe for concurrent use.
package status

import (
	"cmp"
	"net"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/fsm/placement"
	"roster/fsm/rollout"
)

// Input is what a status is made from.
type Input struct {
	State *fsm.State
	Now   time.Time
	// Leader is the member that leads; empty where none is known.
	Leader     string
	AnsweredBy string
	Stale      bool
	Term       uint64
	Voters     map[string]bool
}

// Compute sums up.
func Compute(in Input) *v1.Status {
	cluster := in.State.Cluster()
	s := &v1.Status{
		Services:   map[string]*v1.ServiceStatus{},
		Cluster:    cluster.GetName(),
		ClusterId:  cluster.GetId(),
		Epoch:      cluster.GetEpoch(),
		Index:      in.State.Index(),
		Term:       in.Term,
		Profile:    cluster.GetProfile(),
		AnsweredBy: in.AnsweredBy,
		Stale:      in.Stale,
		Time:       timestamppb.New(in.Now),
	}
	if revision := in.State.Topology(); revision != nil {
		s.Topology = &v1.StatusTopology{Name: revision.GetTopology().GetName(), Revision: revision.GetRevision()}
	}
	nodes := in.State.Nodes()
	s.Nodes = nodeRows(nodes)
	s.Endpoints = endpointRows(nodes)
	s.Members = memberRows(in)
	countServices(s, in.State, nodes)
	waiting := judge(s, in, nodes)
	describe(s, in, nodes, waiting)
	return s
}

func nodeRows(nodes []*v1.Node) []*v1.NodeStatus {
	rows := make([]*v1.NodeStatus, 0, len(nodes))
	for _, n := range nodes {
		row := &v1.NodeStatus{
			Id: n.GetId(), Region: n.GetRegion(), Zone: n.GetZone(), State: n.GetState(),
			Cordoned: n.GetSettings().GetCordoned(),
		}
		pools := map[string]bool{}
		for _, a := range n.GetAssignments() {
			if a.GetWanted() == v1.Wanted_WANTED_DRAINING {
				row.Draining = append(row.Draining, a.GetService())
				continue
			}
			row.Services = append(row.Services, a.GetService())
			pools[a.GetPool()] = true
		}
		for p := range pools {
			row.Pools = append(row.Pools, p)
		}
		sort.Strings(row.Pools)
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b *v1.NodeStatus) int { return placement.Compare(a.GetId(), b.GetId()) })
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
	slices.SortFunc(rows, func(a, b *v1.StatusEndpoint) int {
		return cmp.Or(strings.Compare(a.GetService(), b.GetService()), placement.Compare(a.GetNode(), b.GetNode()))
	})
	return rows
}

func memberRows(in Input) []*v1.StatusMember {
	var rows []*v1.StatusMember
	for _, m := range in.State.Members() {
		rows = append(rows, &v1.StatusMember{
			Id: m.GetId(), Name: m.GetName(), Address: m.GetAddress(),
			Leader: m.GetId() == in.Leader, Voter: in.Voters[m.GetId()],
		})
	}
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
			}
			if rollout.Ready(n, a.GetService()) {
				row.Ready++
				row.Nodes = append(row.Nodes, n.GetId())
			}
		}
	}
	for _, row := range s.Services {
		slices.SortFunc(row.Nodes, placement.Compare)
	}
}

// judge sets the first word, settled and shortages, and returns what the next
// step waits for.
func judge(s *v1.Status, in Input, nodes []*v1.Node) []string {
	s.State = v1.StatusState_STATUS_STATE_OK
	worse := func(to v1.StatusState) { s.State = max(s.State, to) }
	for _, n := range nodes {
		if n.GetState() != v1.NodeState_NODE_STATE_UP {
			worse(v1.StatusState_STATUS_STATE_DEGRADED)
		}
	}
	for _, row := range s.Services {
		if row.GetReady() < row.GetWanted() {
			worse(v1.StatusState_STATUS_STATE_DEGRADED)
		}
		if row.GetReady() < row.GetFloorInForce() {
			worse(v1.StatusState_STATUS_STATE_FLOOR_BROKEN)
		}
	}
	var waiting []string
	if effective := in.State.Effective(); effective != nil {
		target, err := placement.Place(fsm.Placement(in.State, effective))
		if err != nil {
			waiting = append(waiting, err.Error())
			worse(v1.StatusState_STATUS_STATE_DEGRADED)
		} else {
			s.Shortages = target.Shortages
			step := rollout.Next(fsm.Rollout(in.State, effective, target, in.Now, nil))
			waiting = step.Waiting
			s.Settled = step.Done && everythingReady(nodes)
		}
		if len(s.Shortages) > 0 {
			worse(v1.StatusState_STATUS_STATE_DEGRADED)
		}
	}
	if in.Leader == "" {
		worse(v1.StatusState_STATUS_STATE_NO_QUORUM)
		s.Settled = false
	}
	return waiting
}

// everythingReady says that whatever is wanted serving on a node that is not
// down is ready, and that nothing drains.
func everythingReady(nodes []*v1.Node) bool {
	for _, n := range nodes {
		for _, a := range n.GetAssignments() {
			if !rollout.Ready(n, a.GetService()) {
				return false
			}
		}
	}
	return true
}
