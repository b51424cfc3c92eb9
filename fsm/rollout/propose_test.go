package rollout

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"roster/fsm/placement"
	v1 "roster/proto/roster/v1"
)

func approve(p *v1.Policy) { p.Repair, p.Rebalance = automationApprove, automationApprove }

const (
	automationApprove = v1.Automation_AUTOMATION_APPROVE
	automationOff     = v1.Automation_AUTOMATION_OFF
)

// approval is the operator's word on a proposal.
func approval(p *v1.ProposedPlan, rejected bool) *v1.Approval {
	a := &v1.Approval{Id: p.Id, Cause: p.Cause, Rejected: rejected, By: "anna", Reason: "seen", Time: stamp(noon)}
	for _, w := range p.Plan.Waves {
		for _, m := range WaveMoves(w) {
			a.Moves = append(a.Moves, proto.CloneOf(m))
		}
	}
	return a
}

func TestUnderApproveNothingMovesUntilThePlanThatAutoCarriesOutIsApproved(t *testing.T) {
	asked, auto := pairOf(t), pairOf(t)
	approve(asked.top.Policy)
	for _, c := range []*cluster{asked, auto} {
		c.fail("node-1")
		c.now = c.now.Add(5 * time.Minute)
	}
	mustHold(t, asked.aim(moved, ""), "start imap node-4", "policy.repair waits for the operator's approval")
	proposed := Propose(asked.viewOf(moved), repair)
	if proposed.GetState() != v1.PlanState_PLAN_STATE_PENDING || proposed.GetId() == "" {
		t.Fatalf("%v", proposed)
	}
	if got := Propose(asked.viewOf(moved), rebalance); got != nil {
		t.Errorf("nothing is to be rebalanced, but %v", got)
	}
	if got := Propose(auto.viewOf(moved), repair); got != nil {
		t.Errorf("auto asks nobody, but %v", got)
	}
	asked.restraints.Approvals = []*v1.Approval{approval(proposed, false)}
	for _, c := range []*cluster{asked, auto} {
		c.waves = nil
		c.runTo(moved)
		var came []*v1.Move
		for _, w := range c.waves {
			came = append(came, w...)
		}
		if got, want := planID(came), proposed.Id; got != want || len(came) != 2 {
			t.Errorf("%s came, announced was %v", write(came), proposed.Plan.Waves)
		}
	}
}

// runTo goes on towards a target until nothing happens any more.
func (c *cluster) runTo(target *placement.Target) Step {
	c.t.Helper()
	for range 100 {
		step := c.stepTo(c.viewOf(target))
		if len(step.Moves) == 0 && !c.settle(func() bool { return true }) {
			return step
		}
	}
	c.t.Fatalf("the rollout does not end; last wave %s", write(c.waves[len(c.waves)-1]))
	return Step{}
}

func TestAPlanIsNamedByItsMovesAlone(t *testing.T) {
	moves := []*v1.Move{
		{Node: "node-1", Service: "imap", Action: v1.Action_ACTION_START, Pool: "mail", Reason: "one"},
		{Node: "node-2", Service: "imap", Action: v1.Action_ACTION_START, Pool: "mail", Borrowed: true},
	}
	id := planID(moves)
	moves[0].Reason, moves[0].Cause = "another", repair
	slices.Reverse(moves)
	if planID(moves) != id {
		t.Errorf("reasons and order make another id")
	}
	for i, change := range []func(m *v1.Move){
		func(m *v1.Move) { m.Node = "node-9" }, func(m *v1.Move) { m.Service = "jmap" }, func(m *v1.Move) { m.Pool = "web" },
		func(m *v1.Move) { m.Borrowed = !m.Borrowed }, func(m *v1.Move) { m.Action = v1.Action_ACTION_STOP },
	} {
		other := []*v1.Move{moves[0], proto.CloneOf(moves[1])}
		change(other[1])
		if planID(other) == id {
			t.Errorf("change %d makes no other id", i)
		}
	}
	if planID(moves[:1]) == id {
		t.Errorf("fewer moves make no other id")
	}
}

