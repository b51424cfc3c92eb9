package fsm

import (
	"cmp"
	"fmt"
	"slices"

	"google.golang.org/protobuf/types/known/durationpb"

	"roster/fsm/rollout"
	"roster/fsm/topology"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// wave is a MoveAssignments on its way through the checks.
type wave struct {
	draft *draft
	parts []*storev1.PartRefusal
	moves []*v1.Move
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
	w := &wave{draft: d, unsure: d.unsure(c.GetCounted())}
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
	result := &storev1.Result{Parts: w.parts}
	for len(w.moves) > 0 {
		id := w.moves[0].GetNode()
		end := slices.IndexFunc(w.moves, func(m *v1.Move) bool { return m.GetNode() != id })
		if end < 0 {
			end = len(w.moves)
		}
		if d.moveNode(d.nodes.get(id), w.moves[:end]) {
			result.Changed = true
		}
		w.moves = w.moves[end:]
	}
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
		switch why := w.draft.senseless(n, m); {
		case named[m.GetService()]:
			w.refuse(id, m.GetService(), "the service is named twice for one node")
			continue
		case why != "":
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
		w.moves = append(w.moves, &v1.Move{Service: m.GetService(), Pool: m.GetPool(), Node: id, Action: m.GetAction(), Reason: clip(m.GetReason()), Borrowed: m.GetBorrowed()})
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
	if d.knows(2) {
		if d.frozen == nil {
			d.frozen = d.freezes.list(freezeKey)
		}
		if why := rollout.Forbidden(d.frozen, n, m, d.env.GetTime().AsTime()); why != "" {
			return why
		}
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
		switch {
		case have.GetWanted() != v1.Wanted_WANTED_SERVING:
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

// keepFloors takes away the moves that would take a service under its floor.
func (w *wave) keepFloors() {
	if len(w.moves) == 0 {
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

// moveNode does the moves of one node and says whether its set changed.
func (d *draft) moveNode(before *v1.Node, moves []*v1.Move) bool {
	now := d.env.GetTime().AsTime()
	after := copyNode(before)
	after.Assignments = slices.Clone(before.GetAssignments())
	started := map[string]bool{}
	restarted := map[string]bool{}
	changed := false
	for _, m := range moves {
		have := assignment(after, m.GetService())
		next := d.moved(before, have, m)
		if next == have {
			continue
		}
		changed = true
		after.Assignments = slices.DeleteFunc(after.Assignments, func(a *v1.Assignment) bool { return a == have })
		if next != nil {
			after.Assignments = append(after.Assignments, next)
		}
		if next.GetWanted() == v1.Wanted_WANTED_SERVING && have.GetWanted() != v1.Wanted_WANTED_SERVING {
			started[m.GetService()] = true
		}
		for _, service := range rollout.Restarts(before, m.GetService(), m.GetAction()) {
			restarted[service] = true
		}
		if why := failed(before, have, now); why != "" && next.GetWanted() != v1.Wanted_WANTED_SERVING && d.knows(2) {
			after.Troubles = d.troubled(after.GetTroubles(), m.GetService(), why)
		}
		d.tellMove(have, next, m)
	}
	if !changed {
		return false
	}
	slices.SortFunc(after.Assignments, func(a, b *v1.Assignment) int { return cmp.Compare(a.GetService(), b.GetService()) })
	after.Generation++
	// What is started, taken back from a drain or restarted counts as ready only
	// when reported again, of this generation.
	after.Reports = d.unproven(after.GetReports(), func(s string) bool { return started[s] }, "wanted anew, not reported yet")
	after.Reports = d.unproven(after.GetReports(), func(s string) bool { return restarted[s] }, "restarts with its group")
	d.putNode(before, after)
	if len(after.GetAssignments()) == 0 && after.GetSettings().GetDrain() != nil {
		d.tellDrained(after.GetId())
	}
	return true
}

// moved returns the assignment after a move: the same one where nothing is to
// be changed, nil where it ends.
func (d *draft) moved(n *v1.Node, have *v1.Assignment, m *v1.Move) *v1.Assignment {
	next := &v1.Assignment{
		Service: m.GetService(), Node: m.GetNode(), Wanted: v1.Wanted_WANTED_SERVING,
		Pool: m.GetPool(), Reason: m.GetReason(), Since: d.env.GetTime(), Revision: d.revision(), Borrowed: m.GetBorrowed(),
	}
	serving := have.GetWanted() == v1.Wanted_WANTED_SERVING
	switch m.GetAction() {
	case v1.Action_ACTION_START, v1.Action_ACTION_RESEAT:
		if serving {
			if m.GetBorrowed() && next.GetPool() == "" {
				next.Pool = have.GetPool()
			}
			if have.GetPool() == next.GetPool() && have.GetBorrowed() == next.GetBorrowed() {
				return have
			}
			next.Since = have.GetSince()
		}
	case v1.Action_ACTION_UNDRAIN:
		if serving {
			return have
		}
		// What it was to its pool it stays; only a RESEAT changes that.
		next.Borrowed = have.GetBorrowed()
		if next.GetPool() == "" {
			next.Pool = have.GetPool()
		}
	case v1.Action_ACTION_DRAIN:
		if !serving {
			return have
		}
		next.Wanted, next.Pool = v1.Wanted_WANTED_DRAINING, have.GetPool()
		next.Borrowed = have.GetBorrowed()
		next.Drain = d.shortened(n, d.drainBound(m.GetService(), have.GetRevision()))
	case v1.Action_ACTION_STOP:
		return nil
	}
	return next
}

// drainBound is how long a drain may take: by the topology in force, else by
// the one that wanted the service, else by default.
func (d *draft) drainBound(service string, revision uint64) *durationpb.Duration {
	bound := func(t *v1.Topology) *durationpb.Duration {
		for _, s := range t.GetServices() {
			if s.GetName() == service {
				return s.GetDrain()
			}
		}
		return nil
	}
	if drain := bound(d.effective); drain != nil {
		return drain
	}
	if old := d.topologies.get(ordered(revision)); old != nil {
		if drain := bound(topology.Effective(old.GetTopology())); drain != nil {
			return drain
		}
	}
	return bound(topology.Effective(&v1.Topology{Pools: []*v1.Pool{{Services: []string{service}}}}))
}

func (d *draft) tellMove(have, next *v1.Assignment, m *v1.Move) {
	e := &v1.Event{Node: m.GetNode(), Service: m.GetService(), Pool: m.GetPool(), Revision: d.revision(), Reason: m.GetReason()}
	if e.Pool == "" {
		e.Pool = have.GetPool()
	}
	say := func(kind, format string, more ...any) {
		e.Kind, e.Message = kind, fmt.Sprintf(format, append([]any{m.GetService(), m.GetNode()}, more...)...)
	}
	switch m.GetAction() {
	case v1.Action_ACTION_START, v1.Action_ACTION_RESEAT:
		switch {
		case have == nil && next.GetBorrowed():
			say(EventAssignmentLoan, "%s is wanted on %s, which stands in for pool %s", next.GetPool())
		case have == nil:
			say(EventAssignmentStart, "%s is wanted on %s")
		case next.GetBorrowed():
			say(EventAssignmentPool, "%s on %s fills no seat of pool %s any more", next.GetPool())
		default:
			say(EventAssignmentPool, "%s on %s fills a seat of pool %s now", m.GetPool())
		}
	case v1.Action_ACTION_DRAIN:
		say(EventAssignmentDrain, "%s ends its sessions on %s")
	case v1.Action_ACTION_STOP:
		if have.GetBorrowed() {
			say(EventAssignmentReturned, "%s is given back by %s, which stood in for pool %s", have.GetPool())
			break
		}
		say(EventAssignmentStop, "%s is no longer wanted on %s")
	case v1.Action_ACTION_UNDRAIN:
		say(EventAssignmentUndrain, "%s serves on %s after all")
	}
	d.emit(e)
}
