package rebalance

import (
	"slices"
	"testing"
	"time"

	v1 "roster/proto/roster/v1"
)

const isDown = v1.NodeState_NODE_STATE_DOWN

// carriers are the nodes that serve webdav.
func carriers(w *world) []string { return w.serving("webdav") }

func TestBothCarriersOfAServiceDieAndItIsBorrowedAsSoonAsTheyAreDown(t *testing.T) {
	for _, name := range []string{"service-specific", "weighted", "paired", "geographic"} {
		t.Run(name, func(t *testing.T) {
			inEachLead(t, example(t, name), func(w *world, change func()) {
				before := w.sets()
				both := carriers(w)
				if len(both) != 2 {
					t.Fatalf("webdav is served by %v", both)
				}
				w.kill(both...)
				w.run(5 * time.Second)
				change()
				w.must("they are down", time.Minute, func() bool { return w.state(both[0]) == isDown && w.state(both[1]) == isDown })
				down := time.Now()
				w.must("webdav is borrowed", 10*time.Second, w.whole)
				if took := time.Since(down); took > 2*time.Second {
					t.Errorf("webdav answers %s after both were down", took)
				}
				// Nobody else had to give anything up.
				if n := w.count(0, v1.Action_ACTION_DRAIN, nil) + w.count(0, v1.Action_ACTION_STOP, nil); n != 0 {
					t.Errorf("%d drains and stops:\n%s", n, tell(w.history))
				}
				change()
				w.run(time.Minute)
				// They return: what was borrowed goes back, and all is as it was.
				w.restore(both...)
				change()
				w.run(50 * time.Second)
				if len(w.borrowed()) == 0 {
					t.Error("given back before return_after")
				}
				w.must("all is as it was", 10*time.Minute, func() bool { return w.sets() == before })
				w.quiet("all is as it was", 10*time.Minute)
			})
		})
	}
}

func TestANodeOfEveryTopologyDiesAndReturns(t *testing.T) {
	for _, name := range []string{"unified", "service-specific", "weighted", "paired", "geographic", "mixed"} {
		t.Run(name, func(t *testing.T) {
			inEachLead(t, example(t, name), func(w *world, change func()) {
				before := w.sets()
				w.kill("node-1")
				w.must("it is down", time.Minute, func() bool { return w.state("node-1") == isDown })
				w.must("every floor is kept", 5*time.Second, w.whole)
				change()
				w.run(time.Minute)
				w.restore("node-1")
				change()
				w.must("all is as it was", 10*time.Minute, func() bool { return w.sets() == before })
				w.quiet("all is as it was", 10*time.Minute)
			})
		})
	}
}

const spare = `name: spare
pools:
  - {name: imap, services: [imap], count: 3}
  - {name: web,  services: [jmap, webdav], count: 3}
services:
  - {name: imap, floor: 2}
`

func TestAnUnassignedNodeStandsInAtOnceAndGetsTheSeatAfterReplaceAfter(t *testing.T) {
	inEachLead(t, spare, func(w *world, change func()) {
		lost := w.serving("imap")[0]
		w.kill(lost)
		w.must("it is down", time.Minute, func() bool { return w.state(lost) == isDown })
		downAt := time.Now()
		w.must("another node stands in", 10*time.Second, func() bool { return w.answering()["imap"] == 3 })
		if len(w.borrowed()) != 1 {
			t.Fatalf("borrowed: %v", w.borrowed())
		}
		change()
		w.run(4*time.Minute + 30*time.Second - time.Since(downAt))
		if len(w.borrowed()) != 1 {
			t.Fatalf("before replace_after: %v", w.borrowed())
		}
		starts := w.count(0, v1.Action_ACTION_START, nil)
		change()
		// Nothing happens in the state: only time passes.
		w.must("it has the seat", 2*time.Minute, func() bool {
			return !slices.ContainsFunc(w.borrowed(), func(s string) bool { return s != lost+":imap" })
		})
		if late := time.Since(downAt) - 5*time.Minute; late < 0 || late > 10*time.Second {
			t.Errorf("the seat passed %s after replace_after", late)
		}
		if more := w.count(0, v1.Action_ACTION_START, nil) - starts; more != 0 {
			t.Errorf("%d starts for a seat whose service runs already:\n%s", more, w.story())
		}
		// The lost one returns without a seat: its surplus ends after return_after.
		w.restore(lost)
		change()
		w.run(50 * time.Second)
		if !slices.Contains(w.serving("imap"), lost) {
			t.Errorf("the surplus ended before return_after:\n%s", w.story())
		}
		w.must("its surplus has ended", 5*time.Minute, func() bool { return len(w.Machine.State().Node(lost).GetAssignments()) == 0 })
		w.quiet("all is in its place", 10*time.Minute)
	})
}

