// Package whatif says what a change that has not happened would do to the
// services: what applying a topology would bring, what follows from a loss, which
// loss costs a service and what would mend that, what a stop would leave.
//
// It owns hypothetical clusters and losses. It decides nothing by itself: who
// should serve what is package placement's word, which steps are safe is package
// rollout's, and here they run forward on a copy. It must not know how commands are
// made or reach Raft, or what time it is. It is pure: messages passed in are never
// changed, and it keeps no state, so every function may be called from any
// goroutine.
package whatif

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"roster/fsm/placement"
	"roster/fsm/rollout"
	"roster/fsm/topology"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// Cluster is a cluster that is not: a copy of a live one, or one that was never
// there. Its methods change neither it nor any message reached from it.
type Cluster struct {
	// In force, with every default filled in; nil: there is none.
	Topology *v1.Topology
	// All registered nodes, in any order.
	Nodes []*v1.Node
	// Floors in force, by rollout.FloorKey.
	Floors map[string]*storev1.FloorInForce
	// Members; voter and state as they are worked out when listed.
	Members []*v1.Member
	// What time it is there.
	Now time.Time
	// What keeps moves from being made, under the topology in force.
	Restraints rollout.Restraints
	// The operator's word that the silence of nodes is real; nil: none.
	Override *v1.HoldOverride
	// Revision in force; 0: none.
	Revision uint64
	// Who had which seat when the rollout began that is being walked back; nil:
	// none is.
	Prefer []*v1.Seat
}

// Offline is a cluster of nodes as topology.ParseNodes reads them: all of them
// up and following. With a topology to start from (effective; nil: none) they
// serve it: it was placed, carried out, and everything wanted is ready. The error
// wraps placement.ErrImpossible.
func Offline(nodes []*v1.Node, from *v1.Topology, now time.Time) (*Cluster, error) {
	c := &Cluster{Now: now, Nodes: make([]*v1.Node, len(nodes))}
	for i, n := range nodes {
		up := proto.CloneOf(n)
		up.State, up.Mode, up.Generation, up.ReportedGeneration = v1.NodeState_NODE_STATE_UP, v1.AgentMode_AGENT_MODE_ACT, 1, 1
		up.StateSince, up.RegisteredAt = timestamppb.New(now), timestamppb.New(now)
		c.Nodes[i] = up
	}
	if from == nil {
		return c, nil
	}
	return c.Under(from)
}

// Under is the cluster as if a topology were in force, carried out and settled on
// its nodes: what the target wants of nodes that are up is ready, nothing else is
// there, and floors that can be reached are in force. The error wraps
// placement.ErrImpossible.
func (c *Cluster) Under(top *v1.Topology) (*Cluster, error) {
	settled, _, err := c.settled(topology.Effective(top))
	return settled, err
}

// Plan is the planner: what applying a topology would do now; nil: what is still
// to be done under the one in force. The caller sets basis and needs. The error
// wraps placement.ErrImpossible.
func (c *Cluster) Plan(top *v1.Topology) (*v1.Plan, error) {
	effective := c.Topology
	if top != nil {
		effective = topology.Effective(top)
	}
	if proto.Equal(effective, c.Topology) {
		effective = c.Topology
	}
	seen := c.placement(effective)
	target, err := placement.Place(seen)
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	plan := rollout.Plan(c.rollout(effective, target))
	plan.Revision = c.Revision
	plan.Shortages = append(plan.Shortages, placement.Unknown(effective, c.Nodes)...)
	plan.Notices = c.notices(effective)
	plan.Conflicts = placement.Conflicts(seen)
	plan.Spreads = target.Spreads
	if plan.Unkept, err = c.Unkept(effective); err != nil {
		return nil, err
	}
	return plan, nil
}
