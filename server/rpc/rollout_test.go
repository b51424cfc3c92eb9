package rpc

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	v1 "roster/proto/roster/v1"
)

const (
	before = "name: before\npools:\n  - {name: imap, services: [imap], count: 2}\n  - {name: jmap, services: [jmap], count: 2}\n"
	after  = "name: after\npools:\n  - {name: imap, services: [imap], count: 1}\n  - {name: jmap, services: [jmap], count: 3}\n"
)

// halfway is a cluster that serves one topology, and was just told another.
func halfway(t *testing.T) *live {
	t.Helper()
	l := serve(t)
	for _, id := range []string{"n-1", "n-2", "n-3", "n-4"} {
		l.log.Register(id, "imap", "jmap")
	}
	l.log.Apply(before)
	l.serves("imap", "imap", "n-1", "n-2")
	l.serves("jmap", "jmap", "n-3", "n-4")
	l.settle()
	if got := l.rollout(); got.GetState() != v1.RolloutState_ROLLOUT_STATE_DONE || got.GetStarts()+got.GetStops() != 0 {
		t.Fatalf("carried out, and yet %v", got)
	}
	l.log.Apply(after)
	return l
}

func (l *live) rollout() *v1.Rollout {
	l.t.Helper()
	answer, err := l.rollouts().GetRollout(l.t.Context(), &v1.GetRolloutRequest{})
	l.must(err)
	if answer.GetIndex() != l.log.Machine.State().Index() {
		l.t.Errorf("of index %d", answer.GetIndex())
	}
	return answer.GetRollout()
}

func TestARolloutIsPausedAndGoesOnAndEachOnceForARequest(t *testing.T) {
	l := halfway(t)
	got := l.rollout()
	if got.GetState() != v1.RolloutState_ROLLOUT_STATE_RUNNING || got.GetRevision() != 2 || got.GetFromRevision() != 1 || got.GetStarts() != 1 || got.GetStops() != 1 {
		t.Fatalf("it runs: %v", got)
	}
	pause := l.RequestID()
	first, err := l.rollouts().PauseRollout(t.Context(), &v1.PauseRolloutRequest{RequestId: pause, Reason: "looking"})
	l.must(err)
	again, err := l.rollouts().PauseRollout(t.Context(), &v1.PauseRolloutRequest{RequestId: pause, Reason: "looking"})
	if err != nil || again.GetIndex() != first.GetIndex() {
		t.Errorf("sent again: %v, %v; it was %v", again, err, first)
	}
	got = l.rollout()
	if got.GetState() != v1.RolloutState_ROLLOUT_STATE_PAUSED || got.GetPause().GetReason() != "looking" || got.GetPause().GetBy() == "" || got.GetPause().GetTime() == nil {
		t.Errorf("paused: %v", got)
	}
	if got.GetStarts() != 1 || got.GetStops() != 1 || !strings.Contains(strings.Join(got.GetWaiting(), "\n"), "the rollout is paused by") {
		t.Errorf("what is left, and what it waits for: %v", got)
	}
	_, err = l.rollouts().ResumeRollout(t.Context(), &v1.ResumeRolloutRequest{RequestId: l.RequestID()})
	l.must(err)
	if got := l.rollout(); got.GetState() != v1.RolloutState_ROLLOUT_STATE_RUNNING || got.GetPause() != nil {
		t.Errorf("it goes on: %v", got)
	}
	_, err = l.rollouts().ResumeRollout(t.Context(), &v1.ResumeRolloutRequest{RequestId: l.RequestID()})
	l.refuse(err, want{codes.FailedPrecondition, "NOT_PAUSED", "roster rollout status"})
	// The pause of long ago, sent once more, pauses nothing.
	again, err = l.rollouts().PauseRollout(t.Context(), &v1.PauseRolloutRequest{RequestId: pause, Reason: "looking"})
	if got := l.rollout(); err != nil || again.GetIndex() != first.GetIndex() || got.GetPause() != nil {
		t.Errorf("sent again after it went on: %v, %v, %v", again, err, got)
	}
}

