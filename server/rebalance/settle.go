package rebalance

import (
	"context"
	"slices"
	"time"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/fsm/placement"
	"roster/fsm/rollout"
)

// settle says that the operator's last order was carried out as far as it can
// be: nothing is left to be done, or only what is stuck. What a freeze or a hold
// keeps back is still to be done, so is what the operator let wait, and what
// waits for a canary. Asked once of each state.
//
// What the operator decided on a plan that came to nothing is void by then: it is
// no leave for the next loss.
func (l *Loop) settle(ctx context.Context, state *fsm.State, looking rollout.View, step rollout.Step, now time.Time) {
	open := state.RolloutOrder().GetOpen()
	if open && (state.RolloutOrder().GetPause() != nil || state.RolloutOrder().GetCanary() != nil) {
		return
	}
	if !open && len(state.Approvals()) == 0 || l.settles.held(time.Now()) || l.settled != nil && !differ(l.settled, state) {
		return
	}
	if !step.Done && (waits(state, step, now) || moving(looking) || unheard(state.Nodes(), looking.Heard)) {
		return
	}
	var void []string
	for _, a := range state.Approvals() {
		if looking.Void(a) {
			void = append(void, a.GetId())
		}
	}
	done := l.propose(ctx, &storev1.Command{Command: &storev1.Command_SettleRollout{SettleRollout: &storev1.SettleRollout{
		Revision: state.Topology().GetRevision(), Order: state.RolloutOrder().GetOrder(), Void: void,
	}}})
	l.settles.after(done, time.Now())
	if done || !open {
		l.settled = state
	}
}

// waits: there is more to do of what an order brings, which something that ends
// keeps back. A repair is no part of it, and neither is what waits for approval.
func waits(state *fsm.State, step rollout.Step, now time.Time) bool {
	return slices.ContainsFunc(step.Held, func(h rollout.Held) bool {
		return h.Move.GetCause() != v1.Cause_CAUSE_REPAIR && (state.Hold() != nil || slices.ContainsFunc(state.Freezes(), func(f *v1.Freeze) bool {
			return rollout.InForce(f, now) && rollout.Covers(f.GetScope(), state.Node(h.Move.GetNode()), h.Move)
		}))
	})
}

// unheard: some node is not heard just now, and not down yet. Nothing is ended
// meanwhile, there or on its account, and a new leader has heard nobody yet.
func unheard(nodes []*v1.Node, heard func(node string) bool) bool {
	return slices.ContainsFunc(nodes, func(n *v1.Node) bool {
		return n.GetState() != v1.NodeState_NODE_STATE_DOWN && !heard(n.GetId())
	})
}

// moving: a service is still starting or draining, and not overdue. One that is
// wanted no more is stopped when its time to start is over, be it lost before.
func moving(looking rollout.View) bool {
	now, policy := looking.Now, looking.Topology.GetPolicy()
	wanted, loaned := looking.Target.Wanted(looking.Topology), looking.Target.Loaned()
	for _, n := range looking.Nodes {
		if n.GetState() == v1.NodeState_NODE_STATE_DOWN {
			continue
		}
		for _, a := range n.GetAssignments() {
			switch {
			case a.GetWanted() == v1.Wanted_WANTED_DRAINING:
				if now.Before(a.GetSince().AsTime().Add(a.GetDrain().AsDuration() + rollout.StopGrace)) {
					return true
				}
			case rollout.Ready(n, a.GetService()):
			case !placement.Lost(n, a.GetService(), policy, now):
				return true
			case wanted[n.GetId()][a.GetService()] == "" && loaned[n.GetId()][a.GetService()] == "" && placement.Awaited(n, a, policy, now):
				return true
			}
		}
	}
	return false
}
