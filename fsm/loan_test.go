package fsm

import (
	"testing"

	"google.golang.org/protobuf/proto"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

func loan(node, service string) *v1.Move {
	m := start(node, service)
	m.Borrowed = true
	return m
}

func reseat(node, service, pool string, borrowed bool) *v1.Move {
	return &v1.Move{Node: node, Service: service, Pool: pool, Action: v1.Action_ACTION_RESEAT, Borrowed: borrowed, Reason: "it goes on"}
}

func TestALoanBeginsAndIsGivenBack(t *testing.T) {
	b := afloat(t)
	b.mustDo(b.wave(loan("node-1", "imap")))
	a := assignment(b.m.State().Node("node-1"), "imap")
	if !a.GetBorrowed() || a.GetPool() != "all" {
		t.Fatalf("assignment: %v", a)
	}
	b.wantEvent(EventAssignmentLoan, func(e *v1.Event) bool { return e.GetPool() == "all" && e.GetReason() != "" })
	if r := b.mustDo(b.wave(loan("node-1", "imap"))); r.GetChanged() {
		t.Fatal("the same loan again changed something")
	}
	b.part(b.wave(start("node-1", "imap")), "another seat")
	b.mustDo(b.reports("node-1", serving, "imap"))
	for _, m := range []*v1.Move{drain("node-1", "imap"), undrain("node-1", "imap"), drain("node-1", "imap")} {
		b.mustDo(b.wave(m))
		if !assignment(b.m.State().Node("node-1"), "imap").GetBorrowed() {
			t.Fatalf("%v made it a seat", m.GetAction())
		}
	}
	b.mustDo(b.reports("node-1", drained, "imap"))
	b.mustDo(b.wave(stop("node-1", "imap")))
	b.wantEvent(EventAssignmentReturned, func(e *v1.Event) bool { return e.GetService() == "imap" })
}

// A stand-in becomes a member, and a member that lost its seat a stand-in,
// without being touched, on a node that is down as well.
func TestASeatIsGivenAndTakenWithoutTouchingTheService(t *testing.T) {
	b := afloat(t)
	b.mustDo(b.wave(loan("node-1", "imap")))
	b.mustDo(b.reports("node-1", serving, "imap"))
	before := assignment(b.m.State().Node("node-1"), "imap")
	b.mustDo(b.wave(reseat("node-1", "imap", "all", false)))
	seated := assignment(b.m.State().Node("node-1"), "imap")
	if seated.GetBorrowed() || !proto.Equal(seated.GetSince(), before.GetSince()) || b.m.State().ReadyCounts()["imap"] != 1 {
		t.Fatalf("assignment: %v", seated)
	}
	b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_DOWN))
	b.mustDo(b.wave(reseat("node-1", "imap", "", true)))
	if taken := assignment(b.m.State().Node("node-1"), "imap"); !taken.GetBorrowed() || taken.GetPool() != "all" || taken.GetWanted() != v1.Wanted_WANTED_SERVING {
		t.Fatalf("assignment: %v", taken)
	}
	if r := b.mustDo(b.wave(reseat("node-1", "imap", "", true))); r.GetChanged() {
		t.Fatal("the same again changed something")
	}
	b.part(b.wave(reseat("node-1", "imap", "none", false)), "no pool")
	b.part(b.wave(reseat("node-1", "imap", "none", true)), "no pool")
	b.part(b.wave(reseat("node-1", "jmap", "all", true)), "not assigned")
	// The pool may be gone by then.
	b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_UP))
	b.topology(&v1.Topology{Name: "other", Pools: []*v1.Pool{{Name: "new", Services: []string{"imap"}, Size: &v1.Pool_Count{Count: 1}}}})
	b.mustDo(b.wave(reseat("node-1", "imap", "new", false)))
	if got := assignment(b.m.State().Node("node-1"), "imap"); got.GetBorrowed() || got.GetPool() != "new" {
		t.Fatalf("assignment: %v", got)
	}
}

// Loans end by themselves: that is no reason to ask whoever applies a topology
// whether stopping them is meant.
func TestWhatStandsInIsNotCountedAsStoppedByATopology(t *testing.T) {
	b := afloat(t)
	b.register("node-2", claims("imap", "jmap"))
	b.topology(&v1.Topology{Name: "one", Pools: []*v1.Pool{
		{Name: "all", Services: []string{"imap"}, Size: &v1.Pool_Count{Count: 1}, Nodes: []string{"node-1"}},
		{Name: "web", Services: []string{"jmap"}, Size: &v1.Pool_Count{Count: 1}, Nodes: []string{"node-2"}},
	}})
	b.serve("node-1", "imap")
	b.mustDo(b.wave(loan("node-2", "imap")))
	next := proto.CloneOf(b.m.State().Topology().GetTopology())
	next.Name = "two"
	b.mustDo(&storev1.ApplyTopology{Topology: next, AcceptShortage: true})
}
