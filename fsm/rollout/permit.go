package rollout

import (
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "roster/proto/roster/v1"
)

// Restraints are what keeps a move from being made though it is safe: the
// operator's freezes, Roster's doubt of itself, and policy.
type Restraints struct {
	// Those whose time has passed do not count.
	Freezes []*v1.Freeze
	// nil: it does not hold.
	Hold *v1.Hold
	// The operator's word on proposed plans.
	Approvals []*v1.Approval
	// An order of the operator is being carried out: what it brings needs no
	// approval.
	Open bool
	// The operator's word that the order waits; nil: it goes on. Repair does not
	// wait.
	Pause *v1.Pause
	// The nodes that the order goes to first; nil: it has no canary, or that is
	// over.
	Canary *v1.Canary
	// The operator accepts that floors are broken where no order of moves keeps them.
	AcceptGap bool
}

// Held is a move that is safe, and is not made.
type Held struct {
	Move *v1.Move
	// Why, in a sentence.
	Why string
}

// Permits says whether a move may be made to a node, and if not, why. Reasons
// come in this order: a freeze; what the host or its agent does not let happen;
// a hold; a pause; policy. underFloor says whether a service has fewer ready, those on
// their way included, than a floor in force that the node would count for.
func (r Restraints) Permits(n *v1.Node, m *v1.Move, policy *v1.Policy, now time.Time, underFloor func(n *v1.Node, service string) bool) (why string, ok bool) {
	if why, ok := r.withoutPolicy(n, m, now, underFloor); !ok {
		return why, false
	}
	if why := r.paused(m); why != "" {
		return why, false
	}
	if r.approved(m) {
		return "", true
	}
	return r.byPolicy(m, policy)
}

// withoutPolicy asks everything but who decides.
func (r Restraints) withoutPolicy(n *v1.Node, m *v1.Move, now time.Time, underFloor func(n *v1.Node, service string) bool) (why string, ok bool) {
	if why := Forbidden(r.Freezes, n, m, now); why != "" {
		return why, false
	}
	if r.Hold == nil || restores(n, m, underFloor) || r.Hold.GetSlow() && m.GetCause() == v1.Cause_CAUSE_REPAIR {
		return "", true
	}
	return "Roster holds: " + r.Hold.GetReason(), false
}

// passes: what keeps a move back ends by itself.
func (r Restraints) passes(n *v1.Node, m *v1.Move, now time.Time) bool {
	frozen := slices.ContainsFunc(r.Freezes, func(f *v1.Freeze) bool { return InForce(f, now) && Covers(f.GetScope(), n, m) })
	return frozen || untouchable(n, m) == ""
}

// paused says why what an order brings is not done for now; empty: it is. Repair
// goes on.
func (r Restraints) paused(m *v1.Move) string {
	if r.Pause == nil || m.GetCause() == v1.Cause_CAUSE_REPAIR {
		return ""
	}
	sentence := "the rollout is paused"
	if by := r.Pause.GetBy(); by != "" {
		sentence += " by " + by
	}
	sentence += " since " + r.Pause.GetTime().AsTime().Format(time.RFC3339)
	if reason := r.Pause.GetReason(); reason != "" {
		sentence += ": " + reason
	}
	return sentence
}

// ordered: an order of the operator is being carried out, and what is missing is
// missing because of it. One that waits, or is only tried, explains nothing.
func (r Restraints) ordered() bool { return r.Open && r.Pause == nil && r.Canary == nil }

// Forbidden says why nobody may make a move to a node now, whatever a plan or an
// approval says; empty: it may be made. Apply asks it again for every move of a
// wave.
func Forbidden(freezes []*v1.Freeze, n *v1.Node, m *v1.Move, now time.Time) string {
	for _, f := range freezes {
		if InForce(f, now) && Covers(f.GetScope(), n, m) {
			return frozen(f)
		}
	}
	return untouchable(n, m)
}

// InForce says whether the time of a freeze has not passed.
func InForce(f *v1.Freeze, now time.Time) bool {
	return now.Before(f.GetExpires().AsTime())
}

