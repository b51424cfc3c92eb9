package rebalance

import (
	"context"
	"time"

	storev1 "roster/proto/roster/store/v1"

	"roster/fsm"
	"roster/fsm/placement"
	"roster/fsm/rollout"
	"roster/server/session"
)

// pass proposes the next wave, if there is one.
func (l *Loop) pass(ctx context.Context, view *session.Liveness) {
	now, clock := l.cfg.Now(), time.Now()
	state := l.cfg.Machine.State()
	topology := l.topology(state)
	if topology == nil || l.waves.held(clock) || !l.place(state, now) {
		return
	}
	looking := fsm.Rollout(state, state.Effective(), l.target, now, func(node string) bool {
		return view.HeardRecently(node, state.Node(node).GetInstance(), clock)
	})
	looking.Topology = topology
	// Time alone decides that a canary was well for long enough, when nothing else
	// is left to be done too.
	if l.canary(ctx, state, looking) || l.done || tooEarly(state, l.target, l.cfg.Quiet, now) {
		return
	}
	step := rollout.Next(looking)
	l.tellHeld(step.Held)
	if len(step.Moves) == 0 && !partsDiffer(state, step.Parts) {
		l.done = step.Done
		l.settle(ctx, state, looking, step, now)
		return
	}
	if l.awaited(state, topology.GetPolicy(), now) {
		return
	}
	done := l.propose(ctx, &storev1.Command{Command: &storev1.Command_MoveAssignments{MoveAssignments: wave(state, step)}})
	l.waves.after(done, time.Now())
	if !done {
		return
	}
	for _, m := range step.Moves {
		l.cfg.Logger.Info("move", "action", actionWord(m.GetAction()), "service", m.GetService(), "node", m.GetNode(), "pool", m.GetPool(), "reason", m.GetReason())
	}
}

// place says who should serve what, unless nothing can be placed. It is placed
// again only where the state has news, or time has decided something.
func (l *Loop) place(state *fsm.State, now time.Time) bool {
	policy := l.topology(state).GetPolicy()
	if l.placed == nil || differ(l.placed, state) {
		l.restless = restless(state.Nodes(), policy, now)
	} else if verdict(l.restless, policy, now) == l.verdict {
		l.placed = state
		return l.target != nil
	}
	l.placed, l.verdict, l.done = state, verdict(l.restless, policy, now), false
	view := fsm.Placement(state, state.Effective(), now)
	if own := l.topology(state); own != state.Effective() {
		view.Topology = own
	}
	target, err := placement.Place(view)
	l.target = target
	if err == nil {
		l.unplaced = ""
		return true
	}
	l.target = nil
	if err.Error() != l.unplaced {
		l.unplaced = err.Error()
		l.cfg.Logger.Error("nothing can be placed", "rev", state.Topology().GetRevision(), "error", err)
	}
	return false
}
