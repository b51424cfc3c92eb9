package rebalance

import (
	"context"
	"time"

	storev1 "roster/proto/roster/store/v1"

	"roster/fsm"
	"roster/fsm/rollout"
)

// canary writes what becomes of the nodes that an order goes to first: that they
// are well, that they have been for long enough, or that they are not. It says
// whether there was something to write: then the state is another one.
func (l *Loop) canary(ctx context.Context, state *fsm.State, looking rollout.View) bool {
	order := state.RolloutOrder()
	if !order.GetOpen() || order.GetCanary() == nil || order.GetPause() != nil || l.canaries.held(time.Now()) {
		return false
	}
	verdict := rollout.JudgeCanary(looking)
	if verdict == nil {
		return false
	}
	verdict.Revision, verdict.Order = state.Topology().GetRevision(), order.GetOrder()
	done := l.propose(ctx, &storev1.Command{Command: &storev1.Command_SettleCanary{SettleCanary: verdict}})
	l.canaries.after(done, time.Now())
	switch {
	case !done:
	case verdict.GetFailure() != "":
		l.cfg.Logger.Warn("the canary failed", "rev", verdict.GetRevision(), "reason", verdict.GetFailure())
	case verdict.GetPassed():
		l.cfg.Logger.Info("the canary was well, the rest follows", "rev", verdict.GetRevision())
	}
	return done
}