func frozen(f *v1.Freeze) string {
	sentence := fmt.Sprintf("%s is frozen until %s", f.GetScope(), f.GetExpires().AsTime().Format(time.RFC3339))
	if f.GetBy() != "" {
		sentence += " by " + f.GetBy()
	}
	if f.GetReason() != "" {
		sentence += ": " + f.GetReason()
	}
	return sentence
}

// Covers says whether a move to a node lies in the scope of a freeze. A pool's
// scope covers what is moved for it, and what fills its seats.
func Covers(scope string, n *v1.Node, m *v1.Move) bool {
	kind, name, _ := strings.Cut(scope, ":")
	switch kind {
	case "all", "":
		return true
	case "node":
		return n.GetId() == name
	case "pool":
		return m.GetPool() == name || assignment(n, m.GetService()).GetPool() == name
	case "service":
		return m.GetService() == name || slices.Contains(Restarts(n, m.GetService(), m.GetAction()), name)
	case "region":
		return n.GetRegion() == name
	case "zone":
		return n.GetZone() == name
	}
	// A scope that this build does not know is not taken lightly.
	return true
}

// acts: its agent does what it is told.
func (h *host) acts() bool { return inert(h.Node) == "" }

// untouchable says why the host or its agent lets nothing happen; empty: it does.
func untouchable(n *v1.Node, m *v1.Move) string {
	if why := inert(n); why != "" {
		return why
	}
	ends := Losses(n, m.GetService(), m.GetAction())
	if m.GetAction() == v1.Action_ACTION_DRAIN || m.GetAction() == v1.Action_ACTION_STOP {
		ends = append(ends, m.GetService())
	}
	for _, service := range ends {
		if neverStop(n, service) {
			return fmt.Sprintf("the configuration of %s says that %s is never stopped there", n.GetId(), service)
		}
	}
	return ""
}

// inert says why a node's agent does nothing that it is told; empty: it does.
func inert(n *v1.Node) string {
	switch {
	case n.GetMode() == v1.AgentMode_AGENT_MODE_OBSERVE:
		return n.GetId() + " observes: its agent touches nothing until it is activated"
	case n.GetUnconfirmed():
		return n.GetId() + " has not told yet what it serves since the cluster was restored"
	case n.GetAhead() != nil:
		return n.GetId() + " holds a newer set than the cluster knows, and follows nothing until it is adopted"
	case n.GetFrozen() != "" && live(n):
		return fmt.Sprintf("%s is frozen on its host: %s", n.GetId(), n.GetFrozen())
	}
	return ""
}

func neverStop(n *v1.Node, service string) bool {
	for _, claim := range n.GetClaims().GetServices() {
		if claim.GetName() == service {
			return claim.GetNeverStop()
		}
	}
	return false
}

// restores: a move that brings back what a floor lacks.
func restores(n *v1.Node, m *v1.Move, underFloor func(n *v1.Node, service string) bool) bool {
	switch m.GetAction() {
	case v1.Action_ACTION_START, v1.Action_ACTION_UNDRAIN:
		return underFloor(n, m.GetService())
	}
	return false
}

// byPolicy says whether a move is made without anybody's approval.
func (r Restraints) byPolicy(m *v1.Move, policy *v1.Policy) (why string, ok bool) {
	name, who := "rebalance", policy.GetRebalance()
	if m.GetCause() == v1.Cause_CAUSE_REPAIR {
		name, who = "repair", policy.GetRepair()
	}
	switch {
	case who != v1.Automation_AUTOMATION_APPROVE && who != v1.Automation_AUTOMATION_OFF:
		return "", true
	case r.Open && m.GetCause() != v1.Cause_CAUSE_REPAIR:
		return "", true
	case who == v1.Automation_AUTOMATION_OFF:
		return "policy." + name + " is off", false
	}
	return "policy." + name + " waits for the operator's approval", false
}

// approved: a plan with this move was approved.
func (r Restraints) approved(m *v1.Move) bool {
	for _, a := range r.Approvals {
		if !a.GetRejected() && slices.ContainsFunc(a.GetMoves(), func(of *v1.Move) bool { return keyOf(of) == keyOf(m) }) {
			return true
		}
	}
	return false
}
