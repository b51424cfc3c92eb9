package fsm

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

func (b *rig) part(command *storev1.MoveAssignments, words ...string) *storev1.Result {
	b.t.Helper()
	r := b.do(command)
	if r.GetRefusal() != nil || len(r.GetParts()) == 0 {
		b.t.Fatalf("want a refusal of a part, got %v", r)
	}
	for _, word := range words {
		if !strings.Contains(r.GetParts()[0].GetMessage(), word) {
			b.t.Fatalf("the refusal does not say %q: %v", word, r.GetParts())
		}
	}
	return r
}

func (b *rig) wanted(id, service string) v1.Wanted {
	return assignment(b.m.State().Node(id), service).GetWanted()
}

func TestAnAssignmentIsStartedDrainedAndStopped(t *testing.T) {
	b := initialised(t)
	top := unified("imap")
	top.Services = []*v1.Service{{Name: "imap", Drain: durationpb.New(42 * time.Second)}}
	b.topology(top)
	b.nodes(2)
	b.serve("node-1", "imap")
	b.serve("node-2", "imap")
	n := b.m.State().Node("node-1")
	a := assignment(n, "imap")
	if a.GetWanted() != v1.Wanted_WANTED_SERVING || a.GetPool() != "all" || a.GetRevision() != 1 || a.GetNode() != "node-1" || a.GetReason() != "its seat" {
		t.Fatalf("assignment: %v", a)
	}
	b.mustDo(b.wave(drain("node-1", "imap")))
	d := assignment(b.m.State().Node("node-1"), "imap")
	if d.GetWanted() != v1.Wanted_WANTED_DRAINING || d.GetDrain().AsDuration() != 42*time.Second || d.GetPool() != "all" || !d.GetSince().AsTime().After(a.GetSince().AsTime()) {
		t.Fatalf("draining: %v", d)
	}
	if b.m.State().ReadyCounts()["imap"] != 1 {
		t.Fatal("what drains counts as ready")
	}
	b.mustDo(b.reports("node-1", drained, "imap"))
	b.mustDo(b.wave(stop("node-1", "imap")))
	after := b.m.State().Node("node-1")
	if len(after.GetAssignments()) != 0 || after.GetGeneration() != n.GetGeneration()+2 {
		t.Fatalf("after the stop: %v", after)
	}
	for _, kind := range []string{EventAssignmentStart, EventAssignmentDrain, EventAssignmentStop} {
		e := b.wantEvent(kind, func(e *v1.Event) bool { return e.GetNode() == "node-1" })
		if e.GetService() != "imap" || e.GetReason() == "" || e.GetRevision() != 1 {
			t.Errorf("event: %v", e)
		}
	}
}

func TestADrainCanBeCalledOff(t *testing.T) {
	b := served(t, claims("imap"), "imap")
	b.mustDo(b.wave(drain("node-1", "imap")))
	b.mustDo(b.wave(undrain("node-1", "imap")))
	if b.wanted("node-1", "imap") != v1.Wanted_WANTED_SERVING || assignment(b.m.State().Node("node-1"), "imap").GetPool() != "all" {
		t.Fatalf("set: %v", b.m.State().Node("node-1").GetAssignments())
	}
	if b.m.State().ReadyCounts()["imap"] != 1 {
		t.Fatal("it counts before its agent said that it still serves")
	}
	b.mustDo(b.reports("node-1", serving, "imap"))
	if b.m.State().ReadyCounts()["imap"] != 2 {
		t.Fatal("it does not count again")
	}
	b.wantEvent(EventAssignmentUndrain, nil)
}