func TestAnAbortIsANewRevisionOfWhatWasBeforeAndOneOnly(t *testing.T) {
	l := halfway(t)
	abort := l.RequestID()
	done, err := l.rollouts().AbortRollout(t.Context(), &v1.AbortRolloutRequest{RequestId: abort, Reason: "wrong"})
	l.must(err)
	state := l.log.Machine.State()
	if done.GetRevision() != 3 || state.Topology().GetRevision() != 3 || state.Topology().GetRollbackOf() != 1 || string(state.Topology().GetSource()) != before {
		t.Errorf("aborted: %v, in force is %v", done, state.Topology())
	}
	if got := l.rollout(); got.GetState() != v1.RolloutState_ROLLOUT_STATE_ABORTING || got.GetFromRevision() != 1 || got.GetStarts() != 0 {
		t.Errorf("it walks back: %v", got)
	}
	again, err := l.rollouts().AbortRollout(t.Context(), &v1.AbortRolloutRequest{RequestId: abort, Reason: "wrong"})
	if err != nil || again.GetRevision() != 3 || again.GetIndex() != done.GetIndex() {
		t.Errorf("sent again: %v, %v; it was %v", again, err, done)
	}
	_, err = l.rollouts().AbortRollout(t.Context(), &v1.AbortRolloutRequest{RequestId: l.RequestID()})
	l.refuse(err, want{codes.FailedPrecondition, "ABORTING", "already"})
}

func TestWithoutARolloutThereIsNothingToSteer(t *testing.T) {
	l := serve(t)
	check := func(reason string) {
		t.Helper()
		_, err := l.rollouts().PauseRollout(t.Context(), &v1.PauseRolloutRequest{RequestId: l.RequestID()})
		l.refuse(err, want{codes.FailedPrecondition, reason, "roster freeze"})
		_, err = l.rollouts().ResumeRollout(t.Context(), &v1.ResumeRolloutRequest{RequestId: l.RequestID()})
		l.refuse(err, want{codes.FailedPrecondition, reason, "no rollout"})
		_, err = l.rollouts().AbortRollout(t.Context(), &v1.AbortRolloutRequest{RequestId: l.RequestID()})
		l.refuse(err, want{codes.FailedPrecondition, reason, "roster topology rollback"})
		_, err = l.rollouts().AbortRollout(t.Context(), &v1.AbortRolloutRequest{})
		l.refuse(err, want{codes.InvalidArgument, "INVALID", "request_id"})
	}
	if got := l.rollout(); got.GetState() != v1.RolloutState_ROLLOUT_STATE_UNSPECIFIED {
		t.Errorf("nothing was ever ordered: %v", got)
	}
	check("NO_ROLLOUT")
	l.log.Register("n-1", "imap")
	l.log.Apply("name: one\npools:\n  - {name: imap, services: [imap], count: 1}\n")
	_, err := l.rollouts().AbortRollout(t.Context(), &v1.AbortRolloutRequest{RequestId: l.RequestID()})
	l.refuse(err, want{codes.FailedPrecondition, "NOTHING_BEFORE", "nothing to go back to"})
	l.serves("imap", "imap", "n-1")
	l.settle()
	check("NO_ROLLOUT")
}

// What is left is what a plan of the topology in force has, step by step.
func TestTheMovesThatAreLeftAreThoseOfThePlan(t *testing.T) {
	l := halfway(t)
	check := func(what string) {
		t.Helper()
		plan, err := l.topologies().PlanTopology(t.Context(), &v1.PlanTopologyRequest{})
		l.must(err)
		got, summary := l.rollout(), plan.GetPlan().GetSummary()
		if got.GetStarts() != summary.GetStarts() || got.GetStops() != summary.GetStops() {
			t.Errorf("%s: %d starts and %d stops are left, the plan has %v", what, got.GetStarts(), got.GetStops(), summary)
		}
	}
	check("at first")
	var moved string
	for _, w := range l.plan().GetWaves() {
		for _, m := range w.GetMoves() {
			if m.GetAction() == v1.Action_ACTION_DRAIN && moved == "" {
				moved = m.GetNode()
			}
		}
	}
	l.log.Move(moved, v1.Action_ACTION_DRAIN, "imap", "test", "imap")
	check("while it drains")
	l.log.Obey(moved)
	l.log.Move(moved, v1.Action_ACTION_STOP, "imap", "test", "imap")
	check("when it was stopped")
	l.log.Move(moved, v1.Action_ACTION_START, "jmap", "test", "jmap")
	check("when it starts")
	l.log.Obey(moved)
	check("at last")
}
