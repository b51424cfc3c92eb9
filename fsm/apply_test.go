package fsm

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

func apply(t *v1.Topology) *storev1.ApplyTopology {
	return &storev1.ApplyTopology{Topology: t, Source: []byte("name: " + t.GetName())}
}

func TestATopologyBecomesARevisionKeptAsWritten(t *testing.T) {
	b := initialised(t)
	c := apply(unified("imap"))
	c.Source = []byte("# ours\nname: unified\n")
	r := b.mustDo(c)
	top := b.m.State().Topology()
	if !r.GetChanged() || r.GetRevision() != 1 || top.GetRevision() != 1 || string(top.GetSource()) != string(c.Source) || top.GetAuthor() != operator || top.GetIndex() != b.index {
		t.Fatalf("result %v, topology %v", r, top)
	}
	if b.m.State().Effective().GetServices()[0].GetFloor() != 1 {
		t.Fatal("defaults are not filled in")
	}
	if f := b.m.State().Floors()["imap"]; f.GetTarget() != 1 || f.GetFloor() != 0 {
		t.Fatalf("floor in force: %v", f)
	}
	if r := b.mustDo(c); r.GetChanged() || r.GetRevision() != 1 {
		t.Fatalf("the same file made another revision: %v", r)
	}
	c.Source = []byte("# ours, and more\nname: unified\n")
	if r := b.mustDo(c); !r.GetChanged() || r.GetRevision() != 2 {
		t.Fatalf("a comment was not kept: %v", r)
	}
	b.wantEvent(EventTopologyApplied, func(e *v1.Event) bool { return e.GetRevision() == 2 })
}

func TestAStaleRevisionIsRefused(t *testing.T) {
	b := initialised(t)
	c := apply(unified("imap"))
	c.ExpectedRevision = proto.Uint64(1)
	b.refuse(ReasonStaleRevision, c)
	c.ExpectedRevision = proto.Uint64(0)
	b.mustDo(c)
	c = apply(unified("imap", "jmap"))
	c.ExpectedRevision = proto.Uint64(0)
	b.refuse(ReasonStaleRevision, c)
	if b.m.State().Topology().GetRevision() != 1 {
		t.Fatal("it was applied")
	}
}

func TestAPlansBasisIsOfTheFileThatWasPlanned(t *testing.T) {
	b := initialised(t)
	b.nodes(2)
	c := apply(unified("imap"))
	c.Basis = b.m.State().Basis(unified("jmap"))
	b.refuse(ReasonStaleBasis, c)
}

func TestAPlansBasisHoldsUntilWhatItReliedOnChanges(t *testing.T) {
	b := initialised(t)
	b.topology(unified("imap"))
	b.nodes(2)
	b.serve("node-1", "imap")
	basis := b.m.State().Basis(unified("imap"))
	// A report alone changes nothing that a plan relies on.
	b.mustDo(b.reports("node-1", failing, "imap"))
	if b.m.State().Basis(unified("imap")) != basis {
		t.Fatal("a report changed the basis")
	}
	other := claims("imap")
	other.Zone = "elsewhere"
	for name, change := range map[string]func(*rig){
		"a topology":   func(b *rig) { b.topology(unified("jmap")) },
		"a set":        func(b *rig) { b.mustDo(b.wave(start("node-2", "imap"))) },
		"a state":      func(b *rig) { b.mustDo(b.state("node-2", v1.NodeState_NODE_STATE_DOWN)) },
		"a cordon":     func(b *rig) { b.mustDo(&storev1.CordonNode{Id: "node-2", Cordoned: true}) },
		"a claim":      func(b *rig) { b.register("node-2", other) },
		"a label":      func(b *rig) { b.mustDo(&storev1.UpdateNode{Id: "node-2", SetLabels: map[string]string{"a": "b"}}) },
		"a new node":   func(b *rig) { b.register("node-3", other) },
		"a node's end": func(b *rig) { b.mustDo(&storev1.RemoveNode{Id: "node-2", Force: true}) },
	} {
		t.Run(name, func(t *testing.T) {
			b := initialised(t)
			b.topology(unified("imap"))
			b.nodes(2)
			c := apply(unified("imap", "jmap"))
			c.Basis = b.m.State().Basis(c.GetTopology())
			change(b)
			b.refuse(ReasonStaleBasis, c)
			c.Basis = b.m.State().Basis(c.GetTopology())
			c.AllowStop, c.AcceptShortage = true, true
			b.mustDo(c)
		})
	}
}

func TestATopologyForAnotherClusterOrNoneIsRefused(t *testing.T) {
	b := initialised(t)
	top := unified("imap")
	top.Cluster = "other"
	b.refuse(ReasonWrongCluster, apply(top))
	b.refuse(ReasonInvalid, &storev1.ApplyTopology{})
	b.refuse(ReasonInvalid, apply(&v1.Topology{Name: "nothing"}))
	big := apply(unified("imap"))
	big.Source = make([]byte, maxSource+1)
	b.refuse(ReasonInvalid, big)
}

