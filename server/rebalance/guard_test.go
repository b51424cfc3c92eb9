package rebalance

import (
	"slices"
	"testing"
	"time"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

func (w *world) holds() bool { return w.Machine.State().Hold() != nil }

func TestAllAgentsCutOffForLongMoveNothingAndNeitherDoesTheirReturn(t *testing.T) {
	for _, name := range []string{"unified", "service-specific", "weighted", "paired", "geographic", "mixed"} {
		t.Run(name, func(t *testing.T) {
			inEachLead(t, example(t, name), func(w *world, change func()) {
				before, moves := w.sets(), len(w.history)
				w.cut(w.all()...)
				w.run(20 * time.Second)
				if !w.holds() {
					t.Error("all nodes are silent, and Roster does not hold")
				}
				change()
				w.run(40 * time.Second) // down_after is 10 s
				// One after the other, as their pauses end.
				for _, id := range w.all() {
					w.restore(id)
					w.run(400 * time.Millisecond)
					if id == "node-3" {
						change()
					}
				}
				w.run(10 * time.Minute)
				if len(w.history) != moves || w.sets() != before {
					t.Errorf("moved:\n%s", tell(w.history[moves:]))
				}
				if w.holds() {
					t.Error("all nodes are heard, and Roster holds on")
				}
			})
		})
	}
}

// The guard judges in the very command that marks the first of them down: in
// the next pass the moves would be under way.
func TestTheGuardActsInThePassThatMarksNodesDown(t *testing.T) {
	inWorld(t, spare, func(w *world) {
		before := len(w.Commands())
		w.cut("node-1", "node-3", "node-5", "node-7", "node-9")
		w.run(20 * time.Second)
		for _, c := range w.Commands()[before:] {
			states := c.GetSetNodeStates()
			if !slices.ContainsFunc(states.GetChanges(), func(s *storev1.NodeStateChange) bool { return s.GetState() == isDown }) {
				continue
			}
			if states.GetHold().GetHold().GetSilentCount() != 5 {
				t.Errorf("the first command that marks nodes down says of the hold: %v", states.GetHold())
			}
			return
		}
		t.Fatal("nothing was marked down")
	})
}

func TestFourOfTenAcrossRegionsHoldAllButFloorsUntilTheyAreHeard(t *testing.T) {
	inEachLead(t, spare, func(w *world, change func()) {
		silent := []string{"node-1", "node-2", "node-4", "node-7"}
		moves := len(w.history)
		w.cut(silent...)
		w.must("it holds", time.Minute, w.holds)
		change()
		w.run(5 * time.Minute)
		for _, h := range w.history[moves:] {
			if m := h.move; m.GetAction() != v1.Action_ACTION_START || m.GetCause() != v1.Cause_CAUSE_REPAIR {
				t.Errorf("while it holds: %s", tell([]happened{h}))
			}
		}
		if n := w.count(moves, v1.Action_ACTION_START, nil); n > 2 {
			t.Errorf("%d starts while it holds; the floors lack less\n%s", n, tell(w.history[moves:]))
		}
		hold := w.Machine.State().Hold()
		if hold.GetSilentCount() != 4 || hold.GetRegistered() != 10 || hold.GetReason() == "" {
			t.Errorf("hold: %v", hold)
		}
		// 4 of 10, then 2 of 10: above half of 30 %. Then 1.
		w.restore("node-1", "node-2")
		w.run(30 * time.Second)
		if !w.holds() {
			t.Error("two of ten are silent: more than half of hold_above, and the hold is over")
		}
		w.restore("node-4")
		w.must("the hold ends", time.Minute, func() bool { return !w.holds() })
		w.restore("node-7")
		w.run(2 * time.Hour)
		w.quiet("all is in its place", time.Hour)
		if loans := w.borrowed(); len(loans) > 0 {
			t.Errorf("still borrowed: %v", loans)
		}
	})
}

func TestAHoldThatLastsBecomesSlowByItself(t *testing.T) {
	inEachLead(t, spare, func(w *world, change func()) {
		w.cut("node-1", "node-2", "node-4", "node-5", "node-7")
		w.must("it holds", time.Minute, w.holds)
		w.run(14 * time.Minute)
		if w.Machine.State().Hold().GetSlow() {
			t.Error("slow before hold_max")
		}
		change()
		w.must("it is slow", 2*time.Minute, func() bool { return w.Machine.State().Hold().GetSlow() })
		w.must("pools are repaired", 10*time.Minute, func() bool { return w.answering()["webdav"] >= 3 && w.answering()["imap"] >= 3 })
	})
}

func TestTheOperatorEndsAHold(t *testing.T) {
	inEachLead(t, spare, func(w *world, change func()) {
		w.kill("node-1", "node-2", "node-4", "node-7")
		w.must("it holds", time.Minute, w.holds)
		w.Must(&storev1.Command{Command: &storev1.Command_OverrideHold{OverrideHold: &storev1.OverrideHold{Reason: "they burn"}}})
		change()
		w.run(20 * time.Second)
		if w.holds() {
			t.Error("it holds against the operator's word")
		}
		w.must("pools are repaired", 10*time.Minute, func() bool { return w.answering()["webdav"] >= 3 && w.answering()["imap"] >= 3 })
	})
}

func TestAWholeZoneOrRegionIsNoReasonToHold(t *testing.T) {
	for what, lost := range map[string][]string{
		"zone c1":  {"node-7", "node-8"},
		"region a": {"node-1", "node-2", "node-3"},
		"region c": {"node-7", "node-8", "node-9", "node-10"},
	} {
		t.Run(what, func(t *testing.T) {
			for _, name := range []string{"unified", "service-specific", "paired", "geographic", "mixed"} {
				t.Run(name, func(t *testing.T) {
					inEachLead(t, example(t, name), func(w *world, change func()) {
						before := w.sets()
						w.kill(lost...)
						w.run(6 * time.Second)
						change()
						w.must("they are down", time.Minute, func() bool { return w.state(lost[len(lost)-1]) == isDown })
						w.must("every floor is kept", 10*time.Second, w.whole)
						if w.holds() {
							t.Errorf("it holds: %v", w.Machine.State().Hold())
						}
						w.run(time.Minute)
						change()
						w.restore(lost...)
						w.must("all is as it was", 10*time.Minute, func() bool { return w.sets() == before })
						w.quiet("all is as it was", time.Hour)
					})
				})
			}
		})
	}
}

func TestSessionsThatBreakAloneAreNoReasonToHold(t *testing.T) {
	inWorld(t, spare, func(w *world) {
		w.cut("node-10")
		w.run(9 * time.Second)
		// A member dies with its sessions: the agents come back in a moment.
		for _, id := range []string{"node-1", "node-3", "node-4", "node-6", "node-8"} {
			w.view.Ended("m1", id)
			w.cut(id)
		}
		w.run(2 * time.Second) // node-10 is marked down meanwhile
		if w.state("node-10") != isDown {
			t.Fatal("node-10 is not down: the test shows nothing")
		}
		if w.holds() {
			t.Errorf("broken sessions count as silence: %v", w.Machine.State().Hold())
		}
	})
}
