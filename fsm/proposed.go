package fsm

import (
	"time"

	"roster/fsm/placement"
	"roster/fsm/rollout"
	v1 "roster/proto/roster/v1"
)

// Proposed is what Roster would do by itself if policy let it, repair first: at
// most one plan for each cause, with what the operator decided of it. It is
// worked out from the state alone, so every member proposes the same.
func Proposed(s *State, now time.Time) []*v1.ProposedPlan {
	effective := s.Effective()
	if !asks(effective.GetPolicy().GetRepair()) && !asks(effective.GetPolicy().GetRebalance()) {
		return nil
	}
	target, err := placement.Place(Placement(s, effective, now))
	if err != nil {
		return nil
	}
	return ProposedFor(s, target, now)
}

// ProposedFor is Proposed for a caller that has placed the state already.
func ProposedFor(s *State, target *placement.Target, now time.Time) []*v1.ProposedPlan {
	var plans []*v1.ProposedPlan
	view := Rollout(s, s.Effective(), target, now, nil)
	for _, cause := range []v1.Cause{v1.Cause_CAUSE_REPAIR, v1.Cause_CAUSE_REBALANCE} {
		plan := rollout.Propose(view, cause)
		if plan == nil {
			continue
		}
		if plan.GetPlan() != nil {
			plan.Plan.Basis = s.Basis(s.Topology().GetTopology())
			plan.Plan.Revision = s.revision()
		}
		plans = append(plans, plan)
	}
	return plans
}

func asks(a v1.Automation) bool {
	return a == v1.Automation_AUTOMATION_APPROVE || a == v1.Automation_AUTOMATION_OFF
}
