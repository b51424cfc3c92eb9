package rebalance

import (
	"fmt"
	"slices"
	"testing"
	"time"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm/rollout"
)

func (w *world) pause(paused bool) {
	w.t.Helper()
	w.Must(&storev1.Command{Command: &storev1.Command_PauseRollout{PauseRollout: &storev1.PauseRollout{Paused: paused, Reason: "looking"}}})
}

func (w *world) order() *storev1.RolloutOrder { return w.Machine.State().RolloutOrder() }

func (w *world) seats() string {
	w.t.Helper()
	var all []string
	for _, n := range w.Machine.State().Nodes() {
		for _, a := range n.GetAssignments() {
			if a.GetWanted() == v1.Wanted_WANTED_SERVING && !a.GetBorrowed() {
				all = append(all, a.GetPool()+" "+n.GetId()+" "+a.GetService())
			}
		}
	}
	slices.Sort(all)
	return fmt.Sprint(all)
}

// moved says whether something moved since a point in the history.
func (w *world) moved(since int) func() bool {
	return func() bool { return len(w.history) > since }
}

func TestAPausedRolloutWaitsUnderEveryLeaderAndItsOrderStaysOpen(t *testing.T) {
	inEachLead(t, example(t, "service-specific"), func(w *world, change func()) {
		since := len(w.history)
		w.Apply(example(t, "weighted"))
		w.must("it began", time.Minute, w.moved(since))
		w.pause(true)
		w.run(5 * time.Minute) // what was begun is finished
		change()
		w.quiet("it is paused", 10*time.Minute)
		if o := w.order(); !o.GetOpen() || o.GetPause().GetReason() != "looking" {
			t.Errorf("the order: %v", o)
		}
		w.pause(false)
		change()
		w.must("it is carried out", time.Hour, func() bool { return !w.order().GetOpen() })
		if !w.whole() {
			t.Error(w.story())
		}
	})
}

func TestRepairGoesOnWhileARolloutIsPaused(t *testing.T) {
	inEachLead(t, example(t, "service-specific"), func(w *world, change func()) {
		w.Apply(example(t, "paired"))
		w.pause(true)
		w.run(5 * time.Minute)
		w.kill(carriers(w)...)
		change()
		w.must("webdav is borrowed", 2*time.Minute, w.whole)
		if w.order().GetPause() == nil {
			t.Error("it goes on")
		}
	})
}

func TestAnAbortEndsInTheSeatsOfTheStart(t *testing.T) {
	for _, c := range [][2]string{{"service-specific", "weighted"}, {"paired", "unified"}, {"geographic", "service-specific"}} {
		t.Run(c[0]+" to "+c[1], func(t *testing.T) {
			inEachLead(t, example(t, c[0]), func(w *world, change func()) {
				w.must("the first is carried out", time.Hour, func() bool { return !w.order().GetOpen() })
				start, since := w.seats(), len(w.history)
				w.Apply(example(t, c[1]))
				w.must("it began", time.Minute, w.moved(since+1))
				w.run(2 * time.Second)
				w.Must(&storev1.Command{Command: &storev1.Command_AbortRollout{AbortRollout: &storev1.AbortRollout{Reason: "wrong"}}})
				w.run(time.Second)
				change()
				w.must("it has walked back", time.Hour, func() bool { return !w.order().GetOpen() })
				if got := w.seats(); got != start {
					t.Errorf("the seats are\n%s\nand were\n%s\n%s", got, start, w.story())
				}
				w.quiet("it has walked back", 10*time.Minute)
			})
		})
	}
}

const tried = `name: tried
pools:
  - {name: imap, services: [imap], count: 4}
  - {name: jmap, services: [jmap], count: 4}
  - {name: rest, services: [webdav, smtp], count: 2}
policy: {rollout: {canary: 1, bake: 5m, on_fail: %s}}
`

// swapped is tried, with four more services to start.
const swapped = `name: swapped
pools:
  - {name: imap, services: [imap, webdav], count: 4}
  - {name: jmap, services: [jmap, webdav], count: 4}
  - {name: rest, services: [webdav, smtp], count: 2}
policy: {rollout: {canary: 1, bake: 5m, on_fail: %s}}
`

func (w *world) starts(since int) map[string]bool {
	nodes := map[string]bool{}
	for _, m := range w.made(since) {
		if m.GetAction() == v1.Action_ACTION_START {
			nodes[m.GetNode()] = true
		}
	}
	return nodes
}

func TestTheRestFollowsACanaryThatWasWellForLongEnough(t *testing.T) {
	inEachLead(t, fmt.Sprintf(tried, "pause"), func(w *world, change func()) {
		w.must("the first is carried out", time.Hour, func() bool { return !w.order().GetOpen() })
		since := len(w.history)
		w.Apply(fmt.Sprintf(swapped, "pause"))
		w.must("the first nodes are well", 2*time.Minute, func() bool { return w.order().GetCanary().GetWellSince() != nil })
		if got := w.starts(since); len(got) != 2 {
			t.Errorf("%v go first", got)
		}
		well := w.order().GetCanary().GetWellSince().AsTime()
		change()
		w.quiet("the canary is watched", 4*time.Minute)
		w.must("the rest follows", 3*time.Minute, func() bool { return len(w.starts(since)) > 2 })
		if early := w.now().Sub(well); early < 5*time.Minute {
			t.Errorf("the rest follows %s after the canary was well", early)
		}
		change()
		w.must("all is carried out", time.Hour, func() bool { return !w.order().GetOpen() })
		if got := len(w.serving("webdav")); got != 10 {
			t.Errorf("webdav is wanted on %d nodes", got)
		}
	})
}

