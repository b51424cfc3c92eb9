package fsm

import (
	"errors"
	"fmt"
	"slices"

	"roster/fsm/rollout"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// What must hold of each record of a snapshot. These are invariants that every
// build kept, not rules for input, which may become stricter.

var (
	errOrder  = errors.New("it is not in order")
	errFuture = errors.New("it is newer than the snapshot")
	errMany   = errors.New("there are more of its kind than are ever kept")
)

func (l *loader) takeHeader(h *storev1.SnapshotHeader) error {
	switch {
	case h.GetMagic() != snapshotMagic:
		return errors.New("it does not begin as a snapshot of Roster")
	case h.GetSchema() > Schema:
		return fmt.Errorf("%w (schema %d, reads up to %d)", ErrSchema, h.GetSchema(), Schema)
	case h.GetSchema() == 0:
		return errors.New("it has no schema")
	case h.GetEventsDroppedIndex() > h.GetIndex():
		return errFuture
	}
	for _, caller := range sortedKeys(h.GetEvicted()) {
		id, err := parseRequestID(h.GetEvicted()[caller])
		if err != nil {
			return err
		}
		l.evicted = append(l.evicted, &evictedID{caller: caller, id: formatRequestID(id)})
	}
	l.header, l.index, l.eventsDropped = h, h.GetIndex(), h.GetEventsDroppedIndex()
	return nil
}

func (l *loader) takeCluster(c *v1.Cluster) error {
	if c.GetId() == "" {
		return errors.New("the cluster has no id")
	}
	if c.GetSchema() > Schema {
		return ErrSchema
	}
	l.cluster = c
	return nil
}

func (l *loader) takeMember(m *v1.Member) error {
	if n := len(l.members); m.GetId() == "" || n > 0 && l.members[n-1].GetId() >= m.GetId() {
		return errOrder
	}
	if m.GetIndex() > l.index {
		return errFuture
	}
	if l.members = append(l.members, m); len(l.members) > l.limits.members {
		return errMany
	}
	return nil
}

func (l *loader) takeTopology(t *v1.TopologyRevision) error {
	if n := len(l.topologies); t.GetRevision() == 0 || n > 0 && l.topologies[n-1].GetRevision()+1 != t.GetRevision() {
		return errOrder
	}
	if t.GetIndex() > l.index {
		return errFuture
	}
	if t.GetTopology() == nil {
		return errors.New("it is empty")
	}
	if l.topologies = append(l.topologies, t); len(l.topologies) > l.limits.revisions {
		return errMany
	}
	return nil
}

func (l *loader) takeNode(n *v1.Node) error {
	if last := len(l.nodes); n.GetId() == "" || last > 0 && l.nodes[last-1].GetId() >= n.GetId() {
		return errOrder
	}
	if n.GetIndex() > l.index || n.GetAssignmentIndex() > n.GetIndex() {
		return errFuture
	}
	if _, known := stateEvents[n.GetState()]; !known || n.GetGeneration() < firstGeneration || n.GetInstance() == "" {
		return errors.New("the node has no state, generation or instance")
	}
	for i, a := range n.GetAssignments() {
		if i > 0 && n.GetAssignments()[i-1].GetService() >= a.GetService() {
			return fmt.Errorf("assignment of %s: %w", a.GetService(), errOrder)
		}
		wanted := a.GetWanted() == v1.Wanted_WANTED_SERVING || a.GetWanted() == v1.Wanted_WANTED_DRAINING
		if !wanted || a.GetNode() != n.GetId() || a.GetService() == "" {
			return fmt.Errorf("assignment of %s is none of node %s", a.GetService(), n.GetId())
		}
	}
	for i, t := range n.GetTroubles() {
		if i > 0 && n.GetTroubles()[i-1].GetService() >= t.GetService() {
			return fmt.Errorf("trouble of %s: %w", t.GetService(), errOrder)
		}
	}
	for i, service := range n.GetHolds() {
		if i > 0 && n.GetHolds()[i-1] >= service {
			return fmt.Errorf("data of %s: %w", service, errOrder)
		}
	}
	for i, r := range n.GetReports() {
		if i > 0 && n.GetReports()[i-1].GetService() >= r.GetService() {
			return fmt.Errorf("report of %s: %w", r.GetService(), errOrder)
		}
	}
	if l.nodes = append(l.nodes, n); len(l.nodes) > l.limits.nodes {
		return errMany
	}
	return nil
}

func (l *loader) takeRemoved(r *storev1.RemovedNode) error {
	if n := len(l.removed); r.GetId() == "" || n > 0 && removedKey(l.removed[n-1]) >= removedKey(r) {
		return errOrder
	}
	if r.GetIndex() > l.index {
		return errFuture
	}
	l.removed = append(l.removed, r)
	return nil
}

func (l *loader) takeFloor(f *storev1.FloorInForce) error {
	if f.GetFloor() > f.GetTarget() || f.GetService() == "" {
		return fmt.Errorf("the floor of %q in force is %d, above its target %d", f.GetService(), f.GetFloor(), f.GetTarget())
	}
	if l.floors == nil {
		l.floors = map[string]*storev1.FloorInForce{}
	}
	key := rollout.KeyOf(f)
	if key <= l.lastFloor {
		return errOrder
	}
	if l.floors[key], l.lastFloor = f, key; len(l.floors) > maxFloors {
		return errMany
	}
	return nil
}

func (l *loader) takeRequest(r *storev1.RequestRecord) error {
	id, err := parseRequestID(r.GetRequestId())
	if err != nil {
		return err
	}
	key := requestKey{r.GetCaller(), id}
	switch {
	case r.GetRequestId() != formatRequestID(id) || len(r.GetDigest()) != 32 || r.GetResult() == nil:
		return errors.New("it is not how results are kept")
	case l.requests[key] != nil:
		return errors.New("its request id comes twice")
	case r.GetResult().GetIndex() > l.index:
		return errFuture
	}
	if n := l.core.requests.len(); n > 0 && l.core.requests.at(n-1).GetResult().GetIndex() > r.GetResult().GetIndex() {
		return errOrder
	}
	l.requests[key] = r
	l.core.requests.push(r)
	if l.core.requests.len() > l.limits.requests {
		return errMany
	}
	return nil
}

func (l *loader) takeEvent(e *v1.Event) error {
	if n := l.events.len(); n > 0 {
		last := l.events.at(n - 1)
		if last.GetIndex() > e.GetIndex() || last.GetIndex() == e.GetIndex() && last.GetOrdinal() >= e.GetOrdinal() {
			return errOrder
		}
	}
	if e.GetIndex() > l.index {
		return errFuture
	}
	if e.GetIndex() <= l.eventsDropped {
		return errors.New("it was dropped before")
	}
	l.events.push(e)
	l.eventBytes += eventSize(e)
	if l.events.len() > l.limits.events || l.eventBytes > l.limits.eventBytes {
		return errMany
	}
	return nil
}

func (l *loader) takeFreeze(f *v1.Freeze) error {
	if n := len(l.freezes); f.GetId() == "" || n > 0 && l.freezes[n-1].GetId() >= f.GetId() {
		return errOrder
	}
	if f.GetScope() == "" || f.GetExpires().CheckValid() != nil {
		return errors.New("a freeze without scope or end")
	}
	if l.freezes = append(l.freezes, f); len(l.freezes) > l.limits.freezes {
		return errMany
	}
	return nil
}

func (l *loader) takeHold(h *v1.Hold) error {
	if l.hold != nil || len(h.GetSilent()) > maxSilent {
		return errMany
	}
	l.hold = h
	return nil
}

func (l *loader) takeOverride(o *v1.HoldOverride) error {
	if l.override != nil {
		return errMany
	}
	if o.GetExpires().CheckValid() != nil {
		return errors.New("an override without end")
	}
	l.override = o
	return nil
}

func (l *loader) takeApproval(a *v1.Approval) error {
	if n := len(l.approvals); a.GetCause() <= v1.Cause_CAUSE_UNSPECIFIED || n > 0 && l.approvals[n-1].GetCause() >= a.GetCause() {
		return errOrder
	}
	if len(a.GetMoves()) > maxMovesInPlan {
		return errMany
	}
	l.approvals = append(l.approvals, a)
	return nil
}

func (l *loader) takeOrder(o *storev1.RolloutOrder) error {
	if l.order != nil {
		return errMany
	}
	if o.GetOrder() > l.index {
		return errFuture
	}
	if !o.GetOpen() && (o.GetPause() != nil || o.GetCanary() != nil || o.GetAborting() || len(o.GetStart()) > 0) {
		return errors.New("an order that is carried out has still something to do")
	}
	if !slices.IsSorted(o.GetCanary().GetNodes()) {
		return fmt.Errorf("nodes of the canary: %w", errOrder)
	}
	l.order = o
	return nil
}
