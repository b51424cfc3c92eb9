// Package status sums the cluster up: the first word, the sentences and the
// tables of `roster status`. It reads a state that it is given and asks nobody;
// its functions are safe for concurrent use.
package status

import (
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/fsm/placement"
	"roster/fsm/topology"
)

// Input is what a status is made from.
type Input struct {
	State *fsm.State
	// Effective is the topology as the leader's loop reads it; nil: the state's own.
	Effective *v1.Topology
	Now       time.Time
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
	// Survival is what the cluster would survive; nil: that is not known yet.
	Survival *v1.Survival
}

func (in Input) effective() *v1.Topology {
	if in.Effective != nil {
		return in.Effective
	}
	return in.State.Effective()
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
		Survival:   in.Survival,
	}
	if revision := in.State.Topology(); revision != nil {
		s.Topology = &v1.StatusTopology{
			Name: revision.GetTopology().GetName(), Revision: revision.GetRevision(), Model: topology.Model(revision.GetTopology()),
		}
	}
	nodes := slices.Clone(in.State.Nodes())
	slices.SortFunc(nodes, func(a, b *v1.Node) int { return placement.Compare(a.GetId(), b.GetId()) })
	// What the leader has seen pass is past, whatever this member's clock says.
	if written := in.State.Time(); written.After(in.Now) {
		in.Now = written
	}
	s.Hold = in.State.Hold()
	s.Freezes = freezesInForce(in.State.Freezes(), in.Now)
	s.Nodes = nodeRows(nodes, s.GetFreezes())
	s.Endpoints = endpointRows(nodes)
	s.Members = memberRows(in)
	countServices(s, in.State, nodes)
	found := findings{
		now: in.Now, nodes: nodes, failing: failing(nodes, in.effective().GetPolicy(), in.Now), policy: in.effective().GetPolicy(), pools: servicesOfPools(in.effective()),
		aborting: in.State.RolloutOrder().GetAborting(),
	}
	if in.effective() != nil {
		found.step(s, in, c)
	}
	s.State = firstWord(s, in, found)
	describe(s, in, found)
	return s
}
