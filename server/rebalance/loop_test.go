package rebalance

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"roster/integration/leak"
	v1 "roster/proto/roster/v1"

	"roster/fsm/rollout"
	"roster/server/internal/fixture"
	"roster/server/session"
)

func TestMain(m *testing.M) { leak.Main(m) }

// harness is the loop on the real state machine without Raft; agents obey when
// obey is called.
type harness struct {
	*fixture.Log
	t    *testing.T
	view *session.Liveness
}

func newHarness(t *testing.T) *harness {
	return &harness{Log: fixture.New(t), t: t, view: session.NewLiveness(2*time.Second, time.Now())}
}

// obey is what agents do: heartbeats, and reports of what they are told.
func (h *harness) obey() {
	h.t.Helper()
	for _, n := range h.Machine.State().Nodes() {
		h.hear(n.GetId())
		h.Obey(n.GetId())
	}
}

func (h *harness) hear(id string) {
	h.view.Heard("m1", id, h.Machine.State().Node(id).GetInstance(), time.Now())
}

// run lets the loop work while agents obey, for so long.
func (h *harness) run(d time.Duration, step func()) {
	ctx, cancel := context.WithCancel(h.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = New(Config{Machine: h.Machine, Proposer: h, Caller: "roster://test/member/m1"}).Run(ctx, h.view)
	}()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		synctest.Wait()
		step()
	}
	cancel()
	<-done
}

func (h *harness) ready() map[string]uint32 {
	return rollout.ReadyCounts(h.Machine.State().Nodes(), nil)
}

const two = `name: two
pools:
  - {name: imap, services: [imap], count: 2}
services:
  - {name: imap, floor: 2}
`

const moved = `name: moved
pools:
  - {name: imap, services: [imap], count: 2, nodes: ["node-[3-4]"]}
services:
  - {name: imap, floor: 2}
`

func TestTheLoopReachesTheTargetAndNeverGoesBelowTheFloor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		for i := range 4 {
			h.Register(fmt.Sprintf("node-%d", i+1), "imap")
		}
		h.Apply(two)
		h.run(10*time.Second, h.obey)
		if got := h.ready()["imap"]; got != 2 {
			t.Fatalf("ready after the first placement: %d", got)
		}
		h.Apply(moved)
		lowest := uint32(99)
		h.run(2*time.Minute, func() {
			lowest = min(lowest, h.ready()["imap"])
			h.obey()
		})
		for _, id := range []string{"node-3", "node-4"} {
			if !rollout.Ready(h.Machine.State().Node(id), "imap") {
				t.Errorf("%s does not serve imap: %v", id, h.Machine.State().Node(id))
			}
		}
		if got := h.ready()["imap"]; got != 2 || lowest < 2 {
			t.Errorf("ready %d at the end, %d at the lowest; want 2 and 2", got, lowest)
		}
	})
}

func TestTheFirstPlacementWaitsForNodesThatStillRegister(t *testing.T) {
	for name, file := range map[string]string{
		"where a size is not filled yet":       two,
		"where every node makes a pool larger": "name: everything\npools:\n  - {name: all, services: [imap], all: true}\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t)
				h.Apply(file)
				h.Register("node-1", "imap")
				h.run(quiet-time.Second, h.obey)
				if got := len(h.Machine.State().Node("node-1").GetAssignments()); got != 0 {
					t.Fatal("the first node was placed while others may still come")
				}
				h.run(3*time.Second, h.obey)
				if got := len(h.Machine.State().Node("node-1").GetAssignments()); got != 1 {
					t.Fatal("the wait does not end after a quiet time")
				}
			})
		})
	}
}

func TestFilledSizesEndTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.Apply(two)
		h.Register("node-1", "imap")
		h.Register("node-2", "imap")
		h.run(time.Second, h.obey)
		if got := h.ready()["imap"]; got != 2 {
			t.Fatalf("ready a second after all sizes could be filled: %d", got)
		}
	})
}

func TestSilentNodesBecomeSuspectThenDownAndKeepTheirSets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.Register("node-1", "imap")
		h.Register("node-2", "imap")
		h.Apply(two)
		h.run(5*time.Second, h.obey)
		before := h.Machine.State().Node("node-1").GetGeneration()
		h.run(12*time.Second, func() {})
		n := h.Machine.State().Node("node-1")
		if n.GetState() != v1.NodeState_NODE_STATE_DOWN {
			t.Errorf("silent for 12 s: %v", n.GetState())
		}
		if n.GetGeneration() != before || len(n.GetAssignments()) != 1 {
			t.Errorf("marking a node down changed its set: %v", n)
		}
	})
}
