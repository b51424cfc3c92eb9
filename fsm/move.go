package fsm

import (
	"fmt"
	"slices"

	"roster/fsm/rollout"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// wave is a MoveAssignments on its way through the checks.
type wave struct {
	draft *draft
	parts []*storev1.PartRefusal
	moves []*v1.Move
	// It may break floors.
	gap bool
	// Services that a counted node is ready for, though it is not what the
	// leader saw: nothing ready is taken away there. Service to that node.
	unsure map[string]string
}

// moveAssignments does a wave of the leader's loop: whole sets of nodes, each
// node's part alone. It is refused whole where another topology is in force; a
// node's part where the node is not what the leader relied on; a move where it
// makes no sense or would take a service under its floor.
func (d *draft) moveAssignments(c *storev1.MoveAssignments) *storev1.Result {
	if c.GetTopologyRevision() != d.revision() {
		return refused(codeAborted, ReasonStaleRevision, "topology revision %d is in force, the wave is for %d; it is planned anew", d.revision(), c.GetTopologyRevision())
	}
	if n := max(len(c.GetNodes()), len(c.GetCounted())); n > maxNodesInWave {
		return invalid(fmt.Errorf("%d nodes in one wave; at most %d", n, maxNodesInWave))
	}
	if refusal := d.admitWave(c); refusal != nil {
		return refusal
	}
	result := &storev1.Result{}
	if c.GetWithParts() && d.ask(rollout.PartsUnder(d.effective, c.GetParts())) {
		result.Changed = true
		d.settleFloors()
	}
	w := &wave{draft: d, gap: c.GetAcceptGap(), unsure: d.unsure(c.GetCounted())}
	named := map[string]bool{}
	for _, part := range c.GetNodes() {
		id := part.GetBasis().GetNode()
		if named[id] {
			w.refuse(id, "", "the node is named twice in one wave")
			continue
		}
		named[id] = true
		w.admit(part)
	}
	w.keepFloors()
	result.Parts = w.parts
	first := map[string]bool{}
	for len(w.moves) > 0 {
		id := w.moves[0].GetNode()
		end := slices.IndexFunc(w.moves, func(m *v1.Move) bool { return m.GetNode() != id })
		if end < 0 {
			end = len(w.moves)
		}
		if d.moveNode(d.nodes.get(id), w.moves[:end]) {
			result.Changed = true
			if slices.ContainsFunc(w.moves[:end], func(m *v1.Move) bool { return m.GetCause() == v1.Cause_CAUSE_REBALANCE }) {
				first[id] = true
			}
		}
		w.moves = w.moves[end:]
	}
	d.joinCanary(first)
	if result.GetChanged() {
		d.forgetDecisions()
	}
	return result
}

func (w *wave) refuse(node, service, format string, args ...any) {
	w.parts = append(w.parts, &storev1.PartRefusal{Node: clip(node), Service: clip(service), Message: fmt.Sprintf(format, args...)})
}

// unsure lists the services whose readiness rests on a node that changed under
// the leader's eyes.
func (d *draft) unsure(counted []*storev1.NodeBasis) map[string]string {
	unsure := map[string]string{}
	for _, b := range counted {
		n := d.nodes.get(b.GetNode())
		if n == nil || asSeen(n, b) {
			// One that is gone is not counted any more.
			continue
		}
		d.unsureOf(n, unsure)
	}
	if d.unconfirmed > 0 {
		for _, n := range d.nodes.list(nodeKey) {
			if n.GetUnconfirmed() {
				d.unsureOf(n, unsure)
			}
		}
	}
	return unsure
}

func (d *draft) unsureOf(n *v1.Node, unsure map[string]string) {
	for _, service := range assignedServices(n) {
		if rollout.Ready(n, service) {
			unsure[service] = n.GetId()
		}
	}
}

func asSeen(n *v1.Node, b *storev1.NodeBasis) bool {
	return n.GetGeneration() == b.GetGeneration() && n.GetState() == b.GetState()
}

// admit takes the moves of one node that make sense.
func (w *wave) admit(part *storev1.NodeMoves) {
	id := part.GetBasis().GetNode()
	n := w.draft.nodes.get(id)
	if n == nil {
		w.refuse(id, "", "there is no such node")
		return
	}
	if !asSeen(n, part.GetBasis()) {
		w.refuse(id, "", "the node is at generation %d and %s, the wave relied on %d and %s; it is planned anew",
			n.GetGeneration(), stateEvents[n.GetState()].word, part.GetBasis().GetGeneration(), stateEvents[part.GetBasis().GetState()].word)
		return
	}
	named := map[string]bool{}
	for _, m := range part.GetMoves() {
		why := w.draft.forbidden(n, m)
		if why == "" {
			why = w.draft.senseless(n, m)
		}
		if why == "" && w.gap && m.GetCause() == v1.Cause_CAUSE_REPAIR {
			why = "it is a repair, for which no floor is broken"
		}
		if named[m.GetService()] {
			why = "the service is named twice for one node"
		}
		if why != "" {
			w.refuse(id, m.GetService(), "%s", why)
			continue
		}
		named[m.GetService()] = true
		if service, risky := w.risky(n, m); risky {
			if other := w.draft.nodes.get(w.unsure[service]); other.GetUnconfirmed() {
				w.refuse(id, m.GetService(), "%s is counted as ready on %s, which has not told yet what it serves since the cluster was restored", service, other.GetId())
				continue
			}
			w.refuse(id, m.GetService(), "%s is counted as ready on %s, which changed since; it is planned anew", service, w.unsure[service])
			continue
		}
		w.moves = append(w.moves, &v1.Move{Service: m.GetService(), Pool: m.GetPool(), Node: id, Action: m.GetAction(), Reason: clip(m.GetReason()), Cause: m.GetCause(), Borrowed: m.GetBorrowed()})
	}
}

// risky names a service that a move takes away though its count is unsure.
func (w *wave) risky(n *v1.Node, m *v1.Move) (service string, risky bool) {
	if len(w.unsure) == 0 {
		return "", false
	}
	for _, service := range append(rollout.Restarts(n, m.GetService(), m.GetAction()), m.GetService()) {
		if service == m.GetService() && m.GetAction() != v1.Action_ACTION_DRAIN && m.GetAction() != v1.Action_ACTION_STOP {
			continue
		}
		if w.unsure[service] != "" && w.unsure[service] != n.GetId() && rollout.Ready(n, service) {
			return service, true
		}
	}
	return "", false
}

// admitWave refuses a wave whole for what it says of floors.
func (d *draft) admitWave(c *storev1.MoveAssignments) *storev1.Result {
	if err := d.checkParts(c.GetParts()); c.GetWithParts() && err != nil {
		return invalid(err)
	}
	switch {
	case !c.GetAcceptGap():
		return nil
	case !d.order.GetOpen() || !d.order.GetAcceptGap():
		return refused(codeFailedPrecondition, ReasonNeedsAcceptGap, "the operator accepted no gap for revision %d, so no wave may break a floor", d.revision())
	case len(c.GetNodes()) > 1:
		return invalid(fmt.Errorf("a wave that may break floors names %d nodes; one at a time", len(c.GetNodes())))
	}
	return nil
}

// keepFloors takes away the moves that would take a service under its floor, as a
// whole or in a part of the nodes. Where the operator accepted a gap, and the loop
// found no other way, one node is let through.
func (w *wave) keepFloors() {
	if len(w.moves) == 0 || w.gap {
		return
	}
	type at struct{ node, service string }
	broken := map[at]bool{}
	for _, r := range rollout.RefuseCounted(w.draft.ready, w.draft.nodes.get, w.draft.floors, w.moves) {
		broken[at{r.Node, r.Service}] = true
		w.refuse(r.Node, r.Service, "%s", r.Message)
	}
	w.moves = slices.DeleteFunc(w.moves, func(m *v1.Move) bool { return broken[at{m.GetNode(), m.GetService()}] })
}
