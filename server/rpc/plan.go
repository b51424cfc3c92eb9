package rpc

import (
	"context"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/fsm/rollout"
	"roster/server/rpc/auth"
	"roster/server/rpc/problem"
)

// Plans implements PlanService. What is proposed follows from the state, so each
// member works it out by itself.
type Plans struct {
	v1.UnimplementedPlanServiceServer
	Gate    *Gate
	Machine *fsm.Machine
}

// ListPlans implements PlanService.
func (p *Plans) ListPlans(ctx context.Context, r *v1.ListPlansRequest) (*v1.ListPlansResponse, error) {
	state, err := read(ctx, p.Gate, p.Machine, r.GetStale())
	if err != nil {
		return nil, err
	}
	return &v1.ListPlansResponse{Plans: fsm.Proposed(state, timeOf(state)), Index: state.Index()}, nil
}

// GetPlan implements PlanService.
func (p *Plans) GetPlan(ctx context.Context, r *v1.GetPlanRequest) (*v1.GetPlanResponse, error) {
	if err := requirePlan(r.GetId()); err != nil {
		return nil, err
	}
	state, err := read(ctx, p.Gate, p.Machine, r.GetStale())
	if err != nil {
		return nil, err
	}
	plans := fsm.Proposed(state, timeOf(state))
	plan := planOf(plans, r.GetId())
	if plan == nil {
		return nil, problem.New(codes.NotFound, problem.NotFound, "there is no plan %s: %s", r.GetId(), whatIsProposed(plans))
	}
	return &v1.GetPlanResponse{Plan: plan, Index: state.Index()}, nil
}

// ApprovePlan implements PlanService.
func (p *Plans) ApprovePlan(ctx context.Context, r *v1.ApprovePlanRequest) (*v1.ApprovePlanResponse, error) {
	index, err := p.decide(ctx, r.GetRequestId(), r.GetId(), r.GetReason(), false)
	if err != nil {
		return nil, err
	}
	return &v1.ApprovePlanResponse{Index: index}, nil
}

// RejectPlan implements PlanService.
func (p *Plans) RejectPlan(ctx context.Context, r *v1.RejectPlanRequest) (*v1.RejectPlanResponse, error) {
	index, err := p.decide(ctx, r.GetRequestId(), r.GetId(), r.GetReason(), true)
	if err != nil {
		return nil, err
	}
	return &v1.RejectPlanResponse{Index: index}, nil
}

// decide records the operator's word on exactly the plan that it names. A plan
// that is not proposed any more is decided by nobody: the operator has seen
// other moves than those that would be made.
func (p *Plans) decide(ctx context.Context, requestID, id, reason string, rejected bool) (uint64, error) {
	if err := requirePlan(id); err != nil {
		return 0, err
	}
	if err := requireRequestID(requestID); err != nil {
		return 0, err
	}
	if err := p.Gate.Fresh(ctx); err != nil {
		return 0, toStatus(err)
	}
	state, caller := p.Machine.State(), auth.Caller(ctx).URI()
	if index, ok := decided(state, caller, requestID, id, rejected); ok {
		return index, nil
	}
	plans := fsm.Proposed(state, timeOf(state))
	plan := planOf(plans, id)
	switch {
	case plan == nil:
		return 0, problem.New(codes.Aborted, problem.StalePlan, "plan %s is not what is proposed now: %s", id, whatIsProposed(plans))
	case plan.GetState() == v1.PlanState_PLAN_STATE_OFF:
		return 0, problem.New(codes.FailedPrecondition, problem.NotAsked,
			"policy.%s is off, so plan %s is only shown: set it to `approve` or `auto` in the topology", policyOf(plan.GetCause()), id)
	}
	result, err := p.Gate.write(ctx, requestID, &storev1.Command{Command: &storev1.Command_DecidePlan{DecidePlan: &storev1.DecidePlan{
		Approval: &v1.Approval{Id: id, Cause: plan.GetCause(), Rejected: rejected, Moves: movesOf(plan.GetPlan()), Reason: reason},
	}}})
	if problem.Is(err, problem.RequestIDReused) && p.Gate.Fresh(ctx) == nil {
		// The same request twice at once: only the words of the moves differ.
		if index, ok := decided(p.Machine.State(), caller, requestID, id, rejected); ok {
			return index, nil
		}
	}
	if err != nil {
		return 0, err
	}
	return result.GetIndex(), nil
}

// decided says whether this very request decided on the plan before, and at which
// index. It cannot be sent again as it was: what is proposed now is another plan
// once this one is carried out.
func decided(state *fsm.State, caller, requestID, id string, rejected bool) (index uint64, ok bool) {
	result := state.Answered(caller, requestID)
	if result == nil || result.GetRefusal() != nil {
		return 0, false
	}
	kind := fsm.EventPlanApproved
	if rejected {
		kind = fsm.EventPlanRejected
	}
	events, _, err := state.Events(result.GetIndex()-1, 1) // all of one entry
	if err != nil {
		return 0, false
	}
	for _, e := range events {
		if e.GetIndex() == result.GetIndex() && e.GetKind() == kind && e.GetActor() == caller && strings.HasPrefix(e.GetMessage(), "plan "+id+" ") {
			return result.GetIndex(), true
		}
	}
	return 0, false
}

func requirePlan(id string) error {
	if id == "" {
		return problem.New(codes.InvalidArgument, problem.InvalidArgument, "id is missing: name a plan, as `roster plan list` shows them")
	}
	return nil
}

func planOf(plans []*v1.ProposedPlan, id string) *v1.ProposedPlan {
	for _, p := range plans {
		if p.GetId() == id {
			return p
		}
	}
	return nil
}

// movesOf are a plan's moves, without what only explains them.
func movesOf(plan *v1.Plan) (moves []*v1.Move) {
	for _, m := range rollout.PlanMoves(plan) {
		bare := proto.CloneOf(m)
		bare.Steps, bare.Deadline, bare.WayBack = nil, nil, ""
		moves = append(moves, bare)
	}
	return moves
}

func policyOf(cause v1.Cause) string {
	if cause == v1.Cause_CAUSE_REPAIR {
		return "repair"
	}
	return "rebalance"
}

// whatIsProposed says what to look at instead.
func whatIsProposed(plans []*v1.ProposedPlan) string {
	var ids []string
	for _, p := range plans {
		ids = append(ids, p.GetId())
	}
	if len(ids) == 0 {
		return "the cluster has changed, and nothing is proposed now (`roster plan list`)"
	}
	return "the cluster has changed, and now it is " + strings.Join(ids, ", ") + ": look at it with `roster plan show`"
}
