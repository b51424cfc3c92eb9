package rollout

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	v1 "roster/proto/roster/v1"
)

// Propose is what Roster would do of one cause if policy let it: the moves of
// Plan, as far as nothing but policy keeps them from being made. Its state says
// what the operator decided of exactly these moves. nil: there is nothing to
// do, or policy lets it be done by itself.
func Propose(v View, cause v1.Cause) *v1.ProposedPlan {
	who := v.Topology.GetPolicy().GetRebalance()
	if cause == v1.Cause_CAUSE_REPAIR {
		who = v.Topology.GetPolicy().GetRepair()
	}
	proposed := &v1.ProposedPlan{Cause: cause, State: v1.PlanState_PLAN_STATE_PENDING}
	switch {
	case who == v1.Automation_AUTOMATION_OFF:
		proposed.State = v1.PlanState_PLAN_STATE_OFF
	case who != v1.Automation_AUTOMATION_APPROVE:
		return nil
	}
	if cause != v1.Cause_CAUSE_REPAIR && v.Restraints.Open {
		return nil // it is being done, by the operator's order
	}
	v.only = cause
	// Breaking a floor is for the operator to order, not to approve.
	v.Restraints.AcceptGap = false
	proposed.Plan, _ = Forward(v)
	if len(proposed.Plan.GetWaves()) == 0 {
		return nil
	}
	moves := PlanMoves(proposed.Plan)
	proposed.Id = planID(moves)
	v.Restraints.judge(proposed, moves)
	return proposed
}

// judge says what became of a proposal. One that is approved loses moves as they
// are done, so it is known by its moves; one that is rejected is known by its id.
func (r Restraints) judge(p *v1.ProposedPlan, moves []*v1.Move) {
	for _, a := range r.Approvals {
		if a.GetCause() != p.GetCause() {
			continue
		}
		switch {
		case a.GetRejected() && a.GetId() == p.GetId():
			p.State = v1.PlanState_PLAN_STATE_REJECTED
		case !a.GetRejected() && coversAll(a, moves):
			p.State = v1.PlanState_PLAN_STATE_APPROVED
		default:
			continue
		}
		p.By, p.Time, p.Reason = a.GetBy(), a.GetTime(), a.GetReason()
	}
}

func coversAll(a *v1.Approval, moves []*v1.Move) bool {
	approved := make(map[moveKey]bool, len(a.GetMoves()))
	for _, m := range a.GetMoves() {
		approved[keyOf(m)] = true
	}
	return !slices.ContainsFunc(moves, func(m *v1.Move) bool { return !approved[keyOf(m)] })
}

// planID names exactly these moves, in whatever order they come.
func planID(moves []*v1.Move) string {
	lines := make([]string, 0, len(moves))
	for _, m := range moves {
		lines = append(lines, fmt.Sprintf("%q %q %d %q %t\n", m.GetNode(), m.GetService(), m.GetAction(), m.GetPool(), m.GetBorrowed()))
	}
	slices.Sort(lines)
	h := sha256.New()
	for _, line := range lines {
		h.Write([]byte(line))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
