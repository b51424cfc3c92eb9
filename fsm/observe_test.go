package fsm

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"roster/fsm/rollout"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

func observing(services ...string) *v1.NodeClaims {
	c := claims(services...)
	c.Mode = v1.AgentMode_AGENT_MODE_OBSERVE
	return c
}

// watched is a node whose agent observes, and reports that it serves these.
func watched(t *testing.T, services ...string) *rig {
	b := initialised(t)
	b.register("node-1", observing("imap", "jmap", "webdav"))
	b.mustDo(b.reports("node-1", serving, services...))
	return b
}

func TestWhatAnObservingAgentReportsIsItsSet(t *testing.T) {
	b := watched(t, "jmap", "imap")
	n := b.m.State().Node("node-1")
	if !observes(n) || len(n.GetAssignments()) != 2 {
		t.Fatalf("node: %v", n)
	}
	for _, a := range n.GetAssignments() {
		if a.GetPool() != "imap-jmap" || a.GetWanted() != v1.Wanted_WANTED_SERVING || a.GetReason() != "it served already" || a.GetBorrowed() || a.GetNode() != "node-1" {
			t.Errorf("assignment: %v", a)
		}
		if !rollout.Ready(n, a.GetService()) {
			t.Errorf("%s does not count", a.GetService())
		}
	}
	b.wantEvent(EventAssignmentStart, func(e *v1.Event) bool { return e.GetService() == "imap" && e.GetPool() == "imap-jmap" })
	generation := n.GetGeneration()
	if r := b.mustDo(&storev1.ReportNode{Id: "node-1", Instance: n.GetInstance(), ReportedGeneration: n.GetReportedGeneration(), Reports: n.GetReports()}); r.GetChanged() {
		t.Fatal("the same report again changed something")
	}
	if got := b.m.State().Node("node-1").GetGeneration(); got != generation {
		t.Fatalf("generation %d, was %d", got, generation)
	}

	// Its agent does not hold the newest set; nothing was restarted by it.
	late := b.reports("node-1", serving, "imap", "jmap", "webdav")
	late.ReportedGeneration = n.GetReportedGeneration()
	b.mustDo(late)
	if n := b.m.State().Node("node-1"); !rollout.Ready(n, "webdav") || assignment(n, "imap").GetPool() != "imap-jmap-webdav" {
		t.Fatalf("node: %v", n)
	}
}

func TestWhatAnObservingAgentNoLongerReportsLeavesItsSet(t *testing.T) {
	b := watched(t, "imap", "jmap", "webdav")
	report := b.reports("node-1", serving, "imap")
	report.Reports = append(report.Reports,
		&v1.ServiceReport{Service: "jmap", State: v1.ServiceState_SERVICE_STATE_STOPPED},
		&v1.ServiceReport{Service: "webdav", State: failing})
	b.mustDo(report)
	n := b.m.State().Node("node-1")
	if assignment(n, "jmap") != nil || assignment(n, "imap") == nil {
		t.Fatalf("set: %v", n.GetAssignments())
	}
	// What fails is lost, not gone.
	if assignment(n, "webdav") == nil || rollout.Ready(n, "webdav") || assignment(n, "webdav").GetPool() != "imap-webdav" {
		t.Fatalf("webdav: %v", assignment(n, "webdav"))
	}
	b.mustDo(b.reports("node-1", serving))
	if n := b.m.State().Node("node-1"); len(n.GetAssignments()) != 0 || len(b.m.State().ReadyCounts()) != 0 {
		t.Fatalf("set: %v", n.GetAssignments())
	}
	b.wantEvent(EventAssignmentStop, func(e *v1.Event) bool { return e.GetService() == "jmap" })
}

func TestNothingIsMovedOnANodeThatObserves(t *testing.T) {
	b := watched(t, "imap", "jmap")
	b.topology(floor(unified("imap", "jmap", "webdav"), "imap", 0))
	for name, m := range map[string]*v1.Move{
		"start": start("node-1", "webdav"), "drain": drain("node-1", "imap"), "stop": stop("node-1", "jmap"),
		"reseat": {Node: "node-1", Service: "imap", Pool: "all", Action: v1.Action_ACTION_RESEAT},
	} {
		t.Log(name)
		if r := b.part(b.wave(m), "observes"); r.GetChanged() {
			t.Errorf("%s was done: %v", name, r)
		}
	}
}

