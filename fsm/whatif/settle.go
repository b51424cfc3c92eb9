package whatif

import (
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"roster/fsm/placement"
	"roster/fsm/rollout"
	v1 "roster/proto/roster/v1"
)

// mostRounds bounds how often something is placed again before it is taken as it
// is. Two rounds are rare, see package placement.
const mostRounds = 8

// settled is the cluster with a topology (effective) carried out, and the target
// that it then has.
func (c *Cluster) settled(effective *v1.Topology) (*Cluster, *placement.Target, error) {
	s := *c
	s.Topology, s.Prefer, s.Restraints = effective, nil, rollout.Restraints{}
	s.Floors = nil
	before := &placement.Target{}
	for range mostRounds {
		target, err := placement.Place(s.placement(effective))
		if err != nil {
			return nil, nil, err
		}
		s.Nodes = holding(effective, s.carriedOut(target))
		s.Floors = rollout.AdvanceFloors(s.Floors, effective, rollout.PartTargets(effective, target, s.Nodes), nil)
		s.Floors = rollout.AdvanceFloors(s.Floors, effective, rollout.PartsOf(s.Floors), rollout.ReadyCounts(s.Nodes, s.Floors))
		if sameSpots(before, target) {
			break
		}
		before = target
	}
	return &s, before, nil
}

func sameSpots(a, b *placement.Target) bool {
	return slices.EqualFunc(a.Seats, b.Seats, func(x, y *v1.Seat) bool { return x.GetPool() == y.GetPool() && x.GetNode() == y.GetNode() }) &&
		slices.EqualFunc(a.Loans, b.Loans, func(x, y *v1.Loan) bool { return x.GetService() == y.GetService() && x.GetNode() == y.GetNode() })
}

// carriedOut are the nodes, each with just what the target wants there, ready
// where the node is up, for as long as anything is waited for. Since when it is
// wanted is not said: it never was. Nodes that stay as they are keep their records.
func (c *Cluster) carriedOut(target *placement.Target) []*v1.Node {
	long := timestamppb.New(c.Now.Add(-longAgo))
	wanted, loaned := target.Wanted(c.Topology), target.Loaned()
	drains := drainsOf(c.Topology)
	nodes := make([]*v1.Node, len(c.Nodes))
	for i, old := range c.Nodes {
		nodes[i] = old
		want := maps.Clone(wanted[old.GetId()])
		if want == nil {
			want = map[string]string{}
		}
		for service, pool := range loaned[old.GetId()] {
			if want[service] == "" {
				want[service] = pool
			}
		}
		n := proto.CloneOf(old)
		n.Assignments, n.Reports, n.Troubles, n.ReturnedAt, n.Flaps = nil, nil, nil, nil, 0
		for _, service := range slices.Sorted(maps.Keys(want)) {
			n.Assignments = append(n.Assignments, &v1.Assignment{
				Service: service, Node: n.GetId(), Pool: want[service], Borrowed: wanted[n.GetId()][service] == "",
				Wanted: v1.Wanted_WANTED_SERVING, Drain: drains[service], Revision: c.Revision,
			})
			if live(n) {
				n.Reports = append(n.Reports, &v1.ServiceReport{Service: service, State: v1.ServiceState_SERVICE_STATE_SERVING, Since: long})
			}
		}
		if !proto.Equal(n, old) {
			nodes[i] = n
		}
	}
	slices.SortFunc(nodes, func(a, b *v1.Node) int { return placement.Compare(a.GetId(), b.GetId()) })
	return nodes
}

func live(n *v1.Node) bool {
	return n.GetState() == v1.NodeState_NODE_STATE_UP || n.GetState() == v1.NodeState_NODE_STATE_SUSPECT
}

// longAgo is longer than anything is waited for.
const longAgo = 24 * time.Hour

func drainsOf(top *v1.Topology) map[string]*durationpb.Duration {
	drains := map[string]*durationpb.Duration{}
	for _, s := range top.GetServices() {
		drains[s.GetName()] = s.GetDrain()
	}
	return drains
}
