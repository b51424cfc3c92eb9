package rebalance

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/fsm/rollout"
	"roster/fsm/topology"
	"roster/server/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const clusterID = "c-1"

// harness is the real state machine without Raft: a proposal is applied at
// once, and agents obey when obey is called.
type harness struct {
	t       *testing.T
	machine *fsm.Machine
	view    *session.Liveness

	mu       sync.Mutex
	index    uint64
	commands []*storev1.Command
}

func newHarness(t *testing.T) *harness {
	h := &harness{t: t, machine: fsm.New(), view: session.NewLiveness(2*time.Second, time.Now())}
	h.must(&storev1.Command{Command: &storev1.Command_InitCluster{InitCluster: &storev1.InitCluster{
		Cluster: &v1.Cluster{Id: clusterID, Name: "test", Epoch: 1, Profile: v1.TimingProfile_TIMING_PROFILE_LAN, Created: timestamppb.Now()},
	}}})
	return h
}

func (h *harness) Propose(_ context.Context, caller, requestID string, c *storev1.Command) (*storev1.Result, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.index++
	h.commands = append(h.commands, c)
	entry, err := fsm.EncodeEntry([]*storev1.Envelope{{
		Schema: fsm.Schema, ClusterId: clusterID, Caller: caller, RequestId: requestID, Time: timestamppb.Now(), Command: c,
	}})
	if err != nil {
		return nil, err
	}
	results, err := h.machine.Apply(h.index, entry)
	if err != nil {
		return nil, err
	}
	return results[0], nil
}

func (h *harness) must(c *storev1.Command) {
	h.t.Helper()
	result, err := h.Propose(context.Background(), "roster://test/user/ann", "", c)
	if err != nil || result.GetRefusal() != nil {
		h.t.Fatalf("%v: %v %v", c, err, result.GetRefusal())
	}
}

func (h *harness) register(id string, services ...string) {
	h.t.Helper()
	claims := &v1.NodeClaims{Region: "a", Zone: "a1"}
	for _, s := range services {
		claims.Services = append(claims.Services, &v1.ServiceClaim{Name: s, ChangeMode: v1.ChangeMode_CHANGE_MODE_LIVE})
	}
	h.must(&storev1.Command{Command: &storev1.Command_RegisterNode{RegisterNode: &storev1.RegisterNode{Id: id, Instance: "i-" + id, Claims: claims}}})
}

func (h *harness) apply(file string) {
	h.t.Helper()
	parsed, err := topology.Parse("test.yaml", []byte(file))
	if err != nil {
		h.t.Fatal(err)
	}
	h.must(&storev1.Command{Command: &storev1.Command_ApplyTopology{ApplyTopology: &storev1.ApplyTopology{
		Topology: parsed, Source: []byte(file), AllowStop: true, AcceptShortage: true,
	}}})
}

// obey is what agents do: heartbeats, and reports of what they are told.
func (h *harness) obey() {
	h.t.Helper()
	for _, n := range h.machine.State().Nodes() {
		h.view.Heard("m1", n.GetId(), n.GetInstance(), time.Now())
		report := &storev1.ReportNode{Id: n.GetId(), Instance: n.GetInstance(), ReportedGeneration: n.GetGeneration()}
		for _, a := range n.GetAssignments() {
			state := v1.ServiceState_SERVICE_STATE_SERVING
			if a.GetWanted() == v1.Wanted_WANTED_DRAINING {
				state = v1.ServiceState_SERVICE_STATE_DRAINED
			}
			report.Reports = append(report.Reports, &v1.ServiceReport{Service: a.GetService(), State: state})
		}
		h.must(&storev1.Command{Command: &storev1.Command_ReportNode{ReportNode: report}})
	}
}

// run lets the loop work while agents obey, for so long.
func (h *harness) run(d time.Duration, step func()) {
	ctx, cancel := context.WithCancel(h.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = New(Config{Machine: h.machine, Proposer: h, Caller: "roster://test/member/m1"}).Run(ctx, h.view)
	}()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		synctest.Wait()
		step()
	}
	cancel()
	<-done
}

func (h *harness) ready() map[string]uint32 { return rollout.ReadyCounts(h.machine.State().Nodes()) }

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
			h.register(fmt.Sprintf("node-%d", i+1), "imap")
		}
		h.apply(two)
		h.run(10*time.Second, h.obey)
		if got := h.ready()["imap"]; got != 2 {
			t.Fatalf("ready after the first placement: %d", got)
		}
		h.apply(moved)
		lowest := uint32(99)
		h.run(2*time.Minute, func() {
			lowest = min(lowest, h.ready()["imap"])
			h.obey()
		})
		for _, id := range []string{"node-3", "node-4"} {
			if !rollout.Ready(h.machine.State().Node(id), "imap") {
				t.Errorf("%s does not serve imap: %v", id, h.machine.State().Node(id))
			}
		}
		if got := h.ready()["imap"]; got != 2 || lowest < 2 {
			t.Errorf("ready %d at the end, %d at the lowest; want 2 and 2", got, lowest)
		}
	})
}

func TestTheFirstPlacementWaitsForNodesThatStillRegister(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.apply(two)
		h.register("node-1", "imap")
		h.run(quiet-time.Second, h.obey)
		if got := len(h.machine.State().Node("node-1").GetAssignments()); got != 0 {
			t.Fatal("the first node was placed while others may still come")
		}
		h.run(3*time.Second, h.obey)
		if got := len(h.machine.State().Node("node-1").GetAssignments()); got != 1 {
			t.Fatal("the wait does not end after a quiet time")
		}
	})
}

func TestFilledSizesEndTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.apply(two)
		h.register("node-1", "imap")
		h.register("node-2", "imap")
		h.run(time.Second, h.obey)
		if got := h.ready()["imap"]; got != 2 {
			t.Fatalf("ready a second after all sizes could be filled: %d", got)
		}
	})
}

func TestSilentNodesBecomeSuspectThenDownAndKeepTheirSets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.register("node-1", "imap")
		h.register("node-2", "imap")
		h.apply(two)
		h.run(5*time.Second, h.obey)
		before := h.machine.State().Node("node-1").GetGeneration()
		h.run(12*time.Second, func() {})
		n := h.machine.State().Node("node-1")
		if n.GetState() != v1.NodeState_NODE_STATE_DOWN {
			t.Errorf("silent for 12 s: %v", n.GetState())
		}
		if n.GetGeneration() != before || len(n.GetAssignments()) != 1 {
			t.Errorf("marking a node down changed its set: %v", n)
		}
	})
}

func TestAWaveNamesEveryNodeThatItsStopsCountOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		for i := range 4 {
			h.register(fmt.Sprintf("node-%d", i+1), "imap")
		}
		h.apply(two)
		h.run(5*time.Second, h.obey)
		h.apply(moved)
		h.run(time.Minute, h.obey)
		drains := 0
		for _, c := range h.commands {
			wave := c.GetMoveAssignments()
			named := map[string]bool{}
			for _, b := range wave.GetCounted() {
				named[b.GetNode()] = true
			}
			for _, n := range wave.GetNodes() {
				named[n.GetBasis().GetNode()] = true
				for _, m := range n.GetMoves() {
					if m.GetAction() == v1.Action_ACTION_DRAIN {
						drains++
						if len(named)+len(wave.GetNodes()) < 3 {
							t.Errorf("a drain of %s relies on %v only", m.GetNode(), named)
						}
					}
				}
			}
		}
		if drains == 0 {
			t.Fatal("nothing was drained: the test shows nothing")
		}
	})
}
