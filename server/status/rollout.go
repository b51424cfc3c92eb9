package status

import (
	"fmt"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/fsm/placement"
	"roster/fsm/rollout"
)

// Rollout is the operator's last order, and how far it is. It follows from the
// state, so every member tells the same.
func Rollout(in Input) *v1.Rollout {
	state, top := in.State, in.effective()
	order := state.RolloutOrder()
	if !order.GetOpen() || top == nil {
		return rolloutOf(in, nil, nil)
	}
	if written := state.Time(); written.After(in.Now) {
		in.Now = written
	}
	target, err := placement.Place(in.placementView())
	if err != nil {
		return rolloutOf(in, nil, []string{"nothing can be placed: " + err.Error()})
	}
	return rolloutOf(in, target, rollout.Next(in.rolloutView(target)).Waiting)
}

// rolloutOf is Rollout for a caller that has placed the state already.
func rolloutOf(in Input, target *placement.Target, waiting []string) *v1.Rollout {
	order := in.State.RolloutOrder()
	r := &v1.Rollout{State: rolloutState(order), Revision: in.State.Topology().GetRevision(), Order: order.GetOrder()}
	r.WalkedBack = walkedBack(in)
	if !order.GetOpen() {
		return r
	}
	r.FromRevision, r.Pause, r.Canary, r.AcceptGap = order.GetFromRevision(), order.GetPause(), order.GetCanary(), order.GetAcceptGap()
	r.Waiting = waiting
	if target != nil {
		r.Starts, r.Stops = movesLeft(in.effective(), in.State.Nodes(), target)
	}
	return r
}

func rolloutState(order *storev1.RolloutOrder) v1.RolloutState {
	switch {
	case order.GetOrder() == 0:
		return v1.RolloutState_ROLLOUT_STATE_UNSPECIFIED
	case !order.GetOpen():
		return v1.RolloutState_ROLLOUT_STATE_DONE
	case order.GetPause() != nil:
		return v1.RolloutState_ROLLOUT_STATE_PAUSED
	case order.GetAborting():
		return v1.RolloutState_ROLLOUT_STATE_ABORTING
	case order.GetCanary() != nil:
		return v1.RolloutState_ROLLOUT_STATE_CANARY
	default:
		return v1.RolloutState_ROLLOUT_STATE_RUNNING
	}
}

// movesLeft counts what is still to be started and stopped where the nodes live,
// also what is held back for now: the plan of a rollout that waits is empty. A
// plan would be run forward for that at every look, and counts the same.
func movesLeft(top *v1.Topology, nodes []*v1.Node, target *placement.Target) (starts, stops uint32) {
	wanted, loaned := target.Wanted(top), target.Loaned()
	for _, n := range nodes {
		if isDown(n) {
			continue
		}
		seats, loans := wanted[n.GetId()], loaned[n.GetId()]
		missing := len(seats)
		for service := range loans {
			if seats[service] == "" {
				missing++
			}
		}
		for _, a := range n.GetAssignments() {
			if seats[a.GetService()] == "" && loans[a.GetService()] == "" {
				stops++
			} else {
				missing--
			}
		}
		starts += uint32(missing) //nolint:gosec // a node has few services
	}
	return starts, stops
}

// CanaryFailed says that those that went first are not well, and that the operator has to say
// what becomes of it.
func CanaryFailed(r *v1.Rollout) bool {
	return r.GetPause() != nil && (r.GetCanary().GetFailure() != "" || r.GetPause().GetBy() == "")
}

// mayAbort: there is something to walk back to.
func (t *teller) mayAbort() bool {
	r := t.s.GetRollout()
	return !t.f.aborting && r.GetFromRevision() != 0 && r.GetFromRevision() != r.GetRevision()
}

// paused says that a rollout waits for the operator, and why.
func (t *teller) paused() {
	if p := t.s.GetRollout().GetPause(); p != nil {
		t.say("The rollout of revision %d is paused since %s%s. Repair goes on.", t.s.GetRollout().GetRevision(), clock(t.in.Now, p.GetTime()), by(p.GetBy(), p.GetReason()))
	}
}

// rollsOut says what a rollout that goes on waits for, beside its moves.
func (t *teller) rollsOut() {
	r := t.s.GetRollout()
	if r.GetState() == v1.RolloutState_ROLLOUT_STATE_ABORTING {
		t.say("The rollout is walked back, to what revision %d says and to the seats that it began with.", r.GetRevision())
	}
	c := r.GetCanary()
	if c == nil || r.GetPause() != nil {
		return
	}
	if len(c.GetNodes()) == 0 {
		t.say("Revision %d is tried on a few nodes of each pool first.", r.GetRevision())
		return
	}
	first := fmt.Sprintf("Revision %d is tried on %s first", r.GetRevision(), list(c.GetNodes()))
	if until := c.GetUntil(); until != nil {
		t.say("%s: the rest follows at %s, if %s well.", first, ahead(t.in.Now, until), plural(len(c.GetNodes()), "it stays", "they stay"))
		return
	}
	t.say("%s: the rest follows once %s been well for %s.", first, plural(len(c.GetNodes()), "it has", "they have"), span(t.f.policy.GetRollout().GetBake().AsDuration()))
}

// steer says how a rollout that waits goes on, or back.
func (t *teller) steer() {
	if t.s.GetRollout().GetPause() == nil {
		return
	}
	if t.mayAbort() {
		t.say("`roster rollout resume` lets the rollout go on; `roster rollout abort` walks it back to revision %d.", t.s.GetRollout().GetFromRevision())
		return
	}
	t.say("`roster rollout resume` lets the rollout go on.")
}

// placementView is what the leader's loop places from.
func (in Input) placementView() placement.View {
	view := fsm.Placement(in.State, in.State.Effective(), in.Now)
	if own := in.effective(); own != in.State.Effective() {
		view.Topology = own
	}
	return view
}

// rolloutView is what the leader's loop decides the next step from, but for who
// is heard.
func (in Input) rolloutView(target *placement.Target) rollout.View {
	view := fsm.Rollout(in.State, in.State.Effective(), target, in.Now, nil)
	view.Topology = in.effective()
	return view
}