func TestARebootMovesNothingWhereFloorsHoldAndNobodyIsFree(t *testing.T) {
	inEachLead(t, example(t, "paired"), func(w *world, change func()) {
		before := w.sets()
		lost := w.serving("imap")[0]
		w.kill(lost)
		w.run(time.Minute)
		change()
		w.run(3 * time.Minute)
		w.restore(lost)
		w.run(10 * time.Minute)
		if len(w.history) > w.count(0, v1.Action_ACTION_START, func(m *v1.Move) bool { return !m.GetBorrowed() }) || w.sets() != before {
			t.Errorf("a reboot of four minutes moved something:\n%s", w.story())
		}
	})
}

func TestAFlappingNodeCostsOneBorrowAndOneReturnPerService(t *testing.T) {
	inEachLead(t, example(t, "service-specific"), func(w *world, change func()) {
		both := carriers(w)
		w.kill(both[0]) // the other one is the last
		w.must("one is down", time.Minute, func() bool { return w.state(both[0]) == isDown })
		w.run(10 * time.Second)
		before := len(w.history)
		for range 30 {
			w.kill(both[1])
			w.run(15 * time.Second)
			change()
			w.restore(both[1])
			w.run(5 * time.Second)
		}
		w.run(5 * time.Second)
		perService(t, w, before)
		if n := w.count(before, v1.Action_ACTION_START, nil); n != 1 {
			t.Errorf("%d services were borrowed, want webdav", n)
		}
		w.restore(both[0])
		w.run(2 * time.Hour)
		perService(t, w, before)
		if loans := w.borrowed(); len(loans) > 0 {
			t.Errorf("after two hours of peace there are still %v", loans)
		}
	})
}

// perService wants at most one borrow and one return of each service.
func perService(t *testing.T, w *world, since int) {
	t.Helper()
	for _, name := range []string{"imap", "jmap", "webdav", "smtp-inbound", "smtp-outbound"} {
		of := func(m *v1.Move) bool { return m.GetService() == name }
		if starts, stops := w.count(since, v1.Action_ACTION_START, of), w.count(since, v1.Action_ACTION_STOP, of); starts > 1 || stops > 1 {
			t.Errorf("%s was started %d times and stopped %d times\n%s", name, starts, stops, tell(w.history[since:]))
		}
	}
}

// Each time its agent says that it starts, since a moment ago.
func TestAServiceThatIsStartedAgainAndAgainIsBorrowedAfterDownAfter(t *testing.T) {
	inEachLead(t, example(t, "geographic"), func(w *world, change func()) {
		both := carriers(w)
		crash := func(n int) {
			for range n {
				for _, id := range both {
					w.hosts[id].broken["webdav"] = true
					w.hosts[id].services["webdav"] = &service{state: v1.ServiceState_SERVICE_STATE_STARTING, since: time.Now()}
				}
				w.run(time.Second)
			}
		}
		w.faulted = true
		crash(5)
		if len(w.borrowed()) > 0 {
			t.Error("borrowed before down_after")
		}
		change()
		crash(20)
		if !w.whole() {
			t.Errorf("webdav is not borrowed\n%s", w.story())
		}
	})
}

func TestAServiceThatFailsOnItsNodeIsBorrowedAfterDownAfter(t *testing.T) {
	inEachLead(t, example(t, "geographic"), func(w *world, change func()) {
		both := carriers(w)
		for _, id := range both {
			w.hosts[id].broken["webdav"] = true
			w.hosts[id].services["webdav"] = &service{state: v1.ServiceState_SERVICE_STATE_FAILING, since: time.Now()}
			w.faulted = true
		}
		failed := time.Now()
		w.run(5 * time.Second)
		if len(w.borrowed()) > 0 {
			t.Error("borrowed before down_after")
		}
		change()
		w.must("webdav is borrowed", 20*time.Second, w.whole)
		if took := time.Since(failed); took > 15*time.Second {
			t.Errorf("it took %s", took)
		}
		// It works again there: only time passes, and the loan goes back.
		w.hosts[both[0]].broken["webdav"], w.hosts[both[1]].broken["webdav"] = false, false
		change()
		w.run(30 * time.Second)
		if len(w.borrowed()) == 0 {
			t.Errorf("given back before it has served for return_after\n%s", w.story())
		}
		w.must("the loan has gone back", 5*time.Minute, func() bool { return len(w.borrowed()) == 0 })
	})
}
