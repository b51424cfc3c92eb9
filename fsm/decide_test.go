package fsm

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// asking is regions under a policy that asks for approval.
func asking(t *testing.T, repair, rebalance v1.Automation) *rig {
	b := regions(t)
	top := floor(floor(unified("imap", "jmap"), "imap", 0), "jmap", 0)
	top.Policy = &v1.Policy{Repair: repair, Rebalance: rebalance}
	b.topology(top)
	return b
}

const (
	approve = v1.Automation_AUTOMATION_APPROVE
	off     = v1.Automation_AUTOMATION_OFF
	auto    = v1.Automation_AUTOMATION_AUTO
)

func decision(id string, cause v1.Cause, moves ...*v1.Move) *storev1.DecidePlan {
	for _, m := range moves {
		m.Cause = cause
	}
	return &storev1.DecidePlan{Approval: &v1.Approval{Id: id, Cause: cause, Moves: moves, Reason: "go"}}
}

func (b *rig) settle() *storev1.SettleRollout {
	s := b.m.State()
	return &storev1.SettleRollout{Revision: s.Topology().GetRevision(), Order: s.RolloutOrder().GetOrder()}
}

func TestADecisionIsKeptUntilANewerOneOfItsCause(t *testing.T) {
	b := asking(t, approve, approve)
	b.mustDo(decision("p1", v1.Cause_CAUSE_REBALANCE, drain("node-1", "imap")))
	b.mustDo(decision("p2", v1.Cause_CAUSE_REPAIR, drain("node-2", "imap"), drain("node-2", "jmap")))
	a := b.m.State().Approvals()
	if len(a) != 2 || a[0].GetCause() != v1.Cause_CAUSE_REBALANCE || a[1].GetId() != "p2" || a[1].GetBy() != operator || a[1].GetTime() == nil || a[1].GetReason() != "go" || len(a[1].GetMoves()) != 2 {
		t.Fatalf("approvals: %v", a)
	}
	if e := b.wantEvent(EventPlanApproved, func(e *v1.Event) bool { return strings.Contains(e.GetMessage(), "p2") }); e.GetReason() != "go" || e.GetActor() != operator {
		t.Fatalf("event: %v", e)
	}
	no := decision("p3", v1.Cause_CAUSE_REPAIR, drain("node-2", "imap"))
	no.Approval.Rejected = true
	b.mustDo(no)
	if a := b.m.State().Approvals(); len(a) != 2 || !a[1].GetRejected() || a[1].GetId() != "p3" {
		t.Fatalf("approvals: %v", a)
	}
	b.wantEvent(EventPlanRejected, nil)
	if view := Rollout(b.m.State(), b.m.State().Effective(), nil, b.now, nil); len(view.Restraints.Approvals) != 2 {
		t.Fatalf("restraints: %v", view.Restraints)
	}
	b.topology(floor(floor(unified("imap", "jmap"), "imap", 0), "jmap", 0))
	if a := b.m.State().Approvals(); len(a) != 0 {
		t.Fatalf("decisions about another topology: %v", a)
	}
}

func TestBadDecisionsAreRefused(t *testing.T) {
	b := asking(t, approve, off)
	change := func(f func(*v1.Approval)) *storev1.DecidePlan {
		c := decision("p", v1.Cause_CAUSE_REPAIR, drain("node-1", "imap"))
		f(c.GetApproval())
		return c
	}
	for name, c := range map[string]*storev1.DecidePlan{
		"nothing":        {},
		"no id":          change(func(a *v1.Approval) { a.Id = "" }),
		"an odd id":      change(func(a *v1.Approval) { a.Id = "a\nb" }),
		"no cause":       change(func(a *v1.Approval) { a.Cause = 0 }),
		"a new cause":    change(func(a *v1.Approval) { a.Cause = 9 }),
		"no move":        change(func(a *v1.Approval) { a.Moves = nil }),
		"many moves":     change(func(a *v1.Approval) { a.Moves = make([]*v1.Move, maxMovesInPlan+1) }),
		"an empty move":  change(func(a *v1.Approval) { a.Moves = []*v1.Move{{}} }),
		"an odd node":    change(func(a *v1.Approval) { a.Moves[0].Node = "Node 1" }),
		"an odd service": change(func(a *v1.Approval) { a.Moves[0].Service = "IMAP" }),
		"no action":      change(func(a *v1.Approval) { a.Moves[0].Action = 0 }),
		"a new action":   change(func(a *v1.Approval) { a.Moves[0].Action = 99 }),
		"a long pool":    change(func(a *v1.Approval) { a.Moves[0].Pool = strings.Repeat("a", 64) }),
		"a long reason":  change(func(a *v1.Approval) { a.Reason = strings.Repeat("a", maxText+1) }),
	} {
		t.Log(name)
		b.refuse(ReasonInvalid, c)
	}
	b.refuse(ReasonNotAsked, decision("p", v1.Cause_CAUSE_REBALANCE, drain("node-1", "imap")))
	b = asking(t, auto, auto)
	b.refuse(ReasonNotAsked, decision("p", v1.Cause_CAUSE_REPAIR, drain("node-1", "imap")))
	initialised(t).refuse(ReasonNoTopology, decision("p", v1.Cause_CAUSE_REPAIR, drain("node-1", "imap")))
}

