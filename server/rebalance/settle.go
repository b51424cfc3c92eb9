package rebalance

import (
	"context"
	"time"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/fsm/placement"
	"roster/fsm/rollout"
)

// settle says that the operator's last order was carried out as far as it can
// be: nothing is left to be done, or only what is stuck. What a freeze or a hold
// keeps back is still to be done. Asked once of each state.
//
// What the operator decided on a plan that came to nothing is void by then: it is
// no leave for the next loss.
func (l *Loop) settle(ctx context.Context, state *fsm.State, looking rollout.View, step rollout.Step, now time.Time) {
	open := state.RolloutOrder().GetOpen()
	if !open && len(state.Approvals()) == 0 || l.settles.held(time.Now()) || l.settled != nil && !differ(l.settled, state) {
		return
	}
	if !step.Done && (waits(state, step, now) || moving(state.Nodes(), looking.Topology.GetPolicy(), now)) {
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

// waits: there is more to do, which something that ends keeps back.
func waits(state *fsm.State, step rollout.Step, now time.Time) bool {
	if len(step.Held) == 0 {
		return false
	}
	if state.Hold() != nil {
		return true
	}
	for _, f := range state.Freezes() {
		if rollout.InForce(f, now) {
			return true
		}
	}
	return false
}

// moving: a service is still starting or draining, and not overdue.
func moving(nodes []*v1.Node, policy *v1.Policy, now time.Time) bool {
	for _, n := range nodes {
		if n.GetState() == v1.NodeState_NODE_STATE_DOWN {
			continue
		}
		for _, a := range n.GetAssignments() {
			switch {
			case a.GetWanted() == v1.Wanted_WANTED_DRAINING:
				if now.Before(a.GetSince().AsTime().Add(a.GetDrain().AsDuration() + rollout.StopGrace)) {
					return true
				}
			case !rollout.Ready(n, a.GetService()) && !placement.Lost(n, a.GetService(), policy, now):
				return true
			}
		}
	}
	return false
}