func TestAServiceChangesItsPoolWithoutBeingTouched(t *testing.T) {
	b := initialised(t)
	top := &v1.Topology{Name: "two", Pools: []*v1.Pool{
		{Name: "all", Services: []string{"imap"}, Size: &v1.Pool_Count{Count: 1}},
		{Name: "web", Services: []string{"imap", "jmap"}, Size: &v1.Pool_Count{Count: 1}},
	}}
	b.topology(top)
	b.register("node-1", grouped("imap", "jmap"))
	b.serve("node-1", "imap")
	before := assignment(b.m.State().Node("node-1"), "imap")
	move := start("node-1", "imap")
	move.Pool, move.Action = "web", v1.Action_ACTION_RESEAT
	b.mustDo(b.wave(move))
	after := assignment(b.m.State().Node("node-1"), "imap")
	if after.GetPool() != "web" || !proto.Equal(after.GetSince(), before.GetSince()) {
		t.Fatalf("assignment: %v", after)
	}
	if b.m.State().ReadyCounts()["imap"] != 1 {
		t.Fatal("it is no longer ready")
	}
	b.wantEvent(EventAssignmentPool, nil)
	generation := b.m.State().Node("node-1").GetGeneration()
	if r := b.mustDo(b.wave(move)); r.GetChanged() || b.m.State().Node("node-1").GetGeneration() != generation {
		t.Fatal("the same move again changed something")
	}
	for name, wrong := range map[string]*v1.Move{
		"of what is not assigned":       {Node: "node-1", Service: "jmap", Pool: "web", Action: v1.Action_ACTION_RESEAT},
		"to a pool without the service": {Node: "node-1", Service: "imap", Pool: "none", Action: v1.Action_ACTION_RESEAT},
	} {
		if r := b.do(b.wave(wrong)); len(r.GetParts()) != 1 || r.GetChanged() {
			t.Errorf("reseat %s: %v", name, r)
		}
	}
}

func TestAWaveForAnotherTopologyIsRefusedWhole(t *testing.T) {
	b := served(t, claims("imap"), "imap")
	stale := b.wave(drain("node-1", "imap"))
	b.topology(floor(unified("imap"), "imap", 0))
	b.refuse(ReasonStaleRevision, stale)
	if b.wanted("node-1", "imap") != v1.Wanted_WANTED_SERVING {
		t.Fatal("it was done")
	}
}

func TestOnlyThePartsOfNodesThatChangedAreRefused(t *testing.T) {
	b := initialised(t)
	b.topology(unified("imap"))
	b.nodes(3)
	stale := b.wave(start("node-1", "imap"), start("node-2", "imap"), start("node-3", "imap"))
	b.mustDo(b.wave(start("node-1", "imap")))
	b.mustDo(b.state("node-2", v1.NodeState_NODE_STATE_SUSPECT))
	generation := b.m.State().Node("node-1").GetGeneration()
	r := b.part(stale, "generation")
	if len(r.GetParts()) != 2 || r.GetParts()[0].GetNode() != "node-1" || r.GetParts()[1].GetNode() != "node-2" || !r.GetChanged() {
		t.Fatalf("result: %v", r)
	}
	if b.wanted("node-3", "imap") != v1.Wanted_WANTED_SERVING {
		t.Fatal("the part of a node that did not change was not done")
	}
	if b.wanted("node-2", "imap") != v1.Wanted_WANTED_UNSPECIFIED || b.m.State().Node("node-1").GetGeneration() != generation {
		t.Fatal("a stale part was done")
	}
}

func TestNoMoveTakesAServiceUnderItsFloor(t *testing.T) {
	b := initialised(t)
	b.topology(floor(unified("imap"), "imap", 2))
	b.nodes(3)
	for i := range 3 {
		b.serve(nodeID(i+1), "imap")
	}
	// One of three may go, not two.
	r := b.part(b.wave(drain("node-1", "imap"), drain("node-2", "imap")), "floor")
	if len(r.GetParts()) != 1 || b.m.State().ReadyCounts()["imap"] != 2 {
		t.Fatalf("ready %v after %v", b.m.State().ReadyCounts(), r)
	}
	b.part(b.wave(drain("node-2", "imap")), "floor")
	b.part(b.wave(drain("node-3", "imap")), "floor")
	if b.m.State().ReadyCounts()["imap"] != 2 {
		t.Fatalf("ready: %v", b.m.State().ReadyCounts())
	}
}