func TestADecisionIsForgottenWhenNothingOfItIsLeftToDo(t *testing.T) {
	b := asking(t, approve, approve)
	b.mustDo(decision("p1", v1.Cause_CAUSE_REPAIR, drain("node-1", "imap"), stop("node-1", "imap"), drain("node-9", "imap")))
	for _, m := range []*v1.Move{drain("node-1", "imap"), stop("node-1", "imap")} {
		if len(b.m.State().Approvals()) != 1 {
			t.Fatalf("forgotten before %v", m)
		}
		b.mustDo(b.settle())
		b.mustDo(b.wave(m))
		b.mustDo(b.reports("node-1", drained, "imap"))
	}
	if len(b.m.State().Approvals()) != 0 {
		t.Fatalf("still kept: %v", b.m.State().Approvals())
	}
	// A freeze ends by itself; what was approved waits for that.
	b.mustDo(decision("p2", v1.Cause_CAUSE_REPAIR, start("node-1", "imap")))
	b.mustDo(freeze("f", "all", time.Hour))
	b.mustDo(b.settle())
	if len(b.m.State().Approvals()) != 1 {
		t.Fatal("forgotten because of a freeze")
	}
	b.mustDo(&storev1.DeleteFreezes{Id: "f"})
	// A start waits for a node that is away for a moment, not for one that is down.
	b.mustDo(decision("p2", v1.Cause_CAUSE_REPAIR, start("node-1", "imap")))
	b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_SUSPECT))
	b.mustDo(b.settle())
	if len(b.m.State().Approvals()) != 1 {
		t.Fatal("forgotten by a blip")
	}
	b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_DOWN))
	if r := b.mustDo(b.settle()); !r.GetChanged() || len(b.m.State().Approvals()) != 0 {
		t.Fatal("it waits for a node that is down")
	}
}

func TestAnOrderIsOpenUntilItsRolloutIsSettled(t *testing.T) {
	b := regions(t)
	open := func(by string) uint64 {
		t.Helper()
		o := b.m.State().RolloutOrder()
		if !o.GetOpen() || o.GetOrder() != b.index {
			t.Fatalf("%s opened no order: %v at %d", by, o, b.index)
		}
		if !Rollout(b.m.State(), b.m.State().Effective(), nil, b.now, nil).Restraints.Open {
			t.Fatal("the rollout does not know")
		}
		b.mustDo(b.settle())
		if o := b.m.State().RolloutOrder(); o.GetOpen() {
			t.Fatalf("not settled: %v", o)
		}
		if r := b.mustDo(b.settle()); r.GetChanged() {
			t.Fatal("settled twice")
		}
		return o.GetOrder()
	}
	b.topology(unified("imap"))
	first := open("an apply")
	b.wantEvent(EventRolloutSettled, nil)
	b.mustDo(&storev1.ApplyTopology{RollbackTo: 1, AllowStop: true, AcceptShortage: true})
	open("a rollback")
	b.mustDo(drainOf("node-1", -1))
	open("a drain")
	b.mustDo(&storev1.DrainNode{Id: "node-1"})
	open("an undrain")
	b.refuse(ReasonStaleOrder, &storev1.SettleRollout{Revision: b.m.State().Topology().GetRevision(), Order: first})
	b.refuse(ReasonStaleOrder, &storev1.SettleRollout{Revision: 99, Order: b.m.State().RolloutOrder().GetOrder()})
	// What changes nothing, or moves nothing, opens none.
	for _, c := range []proto.Message{
		&storev1.ApplyTopology{Topology: b.m.State().Topology().GetTopology(), Source: b.m.State().Topology().GetSource()},
		&storev1.CordonNode{Id: "node-1", Cordoned: true}, freeze("f", "all", time.Hour), b.state("node-2", v1.NodeState_NODE_STATE_DOWN),
	} {
		b.mustDo(c)
		if b.m.State().RolloutOrder().GetOpen() {
			t.Fatalf("%T opened an order", c)
		}
	}
}
