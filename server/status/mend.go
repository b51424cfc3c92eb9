package status

import (
	"fmt"
	"slices"

	"roster/fsm/rollout"
	v1 "roster/proto/roster/v1"
)

// mend says what you can do, with the exact command.
func (t *teller) mend() {
	if down := t.inState(v1.NodeState_NODE_STATE_DOWN); len(down) > 0 {
		if len(down) == 1 {
			t.say("Start the agent on %s: its services may still be serving there. If the host is down, bring it back.", down[0])
		} else {
			t.say("Start the agents on %s: their services may still be serving there. If a host is down, bring it back.", list(down))
		}
		t.say("Only for a node that is gone for good: `roster node remove --force %s` gives up its services.", down[0])
	}
	sayEach(t, t.undecided(), func(p *v1.ProposedPlan) string {
		id, what := p.GetId(), causeWord(p.GetCause())
		if p.GetState() == v1.PlanState_PLAN_STATE_OFF {
			return fmt.Sprintf("policy.%s is off: `roster plan show %s` shows what would be done (%s).", what, id, moves(p))
		}
		return fmt.Sprintf("A plan of %s waits for you (%s): `roster plan show %s`, then `roster plan approve %s` or `roster plan reject %s`.", what, moves(p), id, id, id)
	})
	t.steer()
	if t.s.GetHold() != nil {
		t.say("If the silent nodes are really lost: `roster hold end --for 1h --reason TEXT` ends the hold.")
	}
	sayEach(t, t.s.GetFreezes(), func(f *v1.Freeze) string {
		return fmt.Sprintf("`roster unfreeze %s` ends the freeze of %s.", f.GetId(), f.GetScope())
	})
	if ahead := t.nodes(isAhead); len(ahead) > 0 {
		t.say("If the cluster was restored on purpose: `roster node adopt %s` lets its agent follow again.", ahead[0])
	}
	if frozen := t.nodes(isFrozen); len(frozen) > 0 {
		t.say("Remove the freeze file on %s to let Roster act there.", list(frozen))
	}
	observing := t.nodes(observes)
	unseated := t.unseated()
	sayEach(t, unseated, func(n *v1.Node) string {
		return fmt.Sprintf("%s serves what the topology has no seat for: put it into a pool before it is handed over, or Roster stops it.", n.GetId())
	})
	ready := t.nodes(func(n *v1.Node) bool { return observes(n) && !slices.Contains(unseated, n) })
	if len(ready) > 0 && t.s.GetTopology() != nil {
		t.say("`roster node activate %s` hands it over to Roster; nothing there is restarted.", ready[0])
	}
	if drained := t.nodes(isDrained); len(drained) > 0 {
		t.say("`roster node undrain %s` lets it serve again.", drained[0])
	}
	if barred := t.barred(); len(barred) > 0 {
		t.say("When what failed is mended: `roster node uncordon %s` lets it be tried there at once.", barred[0].node)
	}
	switch {
	case t.s.GetTopology() != nil || t.in.State.Cluster() == nil:
	case len(observing) > 0:
		t.say("No topology was applied yet: `roster topology import -f FILE` writes the one that matches what runs, then `roster topology apply -f FILE`.")
	default:
		t.say("No topology was applied yet: `roster topology apply -f FILE`.")
	}
}

// undecided are the plans on which the operator has said nothing.
func (t *teller) undecided() (plans []*v1.ProposedPlan) {
	for _, p := range t.s.GetPlans() {
		if p.GetState() == v1.PlanState_PLAN_STATE_PENDING || p.GetState() == v1.PlanState_PLAN_STATE_OFF {
			plans = append(plans, p)
		}
	}
	return plans
}

func causeWord(c v1.Cause) string {
	if c == v1.Cause_CAUSE_REPAIR {
		return "repair"
	}
	return "rebalance"
}

func moves(p *v1.ProposedPlan) string {
	n := len(rollout.PlanMoves(p.GetPlan()))
	return fmt.Sprintf("%d %s", n, plural(n, "move", "moves"))
}

// unseated are the nodes that observe, on which something would be ended if it
// could.
func (t *teller) unseated() []*v1.Node {
	return t.which(func(n *v1.Node) bool {
		return observes(n) && slices.ContainsFunc(t.f.held, func(h rollout.Held) bool {
			ends := h.Move.GetAction() == v1.Action_ACTION_DRAIN || h.Move.GetAction() == v1.Action_ACTION_STOP
			return ends && h.Move.GetNode() == n.GetId()
		})
	})
}
