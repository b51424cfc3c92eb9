package fsm

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"roster/fsm/topology"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// decidePlan keeps the operator's word on a proposed plan: the newest of each
// cause. What Roster proposes at the moment is the caller's to compare; moves
// that came to make no sense meanwhile are refused one by one, as ever.
func (d *draft) decidePlan(c *storev1.DecidePlan) *storev1.Result {
	a := c.GetApproval()
	if err := checkApproval(a); err != nil {
		return invalid(err)
	}
	name, who := "rebalance", d.effective.GetPolicy().GetRebalance()
	if a.GetCause() == v1.Cause_CAUSE_REPAIR {
		name, who = "repair", d.effective.GetPolicy().GetRepair()
	}
	switch {
	case d.effective == nil:
		return refused(codeFailedPrecondition, ReasonNoTopology, "no topology was applied yet, so nothing is proposed")
	case who == v1.Automation_AUTOMATION_OFF:
		return refused(codeFailedPrecondition, ReasonNotAsked, "policy.%s is off: nothing of that kind is done; set it to approve first", name)
	case who != v1.Automation_AUTOMATION_APPROVE:
		return refused(codeFailedPrecondition, ReasonNotAsked, "policy.%s is auto: Roster decides by itself, and asks nobody", name)
	}
	kept := &v1.Approval{
		Id: a.GetId(), Cause: a.GetCause(), Rejected: a.GetRejected(),
		By: d.env.GetCaller(), Time: d.env.GetTime(), Reason: a.GetReason(),
	}
	for _, m := range a.GetMoves() {
		kept.Moves = append(kept.Moves, &v1.Move{
			Service: m.GetService(), Pool: m.GetPool(), Node: m.GetNode(), Action: m.GetAction(),
			Reason: clip(m.GetReason()), Cause: m.GetCause(), Borrowed: m.GetBorrowed(),
		})
	}
	approvals := slices.DeleteFunc(slices.Clone(d.approvals), func(old *v1.Approval) bool { return old.GetCause() == kept.GetCause() })
	approvals = append(approvals, kept)
	slices.SortFunc(approvals, func(a, b *v1.Approval) int { return cmp.Compare(a.GetCause(), b.GetCause()) })
	d.approvals = approvals
	event := &v1.Event{
		Kind: EventPlanApproved, Revision: d.revision(), Reason: a.GetReason(),
		Message: fmt.Sprintf("plan %s (%s) of %s was approved", a.GetId(), name, amount(len(kept.GetMoves()), "move")),
	}
	if a.GetRejected() {
		event.Kind, event.Message = EventPlanRejected, fmt.Sprintf("plan %s (%s) of %s was rejected", a.GetId(), name, amount(len(kept.GetMoves()), "move"))
	}
	d.emit(event)
	return &storev1.Result{Changed: true}
}

func checkApproval(a *v1.Approval) error {
	if err := checkMemberName("plan id", a.GetId()); err != nil {
		return err
	}
	if err := checkText("reason", a.GetReason(), maxText); err != nil {
		return err
	}
	switch {
	case a.GetCause() != v1.Cause_CAUSE_REPAIR && a.GetCause() != v1.Cause_CAUSE_REBALANCE:
		return errors.New("the plan is neither of repair nor of rebalance")
	case len(a.GetMoves()) == 0:
		return errors.New("the plan has no move")
	case len(a.GetMoves()) > maxMovesInPlan:
		return fmt.Errorf("the plan has %d moves; at most %d", len(a.GetMoves()), maxMovesInPlan)
	}
	for _, m := range a.GetMoves() {
		if err := checkMove(m); err != nil {
			return fmt.Errorf("move of %.80q on %.80q: %w", m.GetService(), m.GetNode(), err)
		}
	}
	return nil
}

func checkMove(m *v1.Move) error {
	if err := topology.CheckNodeID(m.GetNode()); err != nil {
		return err
	}
	if err := topology.CheckName(m.GetService()); err != nil {
		return err
	}
	if _, known := v1.Action_name[int32(m.GetAction())]; !known || m.GetAction() == v1.Action_ACTION_UNSPECIFIED {
		return errors.New("the action is none that this build knows")
	}
	return checkText("pool", m.GetPool(), maxName)
}

// settleRollout closes the operator's order, and forgets decisions of which
// nothing is left to do.
func (d *draft) settleRollout(c *storev1.SettleRollout) *storev1.Result {
	if c.GetRevision() != d.revision() || c.GetOrder() != d.order.GetOrder() {
		return d.otherOrder(c.GetRevision(), c.GetOrder())
	}
	if d.order.GetPause() != nil || d.order.GetCanary() != nil {
		return refused(codeFailedPrecondition, ReasonUnsettled, "the rollout of revision %d is paused, or its canary is not judged yet; nobody may call it done", d.revision())
	}
	result := &storev1.Result{Changed: d.forgetDecisions(c.GetVoid()...)}
	if d.order.GetOpen() {
		d.order = &storev1.RolloutOrder{Order: d.order.GetOrder()}
		d.emit(&v1.Event{Kind: EventRolloutSettled, Revision: d.revision(), Message: "what the operator ordered is done, as far as it can be"})
		result.Changed = true
	}
	return result
}

// forgetDecisions drops decisions whose moves are all done or senseless, and those
// of plans that came to nothing, which the leader's loop names.
func (d *draft) forgetDecisions(void ...string) bool {
	left := slices.DeleteFunc(slices.Clone(d.approvals), func(a *v1.Approval) bool {
		return slices.Contains(void, a.GetId()) || !slices.ContainsFunc(a.GetMoves(), d.pending)
	})
	if len(left) == len(d.approvals) {
		return false
	}
	d.approvals = left
	return true
}

// pending: a move of a plan is still to be done, and could be, perhaps once a
// freeze is over.
func (d *draft) pending(m *v1.Move) bool {
	n := d.nodes.get(m.GetNode())
	if n == nil {
		return false
	}
	have := assignment(n, m.GetService())
	if m.GetAction() == v1.Action_ACTION_STOP {
		// Its drain comes first.
		return have != nil
	}
	if m.GetAction() == v1.Action_ACTION_START && have == nil {
		// It may be up again soon.
		return n.GetState() != v1.NodeState_NODE_STATE_DOWN && d.poolServes(m.GetPool(), m.GetService()) && claim(n, m.GetService()) != nil
	}
	return d.senseless(n, m) == "" && d.moved(n, have, m) != have
}
