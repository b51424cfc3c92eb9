package fsm

import (
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"roster/fsm/rollout"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// ahead is a node whose agent holds a set that the cluster does not know.
func ahead(t *testing.T, epoch, generation uint64) *rig {
	b := served(t, claims("imap"), "imap")
	report := b.reports("node-1", serving, "imap")
	report.ReportedGeneration, report.Ahead = generation, &v1.SetVersion{Epoch: epoch, Generation: generation}
	b.mustDo(report)
	return b
}

func TestAnAgentThatIsAheadServesOnAndIsMovedByNobody(t *testing.T) {
	b := ahead(t, 3, 77)
	n := b.m.State().Node("node-1")
	if n.GetAhead().GetGeneration() != 77 || n.GetAhead().GetEpoch() != 3 || !rollout.Ready(n, "imap") {
		t.Fatalf("node: %v", n)
	}
	if e := b.wantEvent(EventNodeAhead, nil); !strings.Contains(e.GetMessage(), "roster node adopt node-1") {
		t.Fatalf("event: %v", e)
	}
	b.part(b.wave(drain("node-1", "imap")), "adopted")
}

func TestAnAdoptedNodesSetReplacesTheNewerOneByName(t *testing.T) {
	b := ahead(t, 3, 77)
	b.refuse(ReasonNoNode, &storev1.AdoptNode{Id: "node-9"})
	b.refuse(ReasonNotAhead, &storev1.AdoptNode{Id: "node-2"})
	b.refuse(ReasonStaleGeneration, &storev1.AdoptNode{Id: "node-1", ExpectedGeneration: proto.Uint64(99)})
	set := b.m.State().Node("node-1").GetAssignments()
	r := b.mustDo(&storev1.AdoptNode{Id: "node-1"})
	n := b.m.State().Node("node-1")
	if n.GetGeneration() != 78 || r.GetGeneration() != 78 || n.GetAhead() != nil || n.GetSupersedes().GetEpoch() != 3 || n.GetSupersedes().GetGeneration() != 77 {
		t.Fatalf("node: %v", n)
	}
	if len(n.GetAssignments()) != len(set) || !rollout.Ready(n, "imap") {
		t.Fatalf("its set: %v", n.GetAssignments())
	}
	b.wantEvent(EventNodeAdopted, nil)
	// What it says next, of the set that it was given, is news.
	b.mustDo(b.reports("node-1", serving, "imap"))
	if n := b.m.State().Node("node-1"); n.GetReportedGeneration() != 78 || n.GetSupersedes() == nil {
		t.Fatalf("node: %v", n)
	}
	b.refuse(ReasonNotAhead, &storev1.AdoptNode{Id: "node-1"})
}

// A newer set may have brought it services that nobody else serves yet, by the
// cluster's older word: they end in order, as others are ready.
func TestWhatAnAdoptedNodeServesBeyondItsSetIsNotStoppedByTheWay(t *testing.T) {
	b := served(t, claims("imap", "jmap", "webdav"), "imap")
	report := b.reports("node-1", serving, "imap", "jmap")
	report.ReportedGeneration, report.Ahead = 77, &v1.SetVersion{Epoch: 3, Generation: 77}
	b.mustDo(report)
	b.mustDo(&storev1.AdoptNode{Id: "node-1"})
	n := b.m.State().Node("node-1")
	jmap := assignment(n, "jmap")
	if len(n.GetAssignments()) != 2 || !jmap.GetBorrowed() || jmap.GetWanted() != v1.Wanted_WANTED_SERVING || jmap.GetReason() == "" || !rollout.Ready(n, "jmap") {
		t.Fatalf("its set: %v", n.GetAssignments())
	}
	if n.GetGeneration() != 78 {
		t.Fatalf("generation %d", n.GetGeneration())
	}
}

func TestASetFromBeyondAllReasonIsNotBelieved(t *testing.T) {
	b := served(t, claims("imap"), "imap")
	for _, v := range []*v1.SetVersion{{Epoch: math.MaxUint64}, {Generation: math.MaxUint64}} {
		report := b.reports("node-1", serving, "imap")
		report.Ahead = v
		b.refuse(ReasonInvalid, report)
	}
}

func TestAReplacedAgentIsNotLetInAgainAndTheNextOneIs(t *testing.T) {
	b := served(t, claims("imap"), "imap")
	b.refuse(ReasonNoNode, &storev1.ReplaceNode{Id: "node-9"})
	b.refuse(ReasonStaleGeneration, &storev1.ReplaceNode{Id: "node-1", ExpectedGeneration: proto.Uint64(99)})
	b.refuse(ReasonNodeInUse, &storev1.ReplaceNode{Id: "node-1"})
	before := b.m.State().Node("node-1")
	b.mustDo(&storev1.ReplaceNode{Id: "node-1", Force: true})
	n := b.m.State().Node("node-1")
	if n.GetState() != v1.NodeState_NODE_STATE_SUSPECT || len(n.GetAssignments()) != 1 || !rollout.Ready(n, "imap") {
		t.Fatalf("what runs there no longer counts: %v", n)
	}
	if !b.m.State().Retired("node-1", before.GetInstance()) || b.m.State().Retired("node-2", instance("node-2")) {
		t.Fatal("it is not known who was retired")
	}
	b.wantEvent(EventNodeReplaced, nil)
	if r := b.mustDo(&storev1.ReplaceNode{Id: "node-1"}); r.GetChanged() {
		t.Fatal("replaced twice")
	}
	b.refuse(ReasonNodeRemoved, b.reports("node-1", serving, "imap"))
	b.refuse(ReasonNodeRemoved, &storev1.RegisterNode{Id: "node-1", Instance: before.GetInstance(), Claims: claims("imap")})
	if r := b.do(b.state("node-1", v1.NodeState_NODE_STATE_UP)); len(r.GetParts()) != 1 || r.GetChanged() {
		t.Fatalf("a retired agent made its node up: %v", r)
	}

	b.mustDo(&storev1.RegisterNode{Id: "node-1", Instance: "new", Claims: claims("imap")})
	after := b.m.State().Node("node-1")
	if after.GetState() != v1.NodeState_NODE_STATE_UP || after.GetInstance() != "new" || len(after.GetAssignments()) != 1 || rollout.Ready(after, "imap") {
		t.Fatalf("the new agent: %v", after)
	}
	b.refuse(ReasonNodeRemoved, &storev1.RegisterNode{Id: "node-1", Instance: before.GetInstance(), Claims: claims("imap")})
	b.mustDo(b.reports("node-1", serving, "imap"))
	if b.m.State().ReadyCounts()["imap"] != 2 {
		t.Fatal("the new agent's service does not count")
	}
}

func TestANodeThatIsDownIsReplacedWithoutForce(t *testing.T) {
	b := served(t, claims("imap"), "imap")
	b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_DOWN))
	b.mustDo(&storev1.ReplaceNode{Id: "node-1"})
	if n := b.m.State().Node("node-1"); n.GetState() != v1.NodeState_NODE_STATE_DOWN {
		t.Fatalf("node: %v", n)
	}
	b.refuse(ReasonNodeRemoved, &storev1.RegisterNode{Id: "node-1", Instance: instance("node-1")})
}

