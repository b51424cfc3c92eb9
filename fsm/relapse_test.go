package fsm

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"roster/fsm/placement"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

func (b *rig) unready(id, service string, want time.Time) {
	b.t.Helper()
	a := assignment(b.m.State().Node(id), service)
	if got := a.GetUnreadySince(); (got == nil) != want.IsZero() || got != nil && !got.AsTime().Equal(want) {
		b.t.Fatalf("%s on %s is not ready since %v, want %v", service, id, got.AsTime(), want)
	}
}

// last is the time of the last command.
func (b *rig) last() time.Time { return b.now.Add(-time.Second) }

// again reports that a service starts, since now by its agent's clock.
func (b *rig) again(id, service string) {
	report := b.reports(id, starting, service)
	report.Reports[0].Since = timestamppb.New(b.now)
	b.mustDo(report)
}

func TestAServiceThatWasReadyIsNotSinceItStoppedHoweverOftenItsAgentStartsIt(t *testing.T) {
	b := served(t, claims("imap"), "imap")
	b.unready("node-1", "imap", time.Time{})
	b.again("node-1", "imap")
	crashed := b.last()
	for range 5 {
		b.now = b.now.Add(7 * time.Second)
		b.again("node-1", "imap")
		b.mustDo(b.reports("node-1", failing, "imap"))
		b.unready("node-1", "imap", crashed)
	}
	b.mustDo(b.reports("node-1", serving, "imap"))
	b.unready("node-1", "imap", time.Time{})
	b.again("node-1", "imap")
	b.unready("node-1", "imap", b.last())
	b.unready("node-2", "imap", time.Time{})
	// What was never ready has only begun.
	b.register("node-3", claims("imap"))
	b.mustDo(b.wave(start("node-3", "imap")))
	b.again("node-3", "imap")
	b.unready("node-3", "imap", time.Time{})
}

func TestItStaysKnownSinceWhenAServiceIsNotReadyWhereItsSeatChanges(t *testing.T) {
	b := served(t, claims("imap"), "imap")
	b.again("node-1", "imap")
	crashed := b.last()
	b.mustDo(b.wave(reseat("node-1", "imap", "all", true)))
	b.unready("node-1", "imap", crashed)
}

func TestANodeThatComesBackStartsItsServicesAnew(t *testing.T) {
	b := served(t, claims("imap"), "imap")
	b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_DOWN))
	b.now = b.now.Add(time.Hour)
	b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_UP))
	b.unready("node-1", "imap", b.last())
	n := b.m.State().Node("node-1")
	policy := b.m.State().Effective().GetPolicy()
	if placement.Lost(n, "imap", policy, b.last().Add(placement.StartDeadline-1)) || !placement.Lost(n, "imap", policy, b.last().Add(placement.StartDeadline)) {
		t.Error("it is not given the time of a start")
	}
}

func TestARestartThatRosterOrderedIsNoted(t *testing.T) {
	b := initialised(t)
	b.topology(floor(floor(unified("imap", "jmap"), "imap", 0), "jmap", 0))
	b.register("node-1", grouped("imap", "jmap"))
	b.serve("node-1", "imap")
	b.mustDo(b.wave(start("node-1", "jmap")))
	moved := b.last()
	b.unready("node-1", "imap", moved)
	n := b.m.State().Node("node-1")
	if at := assignment(n, "imap").GetRestartedAt(); !at.AsTime().Equal(moved) || assignment(n, "jmap").GetRestartedAt() != nil {
		t.Fatalf("the restart is not noted: %v", n.GetAssignments())
	}
	policy := b.m.State().Effective().GetPolicy()
	if placement.Lost(n, "imap", policy, moved.Add(placement.StartDeadline-1)) || !placement.Lost(n, "imap", policy, moved.Add(placement.StartDeadline)) {
		t.Error("it is not given the time of a start")
	}
}

func TestAServiceThatIsGivenUpWhileItCrashesIsATroubleOfItsNode(t *testing.T) {
	b := afloat(t)
	b.serve("node-1", "imap")
	for range 4 {
		b.again("node-1", "imap")
		b.now = b.now.Add(5 * time.Second)
	}
	b.again("node-1", "imap")
	b.mustDo(b.wave(stop("node-1", "imap")))
	if got := b.trouble("node-1", "imap"); got.GetFailures() != 1 || !strings.Contains(got.GetReason(), "it was ready there, and has not been for 25s") {
		t.Fatalf("trouble: %v", got)
	}
}

// An older build would not know these fields.
func TestBeforeSchema3NothingIsKeptOfWhatIsNotReady(t *testing.T) {
	b := initialisedAt(t, 2)
	b.topology(floor(unified("imap", "jmap"), "imap", 0))
	b.register("node-1", grouped("imap", "jmap"))
	b.serve("node-1", "imap")
	b.mustDo(b.wave(start("node-1", "jmap")))
	b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_DOWN))
	b.mustDo(&storev1.RegisterNode{Id: "node-1", Instance: instance("node-1"), Claims: grouped("imap", "jmap")})
	for _, a := range b.m.State().Node("node-1").GetAssignments() {
		if a.GetUnreadySince() != nil || a.GetRestartedAt() != nil {
			t.Errorf("%v", a)
		}
	}
}
