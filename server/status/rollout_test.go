package status

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/server/internal/fixture"
)

const wider = `name: wider
pools:
  - {name: imap, services: [imap], count: 3}
services:
  - {name: imap, floor: 2}
policy: {rollout: {canary: 1, bake: 5m}}
`

// rolling is a cluster that serves, and was told to serve more.
func rolling(t *testing.T, file string) *fixture.Log {
	log := serving(t)
	log.Register("n-3", "imap")
	settleOrder(log)
	log.Apply(file)
	return log
}

func settleOrder(log *fixture.Log) {
	state := log.Machine.State()
	log.Must(&storev1.Command{Command: &storev1.Command_SettleRollout{SettleRollout: &storev1.SettleRollout{
		Revision: state.Topology().GetRevision(), Order: state.RolloutOrder().GetOrder(),
	}}})
}

func pause(log *fixture.Log, reason string) {
	log.Must(&storev1.Command{Command: &storev1.Command_PauseRollout{PauseRollout: &storev1.PauseRollout{Paused: true, Reason: reason}}})
}

func judged(log *fixture.Log, c *storev1.SettleCanary) {
	c.Revision, c.Order = log.Machine.State().Topology().GetRevision(), log.Machine.State().RolloutOrder().GetOrder()
	log.Must(&storev1.Command{Command: &storev1.Command_SettleCanary{SettleCanary: c}})
}

func says(t *testing.T, s *v1.Status, sentences ...string) {
	t.Helper()
	for _, want := range sentences {
		if !slices.ContainsFunc(s.GetSentences(), func(got string) bool { return strings.HasPrefix(got, want) }) {
			t.Errorf("no sentence begins with %q:\n%s", want, strings.Join(s.GetSentences(), "\n"))
		}
	}
}

func TestAPausedRolloutIsSaidAndIsNoLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := rolling(t, strings.Split(wider, "policy")[0])
		if s := of(log.Machine.State()); s.GetState() != ok || s.GetRollout().GetState() != v1.RolloutState_ROLLOUT_STATE_RUNNING || s.GetRollout().GetStarts() != 1 {
			t.Errorf("it runs: %v, %v", s.GetState(), s.GetRollout())
		}
		pause(log, "looking")
		s := of(log.Machine.State())
		if s.GetState() != ok || s.GetSettled() || s.GetRollout().GetState() != v1.RolloutState_ROLLOUT_STATE_PAUSED {
			t.Errorf("paused: %v, settled %t, %v", s.GetState(), s.GetSettled(), s.GetRollout())
		}
		says(t, s, "The rollout of revision 2 is paused since 00:00:00 UTC by ann: looking. Repair goes on.",
			"`roster rollout resume` lets the rollout go on; `roster rollout abort` walks it back to revision 1.")
		if !strings.HasPrefix(s.GetSentences()[0], "The rollout of") {
			t.Errorf("what keeps Roster from acting comes first: %v", s.GetSentences())
		}
	})
}

func TestACanaryIsSaidFromItsFirstMoveToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := rolling(t, wider)
		s := of(log.Machine.State())
		if s.GetRollout().GetState() != v1.RolloutState_ROLLOUT_STATE_CANARY {
			t.Errorf("%v", s.GetRollout())
		}
		says(t, s, "Revision 2 is tried on a few nodes of each pool first.")
		log.Move("n-3", v1.Action_ACTION_START, "imap", "test", "imap")
		says(t, of(log.Machine.State()), "Revision 2 is tried on n-3 first: the rest follows once it has been well for 5m.")
		log.Obey("n-3")
		judged(log, &storev1.SettleCanary{WellSince: log.Machine.State().Node("n-3").GetStateSince()})
		says(t, of(log.Machine.State()), "Revision 2 is tried on n-3 first: the rest follows at 00:05:00 UTC, in 5m, if it stays well.")
		judged(log, &storev1.SettleCanary{Passed: true})
		if s := of(log.Machine.State()); s.GetState() != ok || strings.Contains(fmt.Sprint(s.GetSentences()), "tried") {
			t.Errorf("it is over: %v", s.GetSentences())
		}
	})
}

func TestAFailedCanaryIsALossAndSaysWhatToType(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := rolling(t, wider)
		log.Move("n-3", v1.Action_ACTION_START, "imap", "test", "imap")
		judged(log, &storev1.SettleCanary{Failure: "imap on n-3 fails"})
		s := of(log.Machine.State())
		if s.GetState() != degraded || s.GetRollout().GetCanary().GetFailure() == "" || !CanaryFailed(s.GetRollout()) {
			t.Errorf("%v, %v", s.GetState(), s.GetRollout())
		}
		says(t, s, "The rollout of revision 2 is paused since 00:00:00 UTC: the canary failed: imap on n-3 fails. Repair goes on.", "`roster rollout resume`")
		log.Must(&storev1.Command{Command: &storev1.Command_AbortRollout{AbortRollout: &storev1.AbortRollout{}}})
		s = of(log.Machine.State())
		if s.GetState() != ok || s.GetRollout().GetState() != v1.RolloutState_ROLLOUT_STATE_ABORTING {
			t.Errorf("walked back: %v, %v", s.GetState(), s.GetRollout())
		}
		says(t, s, "The rollout is walked back, to what revision 3 says and to the seats that it began with.")
	})
}

// What an abort would go back to is named only where there is something.
func TestTheFirstRolloutCannotBeWalkedBack(t *testing.T) {
	log := fixture.New(t)
	log.Register("n-1", "imap")
	log.Apply("name: first\npools:\n  - {name: imap, services: [imap], count: 1}\n")
	pause(log, "wait")
	s := of(log.Machine.State())
	says(t, s, "`roster rollout resume` lets the rollout go on.")
	if strings.Contains(fmt.Sprint(s.GetSentences()), "roster rollout abort") {
		t.Errorf("%v", s.GetSentences())
	}
}

func TestWhatIsPromisedAndNotTrueIsSaid(t *testing.T) {
	log := serving(t)
	survival := &v1.Survival{AnyNode: false, Unkept: []string{"survives.nodes is 1: without n-1, imap is never above 1 of 2."}}
	s := Compute(Input{State: log.Machine.State(), Now: time.Now(), Leader: "m1", AnsweredBy: "m1", Survival: survival})
	says(t, s, "Promised under survives, and not true: survives.nodes is 1: without n-1")
	if s.GetSurvival() != survival || s.GetTopology().GetModel() == "" {
		t.Errorf("%v, %v", s.GetSurvival(), s.GetTopology())
	}
}
