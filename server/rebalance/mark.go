package rebalance

import (
	"context"
	"time"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/fsm/rollout"
	"roster/server/session"
)

// mark proposes the transitions of liveness and the guard's judgement of the
// same moment, all in one command: a guard that judged a pass later would find
// the moves that it is there to prevent under way. A hold that another leader
// began goes on until this one has listened for itself.
func (l *Loop) mark(ctx context.Context, view *session.Liveness) {
	now := time.Now()
	if l.states.held(now) {
		return
	}
	state := l.cfg.Machine.State()
	nodes := state.Nodes()
	changes := view.Transitions(nodes, l.downAfter(state), now)
	var hold *storev1.HoldChange
	if state.Hold() == nil || view.Listened(now) {
		hold = l.judge(state, view.Silent(nodes, now), changes, l.cfg.Now())
	}
	if len(changes) == 0 && hold == nil {
		return
	}
	done := l.propose(ctx, &storev1.Command{Command: &storev1.Command_SetNodeStates{
		SetNodeStates: &storev1.SetNodeStates{Changes: changes, Hold: hold},
	}})
	l.states.after(done, time.Now())
	if !done {
		return
	}
	for _, c := range changes {
		l.cfg.Logger.Info("node changes state", "node", c.GetId(), "state", c.GetState().String(), "reason", c.GetReason())
	}
	l.tellHold(state.Hold(), hold)
}

// judge asks the guard.
func (l *Loop) judge(state *fsm.State, silent map[string]bool, changes []*storev1.NodeStateChange, now time.Time) *storev1.HoldChange {
	states := make(map[string]v1.NodeState, len(changes))
	for _, c := range changes {
		states[c.GetId()] = c.GetState()
	}
	return rollout.Guard(rollout.GuardView{
		Nodes:  state.Nodes(),
		Silent: func(node string) bool { return silent[node] },
		Down: func(node string) bool {
			s, changes := states[node]
			if !changes {
				s = state.Node(node).GetState()
			}
			return s == v1.NodeState_NODE_STATE_DOWN
		},
		Hold: state.Hold(), Override: state.HoldOverride(), Policy: l.topology(state).GetPolicy(), Now: now,
	})
}

func (l *Loop) tellHold(before *v1.Hold, change *storev1.HoldChange) {
	switch after := change.GetHold(); {
	case change == nil:
	case after == nil:
		l.cfg.Logger.Warn("holds no longer", "reason", change.GetReason())
	case before == nil:
		l.cfg.Logger.Warn("holds: only floors are restored", "reason", after.GetReason())
	case after.GetSlow() && !before.GetSlow():
		l.cfg.Logger.Warn("has held for as long as it may: one repair per pool at a time is made", "reason", after.GetReason())
	}
}

// expire ends freezes whose time has passed. Nothing else depends on it: what
// has passed counts for nobody but the agent of a frozen node, which is told by
// the record.
func (l *Loop) expire(ctx context.Context) {
	now := time.Now()
	if l.freezes.held(now) {
		return
	}
	written := l.cfg.Now()
	for _, f := range l.cfg.Machine.State().Freezes() {
		if rollout.InForce(f, written) {
			continue
		}
		done := l.propose(ctx, &storev1.Command{Command: &storev1.Command_DeleteFreezes{DeleteFreezes: &storev1.DeleteFreezes{Expired: true}}})
		l.freezes.after(done, time.Now())
		return
	}
}