// A canary that is all that there is to be done has to prove itself all the same.
func TestAnOrderIsNotCarriedOutBeforeItsCanaryWasWell(t *testing.T) {
	inEachLead(t, fmt.Sprintf(tried, "pause"), func(w *world, change func()) {
		w.must("the first is carried out", time.Hour, func() bool { return !w.order().GetOpen() })
		since, commands := len(w.history), len(w.Commands())
		one := "name: one\npools:\n  - {name: imap, services: [imap], count: 4}\n  - {name: jmap, services: [jmap], count: 4}\n  - {name: rest, services: [webdav, smtp], count: 1}\n" +
			"  - {name: more, services: [webdav, smtp, imap], count: 1}\npolicy: {rollout: {canary: 1, bake: 5m}}\n"
		w.Apply(one)
		w.must("it is moved", 2*time.Minute, w.moved(since))
		w.run(time.Minute)
		change()
		w.quiet("nothing is left to do", 3*time.Minute)
		if o := w.order(); !o.GetOpen() || o.GetCanary() == nil {
			t.Errorf("the order: %v", o)
		}
		for _, c := range w.Commands()[commands:] {
			if c.GetSettleRollout() != nil {
				t.Error("it is proposed to close the order")
			}
		}
		w.must("it is carried out", 10*time.Minute, func() bool { return !w.order().GetOpen() })
	})
}

func TestACanaryThatFailsPausesTheRollout(t *testing.T) {
	inEachLead(t, fmt.Sprintf(tried, "pause"), func(w *world, change func()) {
		w.must("the first is carried out", time.Hour, func() bool { return !w.order().GetOpen() })
		since := len(w.history)
		for _, h := range w.hosts {
			h.broken["webdav"] = len(h.services) == 1
		}
		w.Apply(fmt.Sprintf(swapped, "pause"))
		change()
		w.must("it is paused", 10*time.Minute, func() bool { return w.order().GetPause() != nil })
		o := w.order()
		if o.GetPause().GetBy() != "" || o.GetCanary().GetFailure() == "" || !o.GetOpen() {
			t.Errorf("the order: %v", o)
		}
		change()
		w.run(10 * time.Minute)
		if got := w.starts(since); len(got) > 2 {
			t.Errorf("%v were started", got)
		}
		// Mended, and resumed: it proves itself anew.
		for _, h := range w.hosts {
			h.broken["webdav"] = false
		}
		w.run(5 * time.Second)
		w.pause(false)
		change()
		w.must("it is carried out", time.Hour, func() bool { return !w.order().GetOpen() })
		if got := len(w.serving("webdav")); got != 10 {
			t.Errorf("webdav is wanted on %d nodes", got)
		}
	})
}

func TestACanaryThatFailsWalksTheRolloutBackWherePolicySaysSo(t *testing.T) {
	inEachLead(t, fmt.Sprintf(tried, "revert"), func(w *world, change func()) {
		w.must("the first is carried out", time.Hour, func() bool { return !w.order().GetOpen() })
		start := w.seats()
		for _, h := range w.hosts {
			h.broken["webdav"] = len(h.services) == 1
		}
		w.Apply(fmt.Sprintf(swapped, "revert"))
		w.must("it is walked back", 10*time.Minute, func() bool { return w.Machine.State().Topology().GetRollbackOf() != 0 })
		change()
		// What does not even start is given its time before it is stopped.
		w.must("it has walked back", time.Hour, func() bool { return !w.order().GetOpen() })
		if got := w.seats(); got != start {
			t.Errorf("the seats are\n%s\nand were\n%s", got, start)
		}
	})
}

const everyZone = `name: zones
pools:
  - {name: imap, services: [imap], count: 5, spread: [zone]}
  - {name: jmap, services: [jmap, webdav, smtp], count: 5}
services:
  - {name: imap, floor: 1, floors: [{min: 1, per: zone}]}
`

// The state learns what is asked of parts of the nodes, with moves or without.
func TestTheStateKnowsWhatIsAskedOfPartsOfTheNodes(t *testing.T) {
	inEachLead(t, everyZone[:len(everyZone)-len("services:\n  - {name: imap, floor: 1, floors: [{min: 1, per: zone}]}\n")], func(w *world, change func()) {
		w.must("the first is carried out", time.Hour, func() bool { return !w.order().GetOpen() })
		if n := len(rollout.PartsOf(w.Machine.State().Floors())); n != 0 {
			t.Fatalf("%d parts have floors that nobody asked for", n)
		}
		since := len(w.history)
		w.Apply(everyZone)
		change()
		zones := map[string]bool{}
		for _, id := range w.serving("imap") {
			zones[w.Machine.State().Node(id).GetZone()] = true
		}
		w.must("a floor is in force in each zone", time.Minute, func() bool {
			parts := rollout.PartsOf(w.Machine.State().Floors())
			return len(parts) == len(zones) && !slices.ContainsFunc(parts, func(f *storev1.FloorInForce) bool { return f.GetFloor() != 1 })
		})
		if len(zones) < 2 || len(w.history) != since {
			t.Errorf("%d zones; moved: %s", len(zones), tell(w.history[since:]))
		}
		commands := len(w.Commands())
		w.quiet("all is said", 10*time.Minute)
		for _, c := range w.Commands()[commands:] {
			if c.GetMoveAssignments() != nil {
				t.Errorf("said again: %v", c)
			}
		}
		w.Apply("# none\n" + everyZone[:len(everyZone)-len("services:\n  - {name: imap, floor: 1, floors: [{min: 1, per: zone}]}\n")])
		w.must("nobody asks for them any more", time.Minute, func() bool { return len(rollout.PartsOf(w.Machine.State().Floors())) == 0 })
	})
}