func TestActivationChangesWhatTheAgentMayDoAndNotItsSet(t *testing.T) {
	b := watched(t, "imap")
	before := b.m.State().Node("node-1")
	b.refuse(ReasonNoNode, &storev1.ActivateNode{Id: "node-9"})
	b.refuse(ReasonStaleGeneration, &storev1.ActivateNode{Id: "node-1", ExpectedGeneration: proto.Uint64(99)})
	if r := b.mustDo(&storev1.ActivateNode{Id: "node-1", Observe: true}); r.GetChanged() {
		t.Fatal("it observed already")
	}
	b.mustDo(&storev1.ActivateNode{Id: "node-1"})
	after := b.m.State().Node("node-1")
	if observes(after) || after.GetMode() != v1.AgentMode_AGENT_MODE_ACT || !after.GetSettings().GetActivated() || after.GetGeneration() <= before.GetGeneration() {
		t.Fatalf("node: %v", after)
	}
	if len(after.GetAssignments()) != 1 || !proto.Equal(after.GetAssignments()[0], before.GetAssignments()[0]) || !rollout.Ready(after, "imap") {
		t.Fatalf("its set: %v", after.GetAssignments())
	}
	b.wantEvent(EventNodeActivated, nil)
	// It acts by its set now: what it serves beside is no order.
	b.mustDo(b.reports("node-1", serving, "imap", "jmap"))
	if len(b.m.State().Node("node-1").GetAssignments()) != 1 {
		t.Fatal("what an acting agent reports changed its set")
	}
	b.mustDo(&storev1.ActivateNode{Id: "node-1", Observe: true})
	if !observes(b.m.State().Node("node-1")) {
		t.Fatal("it was not taken back")
	}
	b.wantEvent(EventNodeObserving, nil)
	b.register("node-2", claims("imap"))
	b.refuse(ReasonActs, &storev1.ActivateNode{Id: "node-2", Observe: true})
	if r := b.mustDo(&storev1.ActivateNode{Id: "node-2"}); r.GetChanged() {
		t.Fatal("it acted already")
	}
}

// Handing a node over must not be how an operator learns that the topology has
// no seat for what it serves.
func TestANodeIsNotHandedOverWhereThatWouldStopWhatItServes(t *testing.T) {
	b := watched(t, "imap", "jmap")
	b.topology(unified("jmap"))
	refused := b.refuse(ReasonNeedsAllowStop, &storev1.ActivateNode{Id: "node-1"})
	if text := refused.GetRefusal().GetMessage(); !strings.Contains(text, "serves imap, and") || !strings.Contains(text, "--allow-stop") {
		t.Errorf("refusal: %s", text)
	}
	if !observes(b.m.State().Node("node-1")) {
		t.Fatal("it was handed over all the same")
	}
	b.topology(unified("imap", "jmap"))
	b.mustDo(&storev1.ActivateNode{Id: "node-1"})
	b.mustDo(&storev1.ActivateNode{Id: "node-1", Observe: true})
	b.topology(unified("jmap"))
	b.mustDo(&storev1.ActivateNode{Id: "node-1", AllowStop: true})
	if observes(b.m.State().Node("node-1")) {
		t.Fatal("it was meant, and not done")
	}
}

func TestAnAgentThatComesBackObservingIsOrderedAfterWhatItActedOn(t *testing.T) {
	b := served(t, claims("imap", "jmap"), "imap")
	b.mustDo(b.wave(drain("node-1", "imap")))
	generation := b.m.State().Node("node-1").GetGeneration()
	b.register("node-1", observing("imap", "jmap"))
	n := b.m.State().Node("node-1")
	if !observes(n) || n.GetGeneration() <= generation {
		t.Fatalf("node: %v", n)
	}
	// It was draining; its host serves on, so it is not ended on paper either.
	b.mustDo(b.reports("node-1", serving, "imap"))
	if a := assignment(b.m.State().Node("node-1"), "imap"); a.GetWanted() != v1.Wanted_WANTED_SERVING || a.GetPool() != "all" {
		t.Fatalf("assignment: %v", a)
	}
	b.refuse(ReasonInvalid, &storev1.RegisterNode{Id: "node-1", Instance: instance("node-1"), Claims: &v1.NodeClaims{Mode: 9}})
}

// The host's own word wins: what is never to be stopped is neither drained nor
// stopped, and not restarted with its group.
func TestWhatAHostNeverStopsIsNotStopped(t *testing.T) {
	for name, c := range map[string]*v1.NodeClaims{"alone": claims("imap", "jmap"), "in a group": grouped("imap", "jmap")} {
		b := initialised(t)
		b.topology(floor(floor(unified("imap", "jmap"), "imap", 0), "jmap", 0))
		c.Services[0].NeverStop = true
		b.register("node-1", c)
		b.serve("node-1", "imap")
		b.part(b.wave(drain("node-1", "imap")), "never stopped")
		b.mustDo(b.reports("node-1", failing, "imap"))
		b.part(b.wave(stop("node-1", "imap")), "never stopped")
		b.mustDo(b.reports("node-1", serving, "imap"))
		r := b.do(b.wave(start("node-1", "jmap")))
		if refused := len(r.GetParts()) == 1; refused != (name == "in a group") {
			t.Errorf("a start beside it, %s: %v", name, r)
		}
	}
}

func TestAHostsFreezeFileShowsInItsRecord(t *testing.T) {
	b := served(t, claims("imap"), "imap")
	report := b.reports("node-1", serving, "imap")
	report.Frozen = "maintenance\x1buntil noon"
	b.mustDo(report)
	if n := b.m.State().Node("node-1"); n.GetFrozen() != "maintenance until noon" || !rollout.Ready(n, "imap") {
		t.Fatalf("node: %v", n)
	}
	b.wantEvent(EventNodeFrozen, func(e *v1.Event) bool { return e.GetReason() == "maintenance until noon" })
	b.part(b.wave(drain("node-1", "imap")), "frozen on its host")
	b.now = b.now.Add(time.Minute)
	b.mustDo(b.reports("node-1", serving, "imap"))
	if b.m.State().Node("node-1").GetFrozen() != "" {
		t.Fatal("it is still said to be frozen")
	}
	b.wantEvent(EventNodeUnfrozen, nil)
}
