package fsm

import (
	"strings"
	"testing"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

const (
	serving  = v1.ServiceState_SERVICE_STATE_SERVING
	starting = v1.ServiceState_SERVICE_STATE_STARTING
	drained  = v1.ServiceState_SERVICE_STATE_DRAINED
	failing  = v1.ServiceState_SERVICE_STATE_FAILING
)

func (b *rig) reported(id, service string) v1.ServiceState {
	for _, r := range b.m.State().Node(id).GetReports() {
		if r.GetService() == service {
			return r.GetState()
		}
	}
	return v1.ServiceState_SERVICE_STATE_UNSPECIFIED
}

// served is a cluster whose node-1 and node-2 serve what they claim.
func served(t *testing.T, c *v1.NodeClaims, services ...string) *rig {
	b := initialised(t)
	b.topology(unified(services...))
	for _, id := range []string{"node-1", "node-2"} {
		b.register(id, c)
		b.serve(id, services...)
	}
	return b
}

func TestAReportMakesAServiceReady(t *testing.T) {
	b := served(t, claims("imap"), "imap")
	if n := b.m.State().ReadyCounts()["imap"]; n != 2 {
		t.Fatalf("%d ready", n)
	}
	b.wantEvent(EventServiceReady, func(e *v1.Event) bool {
		return e.GetNode() == "node-2" && e.GetService() == "imap" && e.GetPool() == "all"
	})
	again := b.reports("node-1", serving, "imap")
	if r := b.mustDo(again); r.GetChanged() {
		t.Fatal("the same report changed something")
	}
	bad := b.reports("node-1", failing, "imap")
	bad.Reports[0].Detail = "connection refused"
	b.mustDo(bad)
	if n := b.m.State().ReadyCounts()["imap"]; n != 1 {
		t.Fatalf("%d ready", n)
	}
	b.wantEvent(EventServiceNotReady, func(e *v1.Event) bool { return e.GetReason() == "connection refused" })
	if got := Assignments(b.m.State().Node("node-2")); len(got.GetReady()) != 1 || got.GetGeneration() != b.m.State().Node("node-2").GetGeneration() {
		t.Fatalf("the set of node-2: %v", got)
	}
}

func TestReportsOfAnotherAgentDoNotCount(t *testing.T) {
	b := served(t, claims("imap"), "imap")
	c := b.reports("node-1", failing, "imap")
	c.Instance = "another"
	b.refuse(ReasonOtherInstance, c)
	if b.reported("node-1", "imap") != serving {
		t.Fatal("it counted")
	}
	b.refuse(ReasonNoNode, &storev1.ReportNode{Id: "node-9", Instance: "i"})
}

func TestReportsAreChecked(t *testing.T) {
	b := served(t, claims("imap"), "imap")
	for name, reports := range map[string][]*v1.ServiceReport{
		"no state":     {{Service: "imap"}},
		"no service":   {{State: serving}},
		"twice":        {{Service: "imap", State: serving}, {Service: "imap", State: failing}},
		"odd state":    {{Service: "imap", State: 77}},
		"a look-alike": {{Service: "іmap", State: serving}}, // a Cyrillic letter
	} {
		c := b.reports("node-1", serving)
		c.Reports = reports
		t.Log(name)
		b.refuse(ReasonInvalid, c)
	}
	long := b.reports("node-1", failing, "imap")
	long.Reports[0].Detail = strings.Repeat("ä", maxText)
	b.mustDo(long)
	if got := b.m.State().Node("node-1").GetReports()[0].GetDetail(); len(got) != maxText || !strings.HasSuffix(got, "ä") {
		t.Fatalf("detail of %d bytes ends in %q", len(got), got[len(got)-4:])
	}
}

func TestAnOlderReportThanTheStoredOneIsRefused(t *testing.T) {
	b := served(t, claims("imap"), "imap")
	old := b.reports("node-1", serving, "imap")
	b.mustDo(b.wave(drain("node-1", "imap")))
	b.mustDo(b.reports("node-1", drained, "imap"))
	b.refuse(ReasonStaleReport, old)
	if b.reported("node-1", "imap") != drained {
		t.Fatal("old news counted")
	}
}

// The agent that served before its node was down may have started anew.
func TestAfterDownAServiceIsReadyOnlyWhenReportedAgain(t *testing.T) {
	for name, back := range map[string]func(*rig){
		"by its session": func(b *rig) {
			b.mustDo(&storev1.RegisterNode{Id: "node-1", Instance: instance("node-1"), Claims: claims("imap"), ReportedGeneration: 2})
		},
		"by the leader": func(b *rig) { b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_UP)) },
	} {
		t.Run(name, func(t *testing.T) {
			b := served(t, claims("imap"), "imap")
			b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_DOWN))
			back(b)
			if n := b.m.State().ReadyCounts()["imap"]; n != 1 || b.reported("node-1", "imap") != starting {
				t.Fatalf("%d ready before it reported", n)
			}
			b.mustDo(b.reports("node-1", serving, "imap"))
			if n := b.m.State().ReadyCounts()["imap"]; n != 2 {
				t.Fatalf("%d ready", n)
			}
		})
	}
}

// Losing sight of a node for a moment costs nothing.
func TestASuspectNodeStaysReady(t *testing.T) {
	b := served(t, claims("imap"), "imap")
	b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_SUSPECT))
	b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_UP))
	if n := b.m.State().ReadyCounts()["imap"]; n != 2 {
		t.Fatalf("%d ready", n)
	}
	for _, k := range b.kinds() {
		if k == EventServiceNotReady {
			t.Fatal("it was not ready in between")
		}
	}
}

func TestARestartTakesTheWholeGroupOutUntilItIsReportedAnew(t *testing.T) {
	b := initialised(t)
	b.topology(unified("imap", "jmap"))
	for _, id := range []string{"node-1", "node-2"} {
		b.register(id, grouped("imap", "jmap"))
		b.serve(id, "imap")
	}
	stale := b.reports("node-1", serving, "imap")
	b.mustDo(b.wave(start("node-1", "jmap")))
	if b.reported("node-1", "imap") != starting || b.m.State().ReadyCounts()["imap"] != 1 {
		t.Fatal("imap still counts while its group restarts")
	}
	// What the agent saw before it knew of the restart proves nothing.
	b.mustDo(stale)
	if b.reported("node-1", "imap") != starting || b.m.State().ReadyCounts()["imap"] != 1 {
		t.Fatal("an old report made imap ready again")
	}
	b.mustDo(b.reports("node-1", serving, "imap", "jmap"))
	if got := b.m.State().ReadyCounts(); got["imap"] != 2 || got["jmap"] != 1 {
		t.Fatalf("ready: %v", got)
	}
}

func TestLiveServicesAreNotTouchedByOthers(t *testing.T) {
	b := initialised(t)
	b.topology(unified("imap", "jmap"))
	b.register("node-1", claims("imap", "jmap"))
	b.serve("node-1", "imap")
	b.mustDo(b.wave(start("node-1", "jmap")))
	if b.m.State().ReadyCounts()["imap"] != 1 {
		t.Fatal("imap stopped counting when jmap was started beside it")
	}
	// And stays so when the agent's report is of before the start.
	late := b.reports("node-1", serving, "imap")
	late.ReportedGeneration--
	b.mustDo(late)
	if b.m.State().ReadyCounts()["imap"] != 1 {
		t.Fatal("imap stopped counting by a report that says it serves")
	}
}
