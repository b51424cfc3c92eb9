package fsm

import (
	"math"
	"strings"
	"testing"

	"roster/fsm/rollout"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// raised is a cluster of two nodes that serve imap with floor 0, restored from a
// time when node-1 was about to stop.
func raised(t *testing.T) *rig {
	b := initialised(t)
	b.topology(floor(floor(unified("imap", "jmap"), "imap", 0), "jmap", 0))
	for _, id := range []string{"node-1", "node-2"} {
		b.register(id, claims("imap", "jmap"))
		b.serve(id, "imap")
	}
	b.mustDo(b.wave(drain("node-1", "imap")))
	b.mustDo(&storev1.RaiseEpoch{Epoch: b.m.State().Cluster().GetEpoch() + 5, Reason: "restored from Monday"})
	return b
}

func TestARaisedEpochAsksEveryNodeFirst(t *testing.T) {
	b := served(t, claims("imap"), "imap")
	epoch := b.m.State().Cluster().GetEpoch()
	b.refuse(ReasonStaleEpoch, &storev1.RaiseEpoch{Epoch: epoch})
	b.refuse(ReasonInvalid, &storev1.RaiseEpoch{Epoch: math.MaxUint64})
	b.refuse(ReasonInvalid, &storev1.RaiseEpoch{Epoch: epoch + 1, Reason: strings.Repeat("a", maxText+1)})
	r := b.mustDo(&storev1.RaiseEpoch{Epoch: epoch + 1, Reason: "restored from Monday"})
	s := b.m.State()
	if s.Cluster().GetEpoch() != epoch+1 || r.GetEpoch() != epoch+1 || s.unconfirmed != 2 {
		t.Fatalf("cluster %v, result %v, %d unconfirmed", s.Cluster(), r, s.unconfirmed)
	}
	for _, n := range s.Nodes() {
		if !n.GetUnconfirmed() || len(n.GetAssignments()) != 1 {
			t.Errorf("node: %v", n)
		}
	}
	if e := b.wantEvent(EventEpochRaised, nil); e.GetReason() != "restored from Monday" {
		t.Fatalf("event: %v", e)
	}
}

func TestNothingIsStoppedOnANodeThatHasNotToldWhatItServes(t *testing.T) {
	b := raised(t)
	for name, m := range map[string]*v1.Move{
		"stop": stop("node-1", "imap"), "drain": drain("node-2", "imap"), "undrain": undrain("node-1", "imap"), "start": start("node-2", "jmap"),
	} {
		t.Log(name)
		b.part(b.wave(m), "has not told yet")
	}
}

// Nor is anything stopped elsewhere because a node that has not told is believed
// to serve.
func TestANodeThatHasNotToldCountsForNoStopElsewhere(t *testing.T) {
	b := raised(t)
	report := b.reports("node-1", serving, "imap")
	b.mustDo(report)
	b.part(b.wave(drain("node-1", "imap")), "has not told yet", "node-2")
	b.mustDo(b.reports("node-2", serving, "imap"))
	b.mustDo(b.wave(drain("node-1", "imap")))
}

func TestWhatANodeReallyServesJoinsItsSetAndNothingLeavesIt(t *testing.T) {
	b := raised(t)
	// Since the backup was taken, node-1 served on and began jmap, and has seen
	// many sets.
	report := b.reports("node-1", serving, "imap", "jmap")
	report.ReportedGeneration = 900
	b.mustDo(report)
	n := b.m.State().Node("node-1")
	if n.GetUnconfirmed() || n.GetGeneration() <= 900 || b.m.State().unconfirmed != 1 {
		t.Fatalf("node: %v", n)
	}
	imap, jmap := assignment(n, "imap"), assignment(n, "jmap")
	if imap.GetWanted() != v1.Wanted_WANTED_SERVING || imap.GetBorrowed() || imap.GetPool() != "all" {
		t.Errorf("what it serves would be stopped: %v", imap)
	}
	if jmap.GetWanted() != v1.Wanted_WANTED_SERVING || !jmap.GetBorrowed() || jmap.GetPool() != "" || jmap.GetReason() != "it served when the cluster was restored" {
		t.Errorf("what it serves beside its set: %v", jmap)
	}
	if !rollout.Ready(n, "imap") || !rollout.Ready(n, "jmap") {
		t.Error("what serves does not count")
	}
	b.wantEvent(EventNodeConfirmed, nil)
	// What node-2 no longer serves stays wanted: it is started again, in order.
	b.mustDo(b.reports("node-2", v1.ServiceState_SERVICE_STATE_STOPPED, "imap"))
	if n := b.m.State().Node("node-2"); assignment(n, "imap").GetWanted() != v1.Wanted_WANTED_SERVING || n.GetUnconfirmed() {
		t.Errorf("node: %v", n)
	}
	// Later reports are no news of that kind.
	generation := n.GetGeneration()
	b.mustDo(b.reports("node-1", serving, "imap", "jmap"))
	if got := b.m.State().Node("node-1"); got.GetGeneration() != generation || len(got.GetAssignments()) != 2 {
		t.Errorf("node: %v", got)
	}
	// The next set is newer than any that it ever held.
	b.mustDo(b.wave(drain("node-1", "jmap")))
}

// An agent that joined after the backup was taken is not told to serve nothing.
func TestANewNodeWhoseAgentHoldsASetIsAskedFirst(t *testing.T) {
	b := raised(t)
	b.mustDo(&storev1.RegisterNode{Id: "node-3", Instance: "i", Claims: claims("imap"), ReportedGeneration: 12})
	if n := b.m.State().Node("node-3"); !n.GetUnconfirmed() {
		t.Fatalf("node: %v", n)
	}
	report := b.reports("node-3", serving, "imap")
	report.ReportedGeneration = 12
	b.mustDo(report)
	if n := b.m.State().Node("node-3"); n.GetUnconfirmed() || !assignment(n, "imap").GetBorrowed() || n.GetGeneration() <= 12 {
		t.Fatalf("node: %v", n)
	}
	// One that observes has no set to be told.
	seen := observing("imap")
	b.mustDo(&storev1.RegisterNode{Id: "node-5", Instance: "i", Claims: seen, ReportedGeneration: 12})
	report = b.reports("node-5", serving, "imap")
	report.ReportedGeneration = 12
	b.mustDo(report)
	if n := b.m.State().Node("node-5"); n.GetUnconfirmed() || assignment(n, "imap").GetBorrowed() || assignment(n, "imap").GetPool() != "imap" {
		t.Fatalf("node: %v", n)
	}
	b.register("node-4", claims("imap"))
	if b.m.State().Node("node-4").GetUnconfirmed() {
		t.Fatal("an agent that never held a set is asked")
	}
	b.mustDo(&storev1.RemoveNode{Id: "node-2", Force: true})
	if b.m.State().unconfirmed != 1 {
		t.Fatalf("%d unconfirmed", b.m.State().unconfirmed)
	}
}
