package fsm

import (
	"slices"
	"strings"
	"testing"

	v1 "roster/proto/roster/v1"
)

func TestWhatIsKnownNeedNotBeSaidAgain(t *testing.T) {
	b := served(t, grouped("imap", "jmap"), "imap", "jmap")
	s := b.m.State()
	reversed := grouped("imap", "jmap")
	slices.Reverse(reversed.GetServices())
	if !s.Knows("node-1", instance("node-1"), "1", reversed) {
		t.Error("the same claims in another order are others")
	}
	if s.Knows("node-1", "another", "1", grouped("imap", "jmap")) || s.Knows("node-1", instance("node-1"), "2", grouped("imap", "jmap")) ||
		s.Knows("node-1", instance("node-1"), "1", claims("imap", "jmap")) || s.Knows("node-9", instance("node-9"), "1", grouped("imap", "jmap")) {
		t.Error("what is not known is taken for known")
	}
	if s.Time().IsZero() {
		t.Error("the cluster has no time")
	}
}

// Whatever Apply made of a report, the same report compares equal after it, or
// agents would be written to Raft with every heartbeat; and not before it.
func TestAReportIsKnownOnceItWasApplied(t *testing.T) {
	b := served(t, grouped("imap", "jmap"), "imap")
	c := b.reports("node-1", serving, "imap", "jmap")
	c.Reports[0].Detail = strings.Repeat("x", 4*maxText)
	if Reported(b.m.State().Node("node-1"), c.GetReportedGeneration(), c.GetReports()) {
		t.Fatal("it is known before it was said")
	}
	b.mustDo(c)
	if !Reported(b.m.State().Node("node-1"), c.GetReportedGeneration(), c.GetReports()) {
		t.Fatal("it is not known after it was said")
	}
	b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_DOWN))
	b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_UP))
	if Reported(b.m.State().Node("node-1"), c.GetReportedGeneration(), c.GetReports()) {
		t.Fatal("Apply took its readiness away, yet it need not be said again")
	}
}
