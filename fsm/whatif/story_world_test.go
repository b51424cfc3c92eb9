package whatif_test

import (
	"fmt"
	"maps"
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
	// An order of the operator is being carried out.
	open, acceptGap bool
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
		Heard: w.lit, Restraints: rollout.Restraints{Hold: w.hold, Open: w.open},
	}
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
			if w.settle() {
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
	out := wave{moves: moves, committed: w.ready(), floors: floors}
	for key, n := range before {
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

// restarts are the services of a node that a move takes along, by the rule of
// the claims: whatever shares the restart group of what begins or ends.
func (w *world) restarts(n *v1.Node, m *v1.Move) (mates []string) {
	switch m.GetAction() {
	case v1.Action_ACTION_START, v1.Action_ACTION_STOP:
	case v1.Action_ACTION_UNDRAIN:
		if w.reported(n, m.GetService()) != v1.ServiceState_SERVICE_STATE_STOPPED {
			return nil
		}
	default:
		return nil
	}
	group := ""
	for _, c := range n.GetClaims().GetServices() {
		if c.GetName() == m.GetService() {
			group = c.GetRestartGroup()
		}
	}
	for _, c := range n.GetClaims().GetServices() {
		if group != "" && c.GetRestartGroup() == group && c.GetName() != m.GetService() {
			mates = append(mates, c.GetName())
		}
	}
	return mates
}

func (w *world) do(n *v1.Node, m *v1.Move) {
	i := slices.IndexFunc(n.GetAssignments(), func(a *v1.Assignment) bool { return a.GetService() == m.GetService() })
	if i < 0 {
		if m.GetAction() != v1.Action_ACTION_START {
			w.t.Fatalf("%v of what is not assigned", m)
		}
		n.Assignments = append(n.Assignments, &v1.Assignment{Service: m.GetService(), Node: n.GetId()})
		slices.SortFunc(n.Assignments, func(a, b *v1.Assignment) int { return placement.Compare(a.GetService(), b.GetService()) })
		i = slices.IndexFunc(n.GetAssignments(), func(a *v1.Assignment) bool { return a.GetService() == m.GetService() })
	}
	a := n.Assignments[i]
	a.Reason, a.Revision = m.GetReason(), w.revision
	switch m.GetAction() {
	case v1.Action_ACTION_START, v1.Action_ACTION_RESEAT:
		if a.GetWanted() != v1.Wanted_WANTED_SERVING {
			a.Wanted, a.Since = v1.Wanted_WANTED_SERVING, w.stamp()
			w.report(n, m.GetService(), v1.ServiceState_SERVICE_STATE_STARTING)
		}
		a.Pool, a.Borrowed = m.GetPool(), m.GetBorrowed()
	case v1.Action_ACTION_UNDRAIN:
		a.Wanted, a.Pool, a.Since = v1.Wanted_WANTED_SERVING, m.GetPool(), w.stamp()
		w.report(n, m.GetService(), v1.ServiceState_SERVICE_STATE_STARTING)
	case v1.Action_ACTION_DRAIN:
		a.Wanted, a.Since = v1.Wanted_WANTED_DRAINING, w.stamp()
		for _, s := range w.top.GetServices() {
			if s.GetName() == m.GetService() {
				a.Drain = s.GetDrain()
			}
		}
		if w.reported(n, m.GetService()) == v1.ServiceState_SERVICE_STATE_SERVING {
			w.report(n, m.GetService(), v1.ServiceState_SERVICE_STATE_DRAINING)
		}
	case v1.Action_ACTION_STOP:
		n.Assignments = slices.Delete(n.Assignments, i, i+1)
		w.report(n, m.GetService(), v1.ServiceState_SERVICE_STATE_STOPPED)
	default:
		w.t.Fatalf("a move of no known action: %v", m)
	}
	n.Generation++
	n.ReportedGeneration = n.Generation
}

// settle lets agents do what they are told, and says whether there was anything.
func (w *world) settle() bool {
	changed := false
	for _, n := range w.nodes {
		for _, a := range n.GetAssignments() {
			state := w.reported(n, a.GetService())
			switch {
			case w.dark[n.GetId()]:
			case a.GetWanted() == v1.Wanted_WANTED_DRAINING && state == v1.ServiceState_SERVICE_STATE_DRAINING:
				w.report(n, a.GetService(), v1.ServiceState_SERVICE_STATE_DRAINED)
				changed = true
			case a.GetWanted() == v1.Wanted_WANTED_SERVING && state != v1.ServiceState_SERVICE_STATE_SERVING && !w.broken[[2]string{n.GetId(), a.GetService()}]:
				w.report(n, a.GetService(), v1.ServiceState_SERVICE_STATE_SERVING)
				changed = true
			}
		}
	}
	w.advance()
	return changed
}

func (w *world) wanted(n *v1.Node, service string) v1.Wanted {
	for _, a := range n.GetAssignments() {
		if a.GetService() == service {
			return a.GetWanted()
		}
	}
	return v1.Wanted_WANTED_UNSPECIFIED
}

func (w *world) reported(n *v1.Node, service string) v1.ServiceState {
	for _, r := range n.GetReports() {
		if r.GetService() == service {
			return r.GetState()
		}
	}
	return v1.ServiceState_SERVICE_STATE_UNSPECIFIED
}

func (w *world) report(n *v1.Node, service string, state v1.ServiceState) {
	for _, r := range n.GetReports() {
		if r.GetService() == service {
			if r.State != state {
				r.State, r.Since = state, w.stamp()
			}
			return
		}
	}
	n.Reports = append(n.Reports, &v1.ServiceReport{Service: service, State: state, Since: w.stamp()})
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

// counts says which nodes count for a floor, by its key.
func (w *world) counts(keep func(n *v1.Node, service string) bool) map[string]int {
	out := map[string]int{}
	for _, n := range w.nodes {
		for _, a := range n.GetAssignments() {
			if !keep(n, a.GetService()) {
				continue
			}
			out[a.GetService()]++
			for key, f := range w.floors {
				if f.GetService() == a.GetService() && len(f.GetWhere()) > 0 && placement.Matches(n, f.GetWhere()) {
					out[key]++
				}
			}
		}
	}
	return out
}

// ready counts what the cluster counts.
func (w *world) ready() map[string]int {
	return w.counts(func(n *v1.Node, service string) bool {
		return n.GetState() != v1.NodeState_NODE_STATE_DOWN && w.wanted(n, service) == v1.Wanted_WANTED_SERVING &&
			w.reported(n, service) == v1.ServiceState_SERVICE_STATE_SERVING
	})
}

// answering counts what somebody outside would find.
func (w *world) answering() map[string]int {
	return w.counts(func(n *v1.Node, service string) bool {
		state := w.reported(n, service)
		return w.lit(n.GetId()) && (state == v1.ServiceState_SERVICE_STATE_SERVING || state == v1.ServiceState_SERVICE_STATE_DRAINING)
	})
}

func (w *world) inForce() map[string]int {
	out := map[string]int{}
	for key, f := range w.floors {
		out[key] = int(f.GetFloor())
	}
	return out
}

// announced is the plan for the cluster as it is, and fails the story unless the
// waves that happen are its own.
func (w *world) announced() *v1.Plan {
	w.t.Helper()
	w.advance()
	v := w.view()
	v.Nodes = cloned(w.nodes)
	return rollout.Plan(v)
}

func (w *world) mustBeAsAnnounced(plan *v1.Plan, happened rest) {
	w.t.Helper()
	if len(plan.GetWaves()) != len(happened.waves) {
		w.t.Errorf("%d waves were announced, %d happened", len(plan.GetWaves()), len(happened.waves))
		return
	}
	for i, announced := range plan.GetWaves() {
		if a, b := short(announced.GetMoves()), short(happened.waves[i].moves); !slices.Equal(a, b) {
			w.t.Errorf("wave %d: %v was announced, %v happened", i+1, a, b)
		}
	}
}

func short(moves []*v1.Move) (out []string) {
	for _, m := range moves {
		out = append(out, fmt.Sprintf("%s %s %s for %s", actionWord(m.GetAction()), m.GetService(), m.GetNode(), m.GetPool()))
	}
	slices.Sort(out)
	return out
}

func cloned(nodes []*v1.Node) []*v1.Node {
	out := make([]*v1.Node, 0, len(nodes))
	for _, n := range nodes {
		out = append(out, proto.CloneOf(n))
	}
	return out
}

// fail takes hosts away; nobody knows yet.
func (w *world) fail(ids []string) {
	for _, id := range ids {
		n := w.node(id)
		w.dark[id] = true
		n.State, n.StateSince = v1.NodeState_NODE_STATE_SUSPECT, w.stamp()
	}
}

// comeBack brings hosts back as they were.
func (w *world) comeBack(ids []string) {
	for _, id := range ids {
		n := w.node(id)
		delete(w.dark, id)
		if n.GetState() == v1.NodeState_NODE_STATE_DOWN {
			if last := n.GetReturnedAt(); last == nil || w.now.Sub(last.AsTime()) > time.Hour {
				n.Flaps = 0
			}
			n.Flaps++
			n.ReturnedAt = w.stamp()
		}
		n.State, n.StateSince = v1.NodeState_NODE_STATE_UP, w.stamp()
	}
	w.guard()
}

// pass lets time go by, and marks down who has been silent for too long.
func (w *world) pass(d time.Duration) {
	w.now = w.now.Add(d)
	for _, id := range slices.Sorted(maps.Keys(w.dark)) {
		n := w.node(id)
		if n.GetState() == v1.NodeState_NODE_STATE_SUSPECT && w.now.Sub(n.GetStateSince().AsTime()) >= w.top.GetPolicy().GetDownAfter().AsDuration() {
			n.State, n.StateSince = v1.NodeState_NODE_STATE_DOWN, w.stamp()
		}
	}
	w.guard()
}

func (w *world) guard() {
	change := rollout.Guard(rollout.GuardView{
		Nodes: w.nodes, Silent: func(id string) bool { return w.dark[id] }, Hold: w.hold, Policy: w.top.GetPolicy(), Now: w.now,
	})
	if change != nil {
		w.hold = change.GetHold()
	}
}
