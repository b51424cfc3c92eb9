package fsm

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

func hold(silent uint32, slow bool, names ...string) *storev1.SetNodeStates {
	return &storev1.SetNodeStates{Hold: &storev1.HoldChange{Hold: &v1.Hold{
		SilentCount: silent, Registered: 10, Slow: slow, Silent: names, Reason: "they are of three zones",
	}}}
}

func noHold(reason string) *storev1.SetNodeStates {
	return &storev1.SetNodeStates{Hold: &storev1.HoldChange{Reason: reason}}
}

func TestAHoldBeginsChangesAndEnds(t *testing.T) {
	b := initialised(t)
	b.nodes(3)
	both := hold(4, false, "node-1")
	both.Changes = b.state("node-1", v1.NodeState_NODE_STATE_DOWN).GetChanges()
	b.mustDo(both)
	s := b.m.State()
	began := s.Hold().GetSince()
	if s.Hold() == nil || s.Hold().GetSilentCount() != 4 || s.Node("node-1").GetState() != v1.NodeState_NODE_STATE_DOWN {
		t.Fatalf("hold %v, node %v", s.Hold(), s.Node("node-1"))
	}
	if e := b.wantEvent(EventHoldBegan, nil); e.GetReason() == "" || !strings.Contains(e.GetMessage(), "4 of 10") {
		t.Fatalf("event: %v", e)
	}
	events := len(b.kinds())
	if r := b.mustDo(hold(4, false, "node-1")); r.GetChanged() {
		t.Fatal("the same judgement again changed something")
	}
	b.mustDo(hold(5, false, "node-1", "node-2"))
	if h := b.m.State().Hold(); h.GetSilentCount() != 5 || !h.GetSince().AsTime().Equal(began.AsTime()) || len(b.kinds()) != events {
		t.Fatalf("hold %v, events %v", h, b.kinds())
	}
	b.mustDo(hold(5, true, "node-1", "node-2"))
	b.wantEvent(EventHoldChanged, nil)
	b.mustDo(noHold("they were heard"))
	if e := b.wantEvent(EventHoldEnded, nil); b.m.State().Hold() != nil || e.GetReason() != "they were heard" {
		t.Fatalf("event: %v", e)
	}
	if r := b.mustDo(noHold("again")); r.GetChanged() {
		t.Fatal("a hold ended twice")
	}
	if r := b.mustDo(&storev1.SetNodeStates{}); r.GetChanged() || b.m.State().Hold() != nil {
		t.Fatal("no judgement changed something")
	}
}

func TestAHoldIsKeptWithinBounds(t *testing.T) {
	b := initialised(t)
	var names []string
	for i := range 300 {
		names = append(names, fmt.Sprintf("node-%d", i))
	}
	c := hold(300, false, names...)
	c.Hold.Hold.Reason = strings.Repeat("a", 3*maxText)
	b.mustDo(c)
	if h := b.m.State().Hold(); len(h.GetSilent()) != maxSilent || len(h.GetReason()) != maxText {
		t.Fatalf("%d names, a reason of %d bytes", len(h.GetSilent()), len(h.GetReason()))
	}
}

func TestAnOverrideEndsAHoldAndLetsNoneBegin(t *testing.T) {
	b := initialised(t)
	b.mustDo(hold(4, false))
	b.mustDo(&storev1.OverrideHold{Reason: "the room burns", Within: durationpb.New(10 * time.Minute)})
	o := b.m.State().HoldOverride()
	if b.m.State().Hold() != nil || o.GetBy() != operator || o.GetReason() != "the room burns" {
		t.Fatalf("hold %v, override %v", b.m.State().Hold(), o)
	}
	b.wantEvent(EventHoldOverridden, nil)
	b.wantEvent(EventHoldEnded, nil)
	if r := b.do(hold(5, false)); len(r.GetParts()) != 1 || r.GetChanged() || b.m.State().Hold() != nil {
		t.Fatalf("a hold began against the operator's word: %v", r)
	}
	b.now = b.now.Add(11 * time.Minute)
	b.mustDo(hold(5, false))
	if b.m.State().Hold() == nil {
		t.Fatal("an override that ended keeps a hold from beginning")
	}
	b.mustDo(&storev1.OverrideHold{Reason: "again"})
	if got := b.m.State().HoldOverride().GetExpires().AsTime().Sub(b.now); got > time.Hour || got < 59*time.Minute {
		t.Fatalf("by default it lasts %s", got)
	}
}

func TestBadOverridesAreRefused(t *testing.T) {
	b := initialised(t)
	for name, c := range map[string]*storev1.OverrideHold{
		"no reason":  {Within: durationpb.New(time.Hour)},
		"too long":   {Reason: "r", Within: durationpb.New(25 * time.Hour)},
		"too short":  {Reason: "r", Within: durationpb.New(time.Millisecond)},
		"negative":   {Reason: "r", Within: durationpb.New(-time.Hour)},
		"no time":    {Reason: "r", Expires: &timestamppb.Timestamp{Nanos: -5}},
		"past":       {Reason: "r", Expires: timestamppb.New(began.Add(-time.Hour))},
		"far future": {Reason: "r", Expires: timestamppb.New(began.Add(48 * time.Hour))},
	} {
		t.Log(name)
		b.refuse(ReasonInvalid, c)
	}
}