func TestNoRestartTakesAServiceUnderItsFloor(t *testing.T) {
	b := initialised(t)
	b.topology(floor(unified("imap", "jmap"), "imap", 1))
	b.register("node-1", grouped("imap", "jmap"))
	b.serve("node-1", "imap")
	b.part(b.wave(start("node-1", "jmap")), "restarts")
	if b.m.State().ReadyCounts()["imap"] != 1 || b.wanted("node-1", "jmap") != v1.Wanted_WANTED_UNSPECIFIED {
		t.Fatal("it was done")
	}
}

// The leader counted on a node that Apply finds different: it would have planned
// otherwise, so nothing ready is taken away on its account.
func TestWhatRestsOnANodeThatChangedIsNotTakenAway(t *testing.T) {
	b := initialised(t)
	b.topology(floor(unified("imap"), "imap", 1))
	b.nodes(3)
	for i := range 3 {
		b.serve(nodeID(i+1), "imap")
	}
	c := b.wave(drain("node-1", "imap"))
	n := b.m.State().Node("node-2")
	c.Counted = []*storev1.NodeBasis{{Node: "node-2", Generation: n.GetGeneration(), State: n.GetState()}}
	b.mustDo(b.state("node-2", v1.NodeState_NODE_STATE_SUSPECT))
	b.part(c, "node-2", "changed")
	c.Counted[0].State = v1.NodeState_NODE_STATE_SUSPECT
	b.mustDo(c)
}

func TestMovesThatMakeNoSenseAreRefused(t *testing.T) {
	b := initialised(t)
	b.topology(unified("imap", "jmap"))
	b.register("node-1", claims("imap"))
	b.register("node-2", claims("imap", "jmap"))
	b.serve("node-1", "imap")
	b.part(b.wave(start("node-1", "jmap")), "cannot run")
	b.part(b.wave(start("node-2", "webdav")), "no pool")
	b.part(b.wave(drain("node-2", "imap")), "not assigned")
	b.part(b.wave(stop("node-1", "imap")), "drain it first")
	b.part(b.wave(&v1.Move{Node: "node-1", Service: "imap"}), "action")
	b.part(b.wave(start("node-2", "imap"), start("node-2", "imap")), "twice")
	elsewhere := b.wave(start("node-2", "jmap"))
	elsewhere.Nodes[0].Moves[0] = start("node-3", "jmap")
	b.part(elsewhere, "node-3")
	twice := b.wave(start("node-2", "jmap"))
	twice.Nodes = append(twice.Nodes, twice.Nodes[0])
	b.part(twice, "twice")
	gone := b.wave(start("node-2", "jmap"))
	gone.Nodes[0].Basis.Node = "node-9"
	b.part(gone, "no such node")
}

func TestNothingIsStartedOnACordonedOrSilentNode(t *testing.T) {
	b := initialised(t)
	b.topology(unified("imap", "jmap"))
	b.nodes(2)
	b.serve("node-1", "imap")
	b.mustDo(&storev1.CordonNode{Id: "node-1", Cordoned: true})
	b.part(b.wave(start("node-1", "jmap")), "cordoned")
	if b.m.State().ReadyCounts()["imap"] != 1 {
		t.Fatal("a cordoned node lost what it serves")
	}
	b.mustDo(b.state("node-2", v1.NodeState_NODE_STATE_SUSPECT))
	b.part(b.wave(start("node-2", "jmap")), "not up")
}

// A service that the topology in force no longer names still drains as the one
// said that wanted it.
func TestADrainHasTheBoundOfTheTopologyThatWantedIt(t *testing.T) {
	b := initialised(t)
	top := unified("imap", "jmap")
	top.Services = []*v1.Service{{Name: "jmap", Drain: durationpb.New(7 * time.Second)}}
	b.topology(top)
	b.nodes(1)
	b.serve("node-1", "imap", "jmap")
	b.topology(unified("imap"))
	b.mustDo(b.wave(drain("node-1", "jmap")))
	if got := assignment(b.m.State().Node("node-1"), "jmap").GetDrain().AsDuration(); got != 7*time.Second {
		t.Fatalf("bound %s", got)
	}
}
