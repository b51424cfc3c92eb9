// Package status sums the cluster up: the first word, the sentences and the
// tables of `roster status`. It reads a state that it is given and asks nobody;
// its functions are safe for concurrent use.
package status

import (
	"net"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
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
	// Contacts are the members of which it is known whether they answer.
	Contacts map[string]Contact
	// Unrecorded are members that the state does not know yet: ids, and names
	// where those are known.
	Unrecorded []*v1.Member
}

// Cache keeps the placement of the state that it saw last, which is the dear
// part of a status: whoever waits for a change asks again and again. The zero
// value is ready; it is safe for concurrent use.
type Cache struct {
	mu     sync.Mutex
	state  *fsm.State
	target *placement.Target
	err    error
}

// place is the placement of a state's own topology.
func (c *Cache) place(state *fsm.State) (*placement.Target, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != state {
		c.target, c.err = placement.Place(fsm.Placement(state, state.Effective(), time.Now()))
		c.state = state
	}
	return c.target, c.err
}

// Compute sums up.
func Compute(in Input) *v1.Status { return new(Cache).Compute(in) }

// Compute sums up.
func (c *Cache) Compute(in Input) *v1.Status {
	cluster := in.State.Cluster()
	s := &v1.Status{
		State:      v1.StatusState_STATUS_STATE_OK,
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
	nodes := slices.Clone(in.State.Nodes())
	slices.SortFunc(nodes, func(a, b *v1.Node) int { return placement.Compare(a.GetId(), b.GetId()) })
	s.Nodes = nodeRows(nodes)
	s.Endpoints = endpointRows(nodes)
	s.Members = memberRows(in)
	countServices(s, in.State, nodes)
	found := findings{nodes: nodes, failing: failing(nodes, in.Now)}
	if in.State.Effective() != nil {
		found.step(s, in, c)
	}
	s.State = firstWord(s, in, found)
	describe(s, in, found)
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
			}
			if rollout.Ready(n, a.GetService()) {
				row.Ready++
				row.Nodes = append(row.Nodes, n.GetId())
			}
		}
	}
}
