package rpc

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	v1 "roster/proto/roster/v1"
)

const asked = `name: asked
pools:
  - {name: imap, services: [imap], count: 2}
policy: {repair: approve}
`

// lossOf is a cluster that asks before it repairs, where n-3 is free and n-1 is
// down. It returns the plan.
func lossOf(t *testing.T, l *live, topology string) *v1.ProposedPlan {
	t.Helper()
	for _, id := range []string{"n-1", "n-2", "n-3"} {
		l.log.Register(id, "imap")
	}
	l.log.Apply(topology)
	l.serves("imap", "imap", "n-1", "n-2")
	l.log.SetState("n-1", v1.NodeState_NODE_STATE_DOWN)
	answer, err := l.plans().ListPlans(t.Context(), &v1.ListPlansRequest{})
	l.must(err)
	if len(answer.GetPlans()) != 1 || answer.GetPlans()[0].GetCause() != v1.Cause_CAUSE_REPAIR {
		t.Fatalf("proposed: %v", answer)
	}
	return answer.GetPlans()[0]
}

func (l *live) decide(approve bool, requestID, id string) (uint64, error) {
	if approve {
		answer, err := l.plans().ApprovePlan(l.t.Context(), &v1.ApprovePlanRequest{RequestId: requestID, Id: id, Reason: "fine"})
		return answer.GetIndex(), err
	}
	answer, err := l.plans().RejectPlan(l.t.Context(), &v1.RejectPlanRequest{RequestId: requestID, Id: id, Reason: "not now"})
	return answer.GetIndex(), err
}

func TestAPlanIsApprovedMoveByMoveAndOnce(t *testing.T) {
	l := serve(t)
	plan := lossOf(t, l, asked)
	shown, err := l.plans().GetPlan(t.Context(), &v1.GetPlanRequest{Id: plan.GetId()})
	if err != nil || !proto.Equal(shown.GetPlan(), plan) || plan.GetState() != v1.PlanState_PLAN_STATE_PENDING {
		t.Errorf("shown by its id: %v, %v", shown, err)
	}
	request := l.RequestID()
	index, err := l.decide(true, request, plan.GetId())
	l.must(err)
	words := l.log.Machine.State().Approvals()
	if len(words) != 1 || words[0].GetRejected() || words[0].GetId() != plan.GetId() || words[0].GetBy() == "" || words[0].GetReason() != "fine" {
		t.Fatalf("recorded: %v", words)
	}
	moves := movesOf(plan.GetPlan())
	if len(moves) == 0 || len(words[0].GetMoves()) != len(moves) || !proto.Equal(words[0].GetMoves()[0], moves[0]) {
		t.Errorf("approved are %v, shown were %v", words[0].GetMoves(), moves)
	}
	// It is carried out, and the reply was lost.
	l.log.Move("n-3", v1.Action_ACTION_START, "imap", "test", "imap")
	again, err := l.decide(true, request, plan.GetId())
	if err != nil || again != index {
		t.Errorf("sent again: index %d, %v; it was %d", again, err, index)
	}
	// Under the same id nothing else is decided.
	_, err = l.decide(false, request, plan.GetId())
	l.refuse(err, want{codes.Aborted, "STALE_PLAN", "nothing is proposed now"})
	_, err = l.decide(true, request, "0123456789abcdef")
	l.refuse(err, want{codes.Aborted, "STALE_PLAN", "nothing is proposed now"})
	_, err = l.decide(true, l.RequestID(), plan.GetId())
	l.refuse(err, want{codes.Aborted, "STALE_PLAN", "nothing is proposed now"})
}

func TestAPlanThatIsNotWhatIsProposedNowIsDecidedByNobody(t *testing.T) {
	l := serve(t)
	old := lossOf(t, l, asked)
	// n-3 cannot take it any more, n-4 can.
	l.log.Register("n-4", "imap")
	l.log.SetState("n-3", v1.NodeState_NODE_STATE_DOWN)
	for _, approve := range []bool{true, false} {
		l.stays(func() {
			_, err := l.decide(approve, l.RequestID(), old.GetId())
			l.refuse(err, want{codes.Aborted, "STALE_PLAN", "roster plan show"})
			_, err = l.decide(approve, l.RequestID(), "0123456789abcdef")
			l.refuse(err, want{codes.Aborted, "STALE_PLAN", "now it is"})
			_, err = l.decide(approve, l.RequestID(), "")
			l.refuse(err, want{codes.InvalidArgument, "INVALID", "roster plan list"})
			_, err = l.decide(approve, "", old.GetId())
			l.refuse(err, want{codes.InvalidArgument, "INVALID", "request_id"})
		})
	}
	_, err := l.plans().GetPlan(t.Context(), &v1.GetPlanRequest{Id: old.GetId()})
	l.refuse(err, want{codes.NotFound, "NOT_FOUND", "now it is"})
	_, err = l.plans().GetPlan(t.Context(), &v1.GetPlanRequest{})
	l.refuse(err, want{codes.InvalidArgument, "INVALID", "roster plan list"})
	l.log.SetState("n-1", v1.NodeState_NODE_STATE_UP)
	l.log.Obey("n-1")
	_, err = l.decide(true, l.RequestID(), old.GetId())
	l.refuse(err, want{codes.Aborted, "STALE_PLAN", "nothing is proposed now"})
}

func TestARejectedPlanIsSaidToBeThat(t *testing.T) {
	l := serve(t)
	plan := lossOf(t, l, asked)
	_, err := l.decide(false, l.RequestID(), plan.GetId())
	l.must(err)
	shown, err := l.plans().GetPlan(t.Context(), &v1.GetPlanRequest{Id: plan.GetId()})
	if err != nil || shown.GetPlan().GetState() != v1.PlanState_PLAN_STATE_REJECTED || shown.GetPlan().GetReason() != "not now" {
		t.Errorf("%v, %v", shown, err)
	}
	// On second thoughts.
	_, err = l.decide(true, l.RequestID(), plan.GetId())
	if words := l.log.Machine.State().Approvals(); err != nil || len(words) != 1 || words[0].GetRejected() {
		t.Errorf("%v, %v", words, err)
	}
}

func TestWhatPolicyKeepsOffIsShownAndCannotBeApproved(t *testing.T) {
	l := serve(t)
	plan := lossOf(t, l, "name: idle\npools:\n  - {name: imap, services: [imap], count: 2}\npolicy: {repair: \"off\"}\n")
	if plan.GetState() != v1.PlanState_PLAN_STATE_OFF || len(movesOf(plan.GetPlan())) == 0 {
		t.Errorf("%v", plan)
	}
	l.stays(func() {
		_, err := l.decide(true, l.RequestID(), plan.GetId())
		l.refuse(err, want{codes.FailedPrecondition, "NOT_ASKED", "policy.repair is off"})
	})
}
