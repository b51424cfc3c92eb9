package fsm

import (
	"fmt"
	"slices"

	"roster/fsm/rollout"
	v1 "roster/proto/roster/v1"
)

// forbidden says why nobody may make a move to a node now, whoever asks and
// whatever it is good for; empty: it may be made.
func (d *draft) forbidden(n *v1.Node, m *v1.Move) string {
	if !d.knows(2) {
		return ""
	}
	if d.frozen == nil {
		d.frozen = d.freezes.list(freezeKey)
	}
	return rollout.Forbidden(d.frozen, n, m, d.env.GetTime().AsTime())
}

// senseless says why a move cannot be done to a node as it is, whatever floors
// say; empty: it can.
func (d *draft) senseless(n *v1.Node, m *v1.Move) string {
	have := assignment(n, m.GetService())
	switch {
	case m.GetNode() != "" && m.GetNode() != n.GetId():
		return fmt.Sprintf("the move is for node %.80q", m.GetNode())
	case have == nil && m.GetAction() != v1.Action_ACTION_START:
		return "the service is not assigned to the node"
	}
	switch m.GetAction() {
	case v1.Action_ACTION_START:
		switch {
		case !d.poolServes(m.GetPool(), m.GetService()):
			return fmt.Sprintf("no pool %.80q of revision %d serves it", m.GetPool(), d.revision())
		case have != nil && have.GetWanted() == v1.Wanted_WANTED_SERVING && have.GetBorrowed() != m.GetBorrowed():
			return "it is wanted serving there already; give it another seat instead"
		case have != nil:
			return ""
		case n.GetState() != v1.NodeState_NODE_STATE_UP:
			return "the node is not up; nothing is started there"
		case n.GetSettings().GetCordoned():
			return "the node is cordoned; nothing is started there"
		case n.GetSettings().GetDrain() != nil:
			return "the node is drained; nothing is started there"
		case claim(n, m.GetService()) == nil:
			return "the node's agent cannot run it"
		}
		return ""
	case v1.Action_ACTION_RESEAT:
		switch {
		case m.GetBorrowed() && (m.GetPool() == "" || m.GetPool() == have.GetPool()):
			// A seat is taken away, of a pool that need not be there any more.
		case !d.poolServes(m.GetPool(), m.GetService()):
			return fmt.Sprintf("no pool %.80q of revision %d serves it", m.GetPool(), d.revision())
		}
		if have.GetWanted() != v1.Wanted_WANTED_SERVING {
			return "it is not wanted serving there; only what stays is given another seat"
		}
		return ""
	case v1.Action_ACTION_STOP:
		if rollout.Ready(n, m.GetService()) {
			return "it is ready there; drain it first"
		}
		return ""
	case v1.Action_ACTION_DRAIN, v1.Action_ACTION_UNDRAIN:
		return ""
	}
	return "the action is none that this build knows"
}

func (d *draft) poolServes(pool, service string) bool {
	for _, p := range d.effective.GetPools() {
		if p.GetName() == pool {
			return slices.Contains(p.GetServices(), service)
		}
	}
	return false
}
