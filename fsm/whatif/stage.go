package whatif

import (
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"roster/fsm/placement"
	"roster/fsm/rollout"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// later is the cluster some time later, in which nothing else happened.
func (c *Cluster) later(d time.Duration) *Cluster {
	l := *c
	l.Now = c.Now.Add(d)
	return &l
}

// without is the cluster in which nodes were marked down now, and the guard has
// judged that.
func (c *Cluster) without(lost map[string]bool) *Cluster {
	down := *c
	down.Nodes = slices.Clone(c.Nodes)
	for i, n := range c.Nodes {
		if lost[n.GetId()] && n.GetState() != v1.NodeState_NODE_STATE_DOWN {
			n = proto.CloneOf(n)
			n.State, n.StateSince = v1.NodeState_NODE_STATE_DOWN, timestamppb.New(c.Now)
			down.Nodes[i] = n
		}
	}
	return down.judged()
}

// calmAfter is how long a node stays up until it is no longer said to flap; the
// state machine counts so.
const calmAfter = time.Hour

// with is the cluster in which nodes that were down are heard again. What they
// were told to serve they serve: their agents went on with it, or began it again.
func (c *Cluster) with(back map[string]bool) *Cluster {
	up := *c
	up.Nodes = slices.Clone(c.Nodes)
	now := timestamppb.New(c.Now)
	for i, n := range c.Nodes {
		if !back[n.GetId()] || n.GetState() != v1.NodeState_NODE_STATE_DOWN {
			continue
		}
		n = proto.CloneOf(n)
		if n.GetReturnedAt() == nil || c.Now.Sub(n.GetReturnedAt().AsTime()) > calmAfter {
			n.Flaps = 0
		}
		n.State, n.StateSince, n.ReturnedAt = v1.NodeState_NODE_STATE_UP, now, now
		n.Flaps++
		up.Nodes[i] = n
	}
	return up.judged()
}

// judged is the cluster after the guard was asked.
func (c *Cluster) judged() *Cluster {
	down := map[string]bool{}
	for _, n := range c.Nodes {
		if n.GetState() == v1.NodeState_NODE_STATE_DOWN {
			down[n.GetId()] = true
		}
	}
	change := rollout.Guard(rollout.GuardView{
		Nodes: c.Nodes, Silent: func(node string) bool { return down[node] },
		Hold: c.Restraints.Hold, Override: c.Override, Policy: c.Topology.GetPolicy(), Now: c.Now,
	})
	if change == nil {
		return c
	}
	j := *c
	j.Restraints.Hold = change.GetHold()
	return &j
}

// deed is what Roster does at one moment, until it is done or stuck.
type deed struct {
	waves   []*v1.Wave
	waiting []string
}

// act lets Roster do what it would at this moment. Where that was done, it is
// placed again, until nothing follows.
func (c *Cluster) act() (*Cluster, deed, error) {
	after, done := *c, deed{}
	for range mostRounds {
		target, err := placement.Place(after.placement(after.Topology))
		if err != nil {
			return nil, deed{}, fmt.Errorf("place: %w", err)
		}
		plan, end := rollout.Forward(after.rollout(after.Topology, target))
		done.waves = append(done.waves, plan.GetWaves()...)
		done.waiting = nil
		for _, s := range plan.GetShortages() {
			done.waiting = append(done.waiting, s.GetReason())
		}
		after.Nodes, after.Floors = holding(after.Topology, end.Nodes), end.Floors
		if len(plan.GetWaves()) == 0 {
			break
		}
	}
	return &after, done, nil
}

// figures are the ready nodes of floors, by the order of their keys.
func figures(nodes []*v1.Node, floors map[string]*storev1.FloorInForce, keys []string) []uint32 {
	counts := rollout.ReadyCounts(nodes, floors)
	out := make([]uint32, len(keys))
	for i, key := range keys {
		out[i] = counts[key]
	}
	return out
}
