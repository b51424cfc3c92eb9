package fsm

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"roster/fsm/rollout"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// unfilled is a cluster that asks, and would start imap on a node that joined.
func unfilled(t *testing.T, who v1.Automation) *rig {
	b := initialised(t)
	top := floor(unified("imap"), "imap", 1)
	top.Policy = &v1.Policy{Repair: who, Rebalance: who}
	b.topology(top)
	b.nodes(2)
	b.serve("node-1", "imap")
	b.serve("node-2", "imap")
	b.mustDo(b.settle())
	b.register("node-3", claims(allServices...))
	return b
}

func TestWhatRosterWouldDoIsProposedWithWhatWasDecidedOfIt(t *testing.T) {
	b := unfilled(t, approve)
	plans := Proposed(b.m.State(), b.now)
	if len(plans) != 1 || plans[0].GetState() != v1.PlanState_PLAN_STATE_PENDING || plans[0].GetCause() != v1.Cause_CAUSE_REBALANCE {
		t.Fatalf("proposed: %v", plans)
	}
	p := plans[0]
	moves := rollout.PlanMoves(p.GetPlan())
	if len(moves) != 1 || moves[0].GetNode() != "node-3" || moves[0].GetService() != "imap" || p.GetPlan().GetBasis() != b.m.State().Basis(b.m.State().Topology().GetTopology()) || p.GetPlan().GetRevision() != 1 {
		t.Fatalf("plan: %v", p)
	}
	if again := Proposed(b.m.State(), b.now.Add(time.Minute)); len(again) != 1 || again[0].GetId() != p.GetId() {
		t.Fatalf("another look proposes another plan: %v", again)
	}
	c := &storev1.DecidePlan{Approval: &v1.Approval{Id: p.GetId(), Cause: p.GetCause(), Moves: moves, Rejected: true, Reason: "not now"}}
	b.mustDo(c)
	if p := Proposed(b.m.State(), b.now)[0]; p.GetState() != v1.PlanState_PLAN_STATE_REJECTED || p.GetBy() != operator || p.GetReason() != "not now" {
		t.Fatalf("after a rejection: %v", p)
	}
	c = proto.CloneOf(c)
	c.Approval.Rejected = false
	b.mustDo(c)
	if p := Proposed(b.m.State(), b.now)[0]; p.GetState() != v1.PlanState_PLAN_STATE_APPROVED {
		t.Fatalf("after an approval: %v", p)
	}
	b.mustDo(b.wave(moves...))
	if len(b.m.State().Approvals()) != 0 {
		t.Fatal("it is done, and still kept")
	}
}

func TestNothingIsProposedWhereRosterDecidesOrAnOrderIsOpen(t *testing.T) {
	if plans := Proposed(unfilled(t, auto).m.State(), began); len(plans) != 0 {
		t.Fatalf("under auto: %v", plans)
	}
	if plans := Proposed(unfilled(t, off).m.State(), began.Add(time.Hour)); len(plans) != 1 || plans[0].GetState() != v1.PlanState_PLAN_STATE_OFF {
		t.Fatalf("under off: %v", plans)
	}
	b := unfilled(t, approve)
	b.mustDo(drainOf("node-2", -1))
	for _, p := range Proposed(b.m.State(), b.now) {
		if p.GetCause() == v1.Cause_CAUSE_REBALANCE {
			t.Fatalf("while an order is carried out: %v", p)
		}
	}
	if plans := Proposed(initialised(t).m.State(), began); len(plans) != 0 {
		t.Fatalf("without a topology: %v", plans)
	}
}

// An operator who was shown a plan is not asked to look again because a node was
// not heard for a moment.
func TestABlipChangesNoBasisAndALossDoes(t *testing.T) {
	b := served(t, claims("imap"), "imap")
	wanted := floor(unified("imap"), "imap", 2)
	basis := func() string { return b.m.State().Basis(wanted) }
	was := basis()
	b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_SUSPECT))
	if basis() != was {
		t.Error("a suspect node is another basis")
	}
	b.mustDo(freeze("f", "all", time.Hour))
	b.mustDo(hold(3, false))
	b.mustDo(b.reports("node-2", failing, "imap"))
	if basis() != was {
		t.Error("what decides when a move is made decides whether a plan is meant")
	}
	for _, c := range []proto.Message{
		b.state("node-1", v1.NodeState_NODE_STATE_DOWN),
		drainOf("node-2", -1),
		&storev1.DrainNode{Id: "node-2"},
		&storev1.CordonNode{Id: "node-1", Cordoned: true},
		&storev1.RegisterNode{Id: "node-2", Instance: instance("node-2"), Claims: observing("imap")},
		&storev1.ActivateNode{Id: "node-2"},
		&storev1.UpdateNode{Id: "node-2", Zone: proto.String("z")},
		&storev1.RemoveNode{Id: "node-1", Force: true},
	} {
		before := basis()
		b.mustDo(c)
		if basis() == before {
			t.Errorf("%T %v changes no basis", c, c)
		}
	}
	c := apply(wanted)
	c.Basis, c.AcceptShortage, c.AllowStop = basis(), true, true
	if n := b.m.State().Node("node-2"); n.GetState() != v1.NodeState_NODE_STATE_UP {
		t.Fatal("this test shows nothing")
	}
	b.mustDo(b.state("node-2", v1.NodeState_NODE_STATE_SUSPECT))
	b.mustDo(c)
	if b.m.State().Topology().GetRevision() != 2 {
		t.Fatal("not applied")
	}
}
