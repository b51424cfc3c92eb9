package fsm

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"roster/fsm/rollout"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

func (b *rig) trouble(id, service string) *v1.Trouble {
	for _, t := range b.m.State().Node(id).GetTroubles() {
		if t.GetService() == service {
			return t
		}
	}
	return nil
}

// afloat is a node that can be asked for imap and jmap, whose floors are 0.
func afloat(t *testing.T) *rig {
	b := initialised(t)
	b.topology(floor(floor(unified("imap", "jmap"), "imap", 0), "jmap", 0))
	b.register("node-1", claims("imap", "jmap"))
	return b
}

// fail starts imap on node-1, which fails, and gives it up.
func (b *rig) fail(end func(string, string) *v1.Move) {
	b.t.Helper()
	b.mustDo(b.wave(start("node-1", "imap")))
	report := b.reports("node-1", failing, "imap")
	report.Reports[0].Detail = "port 143 is taken"
	b.mustDo(report)
	b.mustDo(b.wave(end("node-1", "imap")))
}

func TestAServiceThatIsGivenUpWhileItFailsIsATroubleOfItsNode(t *testing.T) {
	b := afloat(t)
	b.fail(stop)
	first := b.trouble("node-1", "imap")
	if first.GetFailures() != 1 || !first.GetLast().AsTime().Equal(b.now.Add(-time.Second)) || !strings.Contains(first.GetReason(), "port 143 is taken") {
		t.Fatalf("trouble: %v", first)
	}
	b.fail(drain)
	if again := b.trouble("node-1", "imap"); again.GetFailures() != 2 || !again.GetLast().AsTime().After(first.GetLast().AsTime()) {
		t.Fatalf("trouble: %v", again)
	}
	// The stop that follows a drain is no failure of its own.
	b.mustDo(b.reports("node-1", failing, "imap"))
	b.mustDo(b.wave(stop("node-1", "imap")))
	if again := b.trouble("node-1", "imap"); again.GetFailures() != 2 {
		t.Fatalf("trouble: %v", again)
	}
	b.serve("node-1", "imap")
	if got := b.trouble("node-1", "imap"); got != nil {
		t.Fatalf("it became ready, and is a trouble: %v", got)
	}
}

func TestOnlyWhatHadTimeToWorkAndDidNotIsATrouble(t *testing.T) {
	b := afloat(t)
	b.serve("node-1", "imap")
	b.mustDo(b.wave(drain("node-1", "imap")))
	b.mustDo(b.reports("node-1", drained, "imap"))
	b.mustDo(b.wave(stop("node-1", "imap")))
	b.mustDo(b.wave(start("node-1", "imap")))
	b.mustDo(b.reports("node-1", starting, "imap"))
	b.mustDo(b.wave(stop("node-1", "imap")))
	if got := b.m.State().Node("node-1").GetTroubles(); len(got) != 0 {
		t.Fatalf("troubles: %v", got)
	}
	b.mustDo(b.wave(start("node-1", "imap")))
	b.mustDo(b.reports("node-1", starting, "imap"))
	b.now = b.now.Add(rollout.StartDeadline)
	b.mustDo(b.wave(stop("node-1", "imap")))
	if got := b.trouble("node-1", "imap"); got.GetFailures() != 1 || !strings.Contains(got.GetReason(), "did not become ready") {
		t.Fatalf("trouble: %v", got)
	}
	// Of a node that is down nothing is known.
	b.mustDo(b.wave(start("node-1", "jmap")))
	b.mustDo(b.reports("node-1", failing, "jmap"))
	b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_DOWN))
	b.mustDo(b.wave(stop("node-1", "jmap")))
	if got := b.trouble("node-1", "jmap"); got != nil {
		t.Fatalf("trouble: %v", got)
	}
}

func TestTheOperatorsWordEndsTroubles(t *testing.T) {
	for name, word := range map[string]func(b *rig){
		"uncordon": func(b *rig) { b.mustDo(&storev1.CordonNode{Id: "node-1"}) },
		"undrain": func(b *rig) {
			b.mustDo(drainOf("node-1", -1))
			if b.trouble("node-1", "imap") == nil {
				b.t.Fatal("a drain ended it")
			}
			b.mustDo(&storev1.DrainNode{Id: "node-1"})
		},
		"update": func(b *rig) { b.mustDo(&storev1.UpdateNode{Id: "node-1", Zone: proto.String("z")}) },
		"a new agent": func(b *rig) {
			b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_DOWN))
			b.mustDo(&storev1.RegisterNode{Id: "node-1", Instance: "new", Claims: claims("imap")})
		},
	} {
		b := afloat(t)
		b.fail(stop)
		b.mustDo(&storev1.CordonNode{Id: "node-1", Cordoned: true})
		if b.trouble("node-1", "imap") == nil {
			t.Fatal("a cordon ended it")
		}
		b.mustDo(&storev1.CordonNode{Id: "node-1"})
		b.fail(stop)
		word(b)
		if got := b.trouble("node-1", "imap"); got != nil {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestTroublesAreSortedAndBounded(t *testing.T) {
	d := &draft{env: &storev1.Envelope{Schema: Schema}}
	var troubles []*v1.Trouble
	for i := range 3 * maxTroubles {
		troubles = d.troubled(troubles, nodeID(i), "r")
	}
	sorted := slices.IsSortedFunc(troubles, func(a, b *v1.Trouble) int { return strings.Compare(a.GetService(), b.GetService()) })
	if len(troubles) != maxTroubles || !sorted {
		t.Fatalf("%d troubles, sorted %t", len(troubles), sorted)
	}
}

func TestAReturnFromDownIsCountedAndABlipIsNot(t *testing.T) {
	b := served(t, claims("imap"), "imap")
	node := func() *v1.Node { return b.m.State().Node("node-1") }
	b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_SUSPECT))
	b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_UP))
	b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_SUSPECT))
	b.register("node-1", claims("imap"))
	if node().GetFlaps() != 0 || node().GetReturnedAt() != nil {
		t.Fatalf("a blip counts: %v", node())
	}
	for i, back := range []func(){
		func() { b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_UP)) },
		func() { b.register("node-1", claims("imap")) },
		func() { b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_SUSPECT)) },
	} {
		b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_DOWN))
		back()
		if int(node().GetFlaps()) != i+1 || !node().GetReturnedAt().AsTime().Equal(b.now.Add(-time.Second)) {
			t.Fatalf("return %d: %d flaps, returned at %v", i+1, node().GetFlaps(), node().GetReturnedAt())
		}
	}
	b.now = b.now.Add(calmAfter + time.Minute)
	b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_DOWN))
	b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_UP))
	if node().GetFlaps() != 1 {
		t.Fatalf("after an hour up: %d flaps", node().GetFlaps())
	}
}