func TestARefusedAgentIsToldOfOnceInAWhile(t *testing.T) {
	b := served(t, claims("imap"), "imap")
	for name, c := range map[string]*storev1.NoteAgent{
		"no node": {Instance: "i"}, "an odd node": {Id: "Node 1", Instance: "i"}, "no instance": {Id: "node-1"}, "an odd instance": {Id: "node-1", Instance: "a b"},
	} {
		t.Log(name)
		b.refuse(ReasonInvalid, c)
	}
	note := &storev1.NoteAgent{Id: "node-1", Instance: "other", Reason: strings.Repeat("a", 2*maxText)}
	b.mustDo(note)
	if e := b.wantEvent(EventAgentRefused, nil); e.GetNode() != "node-1" || !strings.Contains(e.GetMessage(), "other") || len(e.GetReason()) != maxText {
		t.Fatalf("event: %v", e)
	}
	if r := b.mustDo(note); r.GetChanged() {
		t.Fatal("it was told at once again")
	}
	if r := b.mustDo(&storev1.NoteAgent{Id: "node-2", Instance: "other"}); !r.GetChanged() {
		t.Fatal("another node's was not told")
	}
	b.now = b.now.Add(refusedEvery)
	if r := b.mustDo(note); !r.GetChanged() {
		t.Fatal("it is never told again")
	}
}
