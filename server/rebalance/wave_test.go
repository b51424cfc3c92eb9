package rebalance

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm/rollout"
	"roster/server/internal/fixture"
)

// named lists the nodes that a wave relies on.
func named(w *storev1.MoveAssignments) map[string]bool {
	out := map[string]bool{}
	for _, b := range w.GetCounted() {
		out[b.GetNode()] = true
	}
	for _, n := range w.GetNodes() {
		out[n.GetBasis().GetNode()] = true
	}
	return out
}

func TestAWaveNamesEveryNodeThatItsStopsCountOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		for i := range 4 {
			h.Register(fmt.Sprintf("node-%d", i+1), "imap")
		}
		h.Apply(two)
		h.run(5*time.Second, h.obey)
		h.Apply(moved)
		// Readiness before each wave, as the state machine saw it.
		checked := 0
		ready := h.readyNodes("imap")
		h.run(time.Minute, func() {
			commands := h.Commands()
			for _, c := range commands[checked:] {
				for _, n := range c.GetMoveAssignments().GetNodes() {
					for _, m := range n.GetMoves() {
						if m.GetAction() != v1.Action_ACTION_DRAIN {
							continue
						}
						for _, id := range ready {
							if !named(c.GetMoveAssignments())[id] {
								t.Errorf("a drain on %s relies on %s without naming it", m.GetNode(), id)
							}
						}
						ready = nil // seen
					}
				}
			}
			checked = len(commands)
			h.obey()
			if ready != nil {
				ready = h.readyNodes("imap")
			}
		})
		if ready != nil {
			t.Fatal("nothing was drained: the test shows nothing")
		}
	})
}

func (h *harness) readyNodes(service string) (ids []string) {
	for _, n := range h.Machine.State().Nodes() {
		if rollout.Ready(n, service) {
			ids = append(ids, n.GetId())
		}
	}
	return ids
}

// A restart takes services down that no move names.
func TestAWaveNamesEveryNodeThatItsRestartsCountOn(t *testing.T) {
	h := newHarness(t)
	grouped := fixture.Claims("imap", "jmap")
	for _, s := range grouped.GetServices() {
		s.ChangeMode, s.RestartGroup = v1.ChangeMode_CHANGE_MODE_RESTART, "all"
	}
	h.RegisterAs("node-1", "i", grouped)
	h.Register("node-2", "imap")
	h.Apply("name: both\npools:\n  - {name: p, services: [imap, jmap], count: 1}\n  - {name: q, services: [imap], count: 1}\n")
	h.Move("node-1", v1.Action_ACTION_START, "p", "test", "imap")
	h.Move("node-2", v1.Action_ACTION_START, "q", "test", "imap")
	h.Obey("node-1")
	h.Obey("node-2")
	start := &v1.Move{Service: "jmap", Pool: "p", Node: "node-1", Action: v1.Action_ACTION_START}
	if w := wave(h.Machine.State(), rollout.Step{Moves: []*v1.Move{start}}); !named(w)["node-2"] {
		t.Errorf("the start restarts imap on node-1; that imap is ready on node-2 is relied on, and not named: %v", w)
	}
}

func TestWhatChangesNothingIsNotProposedAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.Register("node-1", "imap")
		h.Register("node-2", "imap")
		h.Apply(two)
		var tries atomic.Int32
		h.Fail(func(c *storev1.Command) error {
			if c.GetMoveAssignments() == nil {
				return nil
			}
			if tries.Add(1) > 100 {
				time.Sleep(time.Second) // or the test would never end
			}
			// The state changes under the loop all the time, as it does by a refused
			// command's own entry.
			go h.Obey("node-1")
			return errors.New("refused by the test")
		})
		h.run(20*time.Second, func() { h.hear("node-1"); h.hear("node-2") })
		if n := tries.Load(); n == 0 || n > 40 {
			t.Errorf("proposed %d times in 20 s", n)
		}
		h.Fail(nil)
		h.run(5*time.Second, h.obey)
		if h.ready()["imap"] != 2 {
			t.Error("the loop did not go on afterwards")
		}
	})
}

func TestLivenessGoesOnWhileNothingCanBePlaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.Register("node-1", "imap")
		h.Register("node-2", "imap")
		h.Apply(two)
		h.Fail(func(c *storev1.Command) error {
			if c.GetMoveAssignments() != nil {
				return errors.New("no wave passes")
			}
			return nil
		})
		h.run(15*time.Second, func() { h.hear("node-1") })
		if s := h.Machine.State().Node("node-2").GetState(); s != v1.NodeState_NODE_STATE_DOWN {
			t.Errorf("silent for 15 s: %v", s)
		}
		if s := h.Machine.State().Node("node-1").GetState(); s != v1.NodeState_NODE_STATE_UP {
			t.Errorf("heard all the time: %v", s)
		}
	})
}

func TestAnIdleLoopWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.Register("node-1", "imap")
		h.Register("node-2", "imap")
		h.Apply(two)
		h.run(10*time.Second, h.obey)
		before := len(h.Commands())
		h.run(time.Minute, func() { h.hear("node-1"); h.hear("node-2") })
		if after := len(h.Commands()); after != before {
			t.Errorf("%d commands in a minute of peace: %v", after-before, h.Commands()[before:])
		}
	})
}

func TestALeaderWhoseProcessStoodStillMarksNobodyDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.Register("node-1", "imap")
		h.Apply("name: one\npools:\n  - {name: imap, services: [imap], count: 1}\n")
		h.run(5*time.Second, h.obey)
		// A proposal that takes a minute stands for a process that was stopped: no
		// pass of the loop ends, and no heartbeat is heard.
		var asleep, awake atomic.Bool
		heard := 0
		h.Fail(func(c *storev1.Command) error {
			if c.GetSetNodeStates() == nil || asleep.Swap(true) {
				return nil
			}
			time.Sleep(time.Minute)
			awake.Store(true)
			return errors.New("stood still")
		})
		lowest := v1.NodeState_NODE_STATE_UP
		h.run(80*time.Second, func() {
			lowest = max(lowest, h.Machine.State().Node("node-1").GetState())
			if awake.Load() {
				if heard++; heard > 20 { // two seconds later than the loop goes on
					h.hear("node-1")
				}
			}
		})
		if !awake.Load() {
			t.Fatal("the loop never stood still: the test shows nothing")
		}
		if lowest == v1.NodeState_NODE_STATE_DOWN {
			t.Error("the node is blamed for the leader's own sleep")
		}
	})
}
