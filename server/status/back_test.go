package status

import (
	"strings"
	"testing"
	"testing/synctest"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

const (
	reverting = `name: wider
pools:
  - {name: imap, services: [imap], count: 3}
services:
  - {name: imap, floor: 2}
policy: {rollout: {canary: 1, bake: 5m, on_fail: revert}}
`
	wentBack = "The canary of revision 2 failed: imap on n-3 fails. Roster went back to what revision 1 says, as revision 3."
)

func TestThatACanarySentRosterBackIsSaidWhileThatRevisionIsTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := rolling(t, reverting)
		log.Move("n-3", v1.Action_ACTION_START, "imap", "test", "imap")
		judged(log, &storev1.SettleCanary{Failure: "imap on n-3 fails"})
		said := func(when string, want bool) {
			t.Helper()
			s := of(log.Machine.State())
			if got := strings.Contains(strings.Join(s.GetSentences(), "\n"), wentBack); got != want {
				t.Errorf("%s: said %t in %q", when, got, s.GetSentences())
			}
			if got := Rollout(Input{State: log.Machine.State(), Now: log.Machine.State().Time()}).GetWalkedBack() == wentBack; got != want {
				t.Errorf("%s: said of the rollout %t", when, got)
			}
		}
		said("on the way back", true)
		settleOrder(log)
		if s := of(log.Machine.State()); s.GetRollout().GetState() != v1.RolloutState_ROLLOUT_STATE_DONE {
			t.Fatalf("%v", s.GetRollout())
		}
		said("back", true)
		log.Apply(strings.Split(wider, "policy")[0])
		said("another topology", false)
	})
}

func TestAnOperatorsWayBackIsNotRosters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := rolling(t, wider)
		log.Move("n-3", v1.Action_ACTION_START, "imap", "test", "imap")
		judged(log, &storev1.SettleCanary{Failure: "imap on n-3 fails"})
		log.Must(&storev1.Command{Command: &storev1.Command_AbortRollout{AbortRollout: &storev1.AbortRollout{}}})
		settleOrder(log)
		if s := of(log.Machine.State()); s.GetRollout().GetWalkedBack() != "" || strings.Contains(strings.Join(s.GetSentences(), "\n"), "went back") {
			t.Errorf("%v", s.GetSentences())
		}
	})
}

// Events are kept for a while only; who wrote the revision is kept with it.
func TestWhoWentBackIsKnownWithoutTheEvent(t *testing.T) {
	for author, want := range map[string]bool{"roster://mail/member/m-1": true, "roster://mail/user/ann": false, "roster://mail/agent/n-1": false, "": false} {
		if got := ownDoing(author); got != want {
			t.Errorf("%q: %t", author, got)
		}
	}
}