func TestStoppingMuchNeedsConsent(t *testing.T) {
	b := initialised(t)
	b.topology(unified("imap", "jmap"))
	b.nodes(5)
	for i := range 5 {
		b.serve(nodeID(i+1), "imap", "jmap")
	}
	r := b.refuse(ReasonNeedsAllowStop, apply(unified("imap")))
	if !strings.Contains(r.GetRefusal().GetMessage(), "--allow-stop") || !strings.Contains(r.GetRefusal().GetMessage(), "jmap") {
		t.Fatalf("refusal: %v", r)
	}
	fewer := &v1.Topology{Name: "fewer", Pools: []*v1.Pool{{Name: "all", Services: []string{"imap", "jmap"}, Size: &v1.Pool_Count{Count: 3}}}}
	r = b.refuse(ReasonNeedsAllowStop, apply(fewer))
	if !strings.Contains(r.GetRefusal().GetMessage(), "4 of 10") {
		t.Fatalf("refusal: %v", r)
	}
	// A fifth is 20 %, not more.
	fewer.Pools[0].Size = &v1.Pool_Count{Count: 4}
	b.mustDo(apply(fewer))
	c := apply(unified("imap"))
	c.AllowStop = true
	b.mustDo(c)
}

func TestAShortageNeedsConsent(t *testing.T) {
	b := initialised(t)
	top := &v1.Topology{Name: "many", Pools: []*v1.Pool{{Name: "all", Services: []string{"imap"}, Size: &v1.Pool_Count{Count: 3}}}}
	// Before the first node, everything is short.
	b.mustDo(apply(top))
	b.nodes(2)
	top = proto.CloneOf(top)
	top.Pools[0].Size = &v1.Pool_Count{Count: 4}
	r := b.refuse(ReasonShortage, apply(top))
	for _, word := range []string{"pool all", "gets 2", "--accept-shortage"} {
		if !strings.Contains(r.GetRefusal().GetMessage(), word) {
			t.Errorf("the refusal does not say %q: %v", word, r)
		}
	}
	c := apply(top)
	c.AcceptShortage = true
	b.mustDo(c)
}

func TestANodeThatNobodyRegisteredNeedsConsent(t *testing.T) {
	b := initialised(t)
	b.nodes(2)
	top := &v1.Topology{Name: "named", Pools: []*v1.Pool{{Name: "all", Services: []string{"imap"}, Size: &v1.Pool_Count{Count: 1}, Nodes: []string{"node-[1-9]", "node-22"}}}}
	r := b.refuse(ReasonShortage, apply(top))
	for _, word := range []string{"pool all names node-22", "no node of that name is registered", "--accept-shortage"} {
		if !strings.Contains(r.GetRefusal().GetMessage(), word) {
			t.Errorf("the refusal does not say %q: %v", word, r)
		}
	}
	top.Pools[0].Nodes = top.Pools[0].Nodes[:1]
	b.mustDo(apply(top))
}

func TestARollbackMakesOldContentANewRevision(t *testing.T) {
	l := standardLimits
	l.revisions = 3
	b := initialisedWith(t, l)
	for i := range 4 {
		top := unified("imap")
		top.Name = fmt.Sprintf("t%d", i+1)
		b.topology(top)
	}
	if got := b.m.State().Revisions(); len(got) != 3 || got[0].GetRevision() != 4 || got[2].GetRevision() != 2 {
		t.Fatalf("kept: %v", got)
	}
	b.refuse(ReasonRevisionNotKept, &storev1.ApplyTopology{RollbackTo: 1})
	b.refuse(ReasonRevisionNotKept, &storev1.ApplyTopology{RollbackTo: 9})
	r := b.mustDo(&storev1.ApplyTopology{RollbackTo: 2})
	top := b.m.State().Topology()
	if r.GetRevision() != 5 || top.GetTopology().GetName() != "t2" || string(top.GetSource()) != "name: t2" || top.GetRollbackOf() != 2 {
		t.Fatalf("topology: %v", top)
	}
	b.wantEvent(EventTopologyRolledBack, nil)
	if r := b.mustDo(&storev1.ApplyTopology{RollbackTo: 5}); r.GetChanged() {
		t.Fatal("rolling back to what is in force made a revision")
	}
}

func TestARaisedFloorIsInForceOnceItWasReached(t *testing.T) {
	b := initialised(t)
	b.topology(floor(unified("imap"), "imap", 1))
	b.nodes(3)
	b.serve("node-1", "imap")
	b.topology(floor(unified("imap"), "imap", 2))
	if f := b.m.State().Floors()["imap"]; f.GetFloor() != 1 || f.GetTarget() != 2 {
		t.Fatalf("before: %v", f)
	}
	b.serve("node-2", "imap")
	if f := b.m.State().Floors()["imap"]; f.GetFloor() != 2 {
		t.Fatalf("after: %v", f)
	}
	b.wantEvent(EventFloorReached, func(e *v1.Event) bool { return strings.Contains(e.GetMessage(), "2") })
	b.mustDo(b.state("node-2", v1.NodeState_NODE_STATE_DOWN))
	b.wantEvent(EventFloorBroken, func(e *v1.Event) bool { return e.GetService() == "imap" })
	if f := b.m.State().Floors()["imap"]; f.GetFloor() != 2 {
		t.Fatalf("a failure lowered the floor: %v", f)
	}
	b.serve("node-3", "imap")
	b.wantEvent(EventFloorRestored, nil)
	// Lowered at once.
	b.topology(floor(unified("imap"), "imap", 1))
	if f := b.m.State().Floors()["imap"]; f.GetFloor() != 1 {
		t.Fatalf("lowered: %v", f)
	}
}

// A planner that fails on odd input must not take every member down with it.
func TestAPanicOfAPureStepIsAnError(t *testing.T) {
	r := unfit(codeInvalidArgument, ReasonInvalid, purely(func() error { panic("no") }))
	if r.GetRefusal().GetReason() != ReasonInternal || r.GetRefusal().GetCode() != codeInternal {
		t.Fatalf("refusal: %v", r)
	}
}
