package whatif_test

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"roster/fsm/placement"
	"roster/fsm/rollout"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// world is the cluster of a story: records, and what really happens on the
// hosts. It does what the leader's loop, the state machine and the agents do
// while nothing else goes wrong, and counts by itself what each wave leaves.
type world struct {
	t        *testing.T
	now      time.Time
	top      *v1.Topology
	revision uint64
	nodes    []*v1.Node
	floors   map[string]*storev1.FloorInForce
	// What the target asks for over parts of the nodes.
	parts []*storev1.FloorInForce
	hold  *v1.Hold
	// An order of the operator is being carried out, which he may let break floors, and
	// which may begin with a canary, and wait.
	open, acceptGap bool
	canary          *v1.Canary
	pause           *v1.Pause
	// Nodes that failed, and services that do not work where they are.
	dark   map[string]bool
	broken map[[2]string]bool
}

// noon is when every story begins.
var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

func newWorld(t *testing.T, nodes []*v1.Node) *world {
	w := &world{t: t, now: noon, floors: map[string]*storev1.FloorInForce{}, dark: map[string]bool{}, broken: map[[2]string]bool{}}
	w.add(nodes)
	return w
}

// add registers nodes, which are up.
func (w *world) add(nodes []*v1.Node) {
	for _, n := range nodes {
		n.State, n.StateSince, n.RegisteredAt = v1.NodeState_NODE_STATE_UP, w.stamp(), w.stamp()
		n.Settings, n.Mode, n.Generation, n.ReportedGeneration = &v1.NodeSettings{}, v1.AgentMode_AGENT_MODE_ACT, 1, 1
		w.nodes = append(w.nodes, n)
	}
}

func (w *world) stamp() *timestamppb.Timestamp { return timestamppb.New(w.now) }

func (w *world) node(id string) *v1.Node {
	for _, n := range w.nodes {
		if n.GetId() == id {
			return n
		}
	}
	w.t.Fatalf("the story names %s, which is no node of it", id)
	return nil
}

// lit says whether a host is there.
func (w *world) lit(id string) bool { return !w.dark[id] }

func (w *world) place() *placement.Target {
	w.t.Helper()
	target, err := placement.Place(w.placementView())
	if err != nil {
		w.t.Fatalf("place: %v", err)
	}
	return target
}

func (w *world) placementView() placement.View {
	floors := map[string]uint32{}
	var parts []placement.Part
	for _, f := range w.floors {
		if len(f.GetWhere()) == 0 {
			floors[f.GetService()] = f.GetFloor()
			continue
		}
		parts = append(parts, placement.Part{Service: f.GetService(), Where: f.GetWhere(), Min: f.GetFloor()})
	}
	return placement.View{Topology: w.top, Nodes: w.nodes, Now: w.now, Floors: floors, Parts: parts}
}

// view is what the leader decides from; what it asks for over parts of the nodes
// is known from then on.
func (w *world) view() rollout.View {
	w.t.Helper()
	target := w.place()
	w.parts = rollout.PartTargets(w.top, target, w.nodes)
	w.advance()
	return rollout.View{
		Now: w.now, Revision: w.revision, Topology: w.top, Target: target, Nodes: w.nodes, Floors: w.floors,
		Heard: w.lit, Restraints: w.restraints(),
	}
}

func (w *world) restraints() rollout.Restraints {
	return rollout.Restraints{Hold: w.hold, Open: w.open, AcceptGap: w.acceptGap, Canary: w.canary, Pause: w.pause}
}

// judgeCanary lets the canary be judged, and says whether that changed anything.
func (w *world) judgeCanary(v rollout.View) bool {
	said := rollout.JudgeCanary(v)
	switch {
	case said == nil:
		return false
	case said.GetFailure() != "":
		w.canary = &v1.Canary{Nodes: w.canary.GetNodes(), Failure: said.GetFailure()}
		w.pause = &v1.Pause{Time: w.stamp(), Reason: "the canary failed: " + said.GetFailure()}
	case said.GetPassed():
		w.canary = nil
	default:
		w.canary = &v1.Canary{Nodes: w.canary.GetNodes(), WellSince: said.GetWellSince()}
		return false
	}
	return true
}

// wave is what one pass of the leader did, and what it left.
type wave struct {
	moves []*v1.Move
	// Ready as soon as it is committed, and once all of it is finished.
	committed, settled map[string]int
	floors             map[string]int
}

// rest is what is left when nothing more happens.
type rest struct {
	waves   []wave
	target  *placement.Target
	waiting []string
}

// run lets the leader act until nothing more happens at this time.
func (w *world) run() rest {
	w.t.Helper()
	w.advance()
	var done rest
	for range 200 {
		v := w.view()
		step := rollout.Next(v)
		if len(step.Moves) == 0 {
			if w.settle() || w.judgeCanary(v) {
				continue
			}
			done.target, done.waiting = v.Target, step.Waiting
			w.open = w.open && !step.Done
			return done
		}
		done.waves = append(done.waves, w.wave(step.Moves))
	}
	w.t.Fatal("it never comes to rest")
	return done
}

// wave commits moves, and holds them against the floors as counted here.
func (w *world) wave(moves []*v1.Move) wave {
	w.t.Helper()
	before, floors := w.ready(), w.inForce()
	for _, n := range w.nodes {
		restarted := map[string]bool{}
		for _, m := range moves {
			if m.GetNode() == n.GetId() {
				for _, service := range w.restarts(n, m) {
					restarted[service] = true
				}
				w.do(n, m)
			}
		}
		for service := range restarted {
			if w.reported(n, service) == v1.ServiceState_SERVICE_STATE_SERVING && w.wanted(n, service) == v1.Wanted_WANTED_SERVING {
				w.report(n, service, v1.ServiceState_SERVICE_STATE_STARTING)
			}
		}
	}
	w.join(moves)
	out := wave{moves: moves, committed: w.ready(), floors: floors}
	for key, n := range before {
		if w.acceptGap {
			continue
		}
		if out.committed[key] < min(n, floors[key]) {
			w.t.Errorf("a wave takes %s from %d ready to %d; its floor in force is %d", key, n, out.committed[key], floors[key])
		}
	}
	w.advance()
	for w.settle() {
	}
	out.settled = w.ready()
	return out
}

// advance brings the floors in force up to date.
func (w *world) advance() {
	if w.top == nil {
		return
	}
	for range 2 { // parts that are new are counted once they are known
		w.floors = rollout.AdvanceFloors(w.floors, w.top, w.parts, rollout.ReadyCounts(w.nodes, w.floors))
	}
}

// join counts whom a wave moved among the canary.
func (w *world) join(moves []*v1.Move) {
	if w.canary == nil {
		return
	}
	c := proto.CloneOf(w.canary)
	for _, m := range moves {
		if m.GetCause() == v1.Cause_CAUSE_REBALANCE && !slices.Contains(c.Nodes, m.GetNode()) {
			c.Nodes = append(c.Nodes, m.GetNode())
		}
	}
	slices.Sort(c.Nodes)
	w.canary = c
}

func (w *world) guard() {
	change := rollout.Guard(rollout.GuardView{
		Nodes: w.nodes, Silent: func(id string) bool { return w.dark[id] }, Hold: w.hold, Policy: w.top.GetPolicy(), Now: w.now,
	})
	if change != nil {
		w.hold = change.GetHold()
	}
}