func TestARejectedPlanStaysUndoneAndAnotherLossIsProposedAnew(t *testing.T) {
	c := pairOf(t)
	approve(c.top.Policy)
	c.fail("node-1")
	first := Propose(c.viewOf(lent), repair)
	c.restraints.Approvals = []*v1.Approval{approval(first, true)}
	again := Propose(c.viewOf(lent), repair)
	if again.GetId() != first.GetId() || again.GetState() != v1.PlanState_PLAN_STATE_REJECTED || again.GetBy() != "anna" || again.GetReason() != "seen" {
		t.Errorf("%v", again)
	}
	mustHold(t, c.aim(lent, ""), "start imap node-3", "policy.repair waits")
	more := targetOf("mail: node-1 node-2", "web: node-3", "imap for mail: node-4")
	if other := Propose(c.viewOf(more), repair); other.GetId() == first.GetId() || other.GetState() != v1.PlanState_PLAN_STATE_PENDING {
		t.Errorf("%v", other)
	}
}

func TestAnApprovedPlanIsApprovedUntilItIsDone(t *testing.T) {
	c := pairOf(t)
	approve(c.top.Policy)
	c.adopt(floor(c.top, "imap", 1))
	moves := targetOf("mail: node-2 node-4", "web: node-3")
	p := Propose(c.viewOf(moves), rebalance)
	c.restraints.Approvals = []*v1.Approval{approval(p, false)}
	for _, want := range []string{"start imap node-4", "drain imap node-1", "stop imap node-1"} {
		if p := Propose(c.viewOf(moves), rebalance); p.GetState() != v1.PlanState_PLAN_STATE_APPROVED {
			t.Errorf("before %q: %v", want, p)
		}
		c.aim(moves, want)
		c.finish()
	}
	if p := Propose(c.viewOf(moves), rebalance); p != nil {
		t.Errorf("all is done, but %v", p)
	}
}

func TestWherePolicyIsOffAPlanShowsWhatWouldBeDone(t *testing.T) {
	c := pairOf(t)
	c.top.Policy.Repair = automationOff
	c.fail("node-1")
	if p := Propose(c.viewOf(lent), repair); p.GetState() != v1.PlanState_PLAN_STATE_OFF || write(PlanMoves(p.Plan)) != "start imap node-3" || len(p.Plan.Loans) != 1 {
		t.Errorf("%v", p)
	}
	mustHold(t, c.aim(lent, ""), "start imap node-3", "policy.repair is off")
}

func TestAnOperatorsOrderNeedsNoApprovalButARepairDoes(t *testing.T) {
	c := pairOf(t)
	approve(c.top.Policy)
	c.restraints.Open = true
	both := targetOf("mail: node-1 node-2", "web: node-3 node-4")
	c.adopt(floor(topologyOf(count("mail", 2, "imap"), count("web", 2, "jmap")), "imap", 2))
	approve(c.top.Policy)
	if p := Propose(c.viewOf(both), rebalance); p != nil {
		t.Errorf("%v is proposed, though it was ordered", p)
	}
	c.fail("node-1")
	step := c.aim(targetOf("mail: node-1 node-2", "web: node-3 node-4", "imap for mail: node-3"), "start jmap node-4")
	mustHold(t, step, "start imap node-3", "policy.repair waits")
	c.finish()
	c.restraints.Open = false
	c.aim(targetOf("mail: node-1 node-2", "web: node-3"), "")
}

func TestAProposalHasNothingThatIsHeldForAnotherReason(t *testing.T) {
	c := pairOf(t)
	approve(c.top.Policy)
	c.fail("node-1")
	c.restraints.Freezes = []*v1.Freeze{freezeOf("node:node-3", noon.Add(time.Hour))}
	if p := Propose(c.viewOf(lent), repair); p != nil {
		t.Errorf("%v", p)
	}
	two := targetOf("mail: node-1 node-2", "web: node-3", "imap for mail: node-3", "imap for mail: node-4")
	if p := Propose(c.viewOf(two), repair); write(PlanMoves(p.GetPlan())) != "start imap node-4" {
		t.Errorf("%v", p)
	}
}
