package fsm

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"roster/fsm/placement"
	"roster/fsm/topology"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// servedAlready is the reason of what an observing agent's host served by
// itself. Reasons of assignments are in the state's hash: it is worded for ever.
const servedAlready = "it served already"

// observes: its agent touches nothing.
func observes(n *v1.Node) bool { return n.GetMode() == v1.AgentMode_AGENT_MODE_OBSERVE }

// activateNode hands a node over to Roster, or takes it back. Its set stays what
// it is: an agent that begins to act finds running what it is to run.
func (d *draft) activateNode(c *storev1.ActivateNode) *storev1.Result {
	before, refusal := d.node(c.GetId())
	if refusal != nil {
		return refusal
	}
	if refusal := expectGeneration(before, c.ExpectedGeneration); refusal != nil {
		return refusal
	}
	if observes(before) == c.GetObserve() {
		return &storev1.Result{Generation: before.GetGeneration()}
	}
	if c.GetObserve() && before.GetClaims().GetMode() != v1.AgentMode_AGENT_MODE_OBSERVE {
		return refused(codeFailedPrecondition, ReasonActs, "the configuration of node %s says that its agent acts; say `observe` there, or use `roster node hands-off`", c.GetId())
	}
	settings := copySettings(before.GetSettings())
	settings.Activated = !c.GetObserve()
	after := copyNode(before)
	after.Settings = settings
	takeEffect(after)
	if lost := d.unseated(after); !c.GetObserve() && !c.GetAllowStop() && len(lost) > 0 {
		return refused(codeFailedPrecondition, ReasonNeedsAllowStop, "%s serves %s, and topology %s has no seat for that there: Roster would drain and stop it; put the node into a pool first, in the file that `roster topology get` prints, or use --allow-stop",
			c.GetId(), strings.Join(lost, ", "), d.effective.GetName())
	}
	// What the agent may do changes with its set: the order of sets tells it which
	// is newer.
	after.Generation++
	event := &v1.Event{Kind: EventNodeActivated, Node: c.GetId(), Message: fmt.Sprintf("node %s is handed over: its agent acts from now on", c.GetId())}
	if c.GetObserve() {
		event.Kind, event.Message = EventNodeObserving, fmt.Sprintf("node %s is taken back: its agent observes from now on", c.GetId())
	}
	d.emit(event)
	d.putNode(before, after)
	return &storev1.Result{Generation: after.GetGeneration(), Changed: true}
}

// unseated are the services that serve on a node and that the topology in force
// wants elsewhere, once the node acts. Without a topology nothing is moved.
func (d *draft) unseated(n *v1.Node) (lost []string) {
	if d.effective == nil {
		return nil
	}
	nodes := slices.Clone(d.nodes.list(nodeKey))
	for i := range nodes {
		if nodes[i].GetId() == n.GetId() {
			nodes[i] = n
		}
	}
	target, err := placement.Place(placementView(&d.core, d.effective, nodes, d.freezes.list(freezeKey), d.env.GetTime().AsTime()))
	if err != nil {
		return nil // nothing can be placed, so nothing is moved
	}
	wanted, loaned := target.Wanted(d.effective)[n.GetId()], target.Loaned()[n.GetId()]
	for _, a := range n.GetAssignments() {
		if a.GetWanted() == v1.Wanted_WANTED_SERVING && wanted[a.GetService()] == "" && loaned[a.GetService()] == "" {
			lost = append(lost, a.GetService())
		}
	}
	return lost
}

// mirror makes the set of an observing node what its agent reports: what serves
// is assigned, what no longer runs is not. So it counts for floors by the one
// definition of ready.
func (d *draft) mirror(n *v1.Node) {
	states := map[string]v1.ServiceState{}
	for _, r := range n.GetReports() {
		states[r.GetService()] = r.GetState()
	}
	var kept []*v1.Assignment
	for _, a := range n.GetAssignments() {
		switch states[a.GetService()] {
		case v1.ServiceState_SERVICE_STATE_UNSPECIFIED, v1.ServiceState_SERVICE_STATE_STOPPED, v1.ServiceState_SERVICE_STATE_DRAINED:
			d.tellMirrored(n, a, EventAssignmentStop, "%s no longer runs on %s, whose agent observes")
			continue
		case v1.ServiceState_SERVICE_STATE_SERVING:
			if a.GetWanted() != v1.Wanted_WANTED_SERVING {
				a = d.serving(n, a.GetService(), a.GetPool(), a.GetReason())
				d.tellMirrored(n, a, EventAssignmentUndrain, "%s serves on %s, whose agent observes")
			}
		}
		kept = append(kept, a)
	}
	for _, r := range n.GetReports() {
		if r.GetState() == v1.ServiceState_SERVICE_STATE_SERVING && assignment(n, r.GetService()) == nil {
			kept = append(kept, d.serving(n, r.GetService(), "", servedAlready))
		}
	}
	// The node is a member of the pool that its set would be imported as, unless it
	// has a seat of another already.
	old, now := poolNameOf(n.GetAssignments()), poolNameOf(kept)
	for i, a := range kept {
		if a.GetPool() != now && (a.GetPool() == "" || a.GetPool() == old) {
			kept[i] = &v1.Assignment{
				Service: a.GetService(), Node: a.GetNode(), Wanted: a.GetWanted(), Pool: now, Reason: a.GetReason(), Since: a.GetSince(),
				Drain: a.GetDrain(), Revision: a.GetRevision(), Borrowed: a.GetBorrowed(),
				UnreadySince: a.GetUnreadySince(), RestartedAt: a.GetRestartedAt(),
			}
		}
		if assignment(n, a.GetService()) == nil {
			d.tellMirrored(n, kept[i], EventAssignmentStart, "%s serves on %s, whose agent observes")
		}
	}
	if slices.Equal(kept, n.GetAssignments()) {
		return
	}
	slices.SortFunc(kept, func(a, b *v1.Assignment) int { return cmp.Compare(a.GetService(), b.GetService()) })
	n.Assignments = kept
	n.Generation++
}

func poolNameOf(set []*v1.Assignment) string {
	var services []string
	for _, a := range set {
		services = append(services, a.GetService())
	}
	return topology.PoolName(services)
}

// serving is an assignment that records what serves.
func (d *draft) serving(n *v1.Node, service, pool, reason string) *v1.Assignment {
	return &v1.Assignment{
		Service: service, Node: n.GetId(), Wanted: v1.Wanted_WANTED_SERVING, Pool: pool, Reason: reason,
		Since: d.env.GetTime(), Revision: d.revision(),
	}
}

func (d *draft) tellMirrored(n *v1.Node, a *v1.Assignment, kind, format string) {
	d.emit(&v1.Event{
		Kind: kind, Node: n.GetId(), Service: a.GetService(), Pool: a.GetPool(), Revision: d.revision(),
		Message: fmt.Sprintf(format, a.GetService(), n.GetId()), Reason: a.GetReason(),
	})
}
