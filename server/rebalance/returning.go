package rebalance

import (
	"time"

	v1 "roster/proto/roster/v1"

	"roster/fsm"
)

// mostWindows bounds in all how long those who come back are waited for: where
// many nodes flap, some always do.
const mostWindows = 3

func returnWindow(policy *v1.Policy) time.Duration {
	if window := policy.GetDownAfter().AsDuration(); window > 0 {
		return window
	}
	return defaultDown
}

// awaited says whether a wave waits for those who come back.
func (l *Loop) awaited(state *fsm.State, policy *v1.Policy, now time.Time) bool {
	if !returning(state, policy, now) {
		l.returns = time.Time{}
		return false
	}
	// After a while without a look, they are others than those that were waited for.
	if l.returns.IsZero() || now.Sub(l.returnsSeen) > returnWindow(policy) {
		l.returns = now
	}
	l.returnsSeen = now
	return now.Sub(l.returns) < mostWindows*returnWindow(policy)
}

// crowd is how many nodes that come back at once are more than chance.
const crowd = 3

// returning: nodes are just coming back by the crowd, or the first of them does
// while Roster holds. That was a cut, and the others are about to be heard as
// well: what is started for them now would be surplus in a moment. It is waited
// for as long as a node may be silent; who goes down again takes as long, so
// nobody can keep it waiting for ever.
func returning(state *fsm.State, policy *v1.Policy, now time.Time) bool {
	window, back, away := returnWindow(policy), 0, 0
	for _, n := range state.Nodes() {
		switch {
		case n.GetState() == v1.NodeState_NODE_STATE_DOWN:
			away++
		case n.GetReturnedAt() != nil && now.Before(n.GetReturnedAt().AsTime().Add(window)):
			back++
		}
	}
	return back >= crowd || back > 0 && away > 0 && state.Hold() != nil
}
