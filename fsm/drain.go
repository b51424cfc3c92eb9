package fsm

import (
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"roster/fsm/rollout"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// drainNode gives a node's seat away, or calls that off. What it serves is moved
// by waves, as everything is: replacements first, floors kept.
func (d *draft) drainNode(c *storev1.DrainNode) *storev1.Result {
	before, refusal := d.node(c.GetId())
	if refusal != nil {
		return refusal
	}
	if refusal := expectGeneration(before, c.ExpectedGeneration); refusal != nil {
		return refusal
	}
	if err := checkText("reason", c.GetReason(), maxText); err != nil {
		return invalid(err)
	}
	if !c.GetDrained() {
		return d.undrainNode(before)
	}
	if before.GetMode() == v1.AgentMode_AGENT_MODE_OBSERVE {
		return refused(codeFailedPrecondition, ReasonObserves, "node %s observes: its agent stops nothing; `roster node activate %s` first, or stop its services on the host", c.GetId(), c.GetId())
	}
	deadline, err := d.until("a drain", c.GetDeadline(), c.GetWithin(), 0, maxDrain)
	if err != nil {
		return invalid(fmt.Errorf("node %s: %w", c.GetId(), err))
	}
	old := before.GetSettings().GetDrain()
	drain := &v1.NodeDrain{Since: d.env.GetTime(), Deadline: deadline, By: d.env.GetCaller(), Reason: c.GetReason()}
	if old != nil {
		drain.Since = old.GetSince()
		if proto.Equal(old, drain) {
			return &storev1.Result{Generation: before.GetGeneration()}
		}
	}
	settings := copySettings(before.GetSettings())
	settings.Drain = drain
	words := fmt.Sprintf("node %s is drained: its seat is given away", c.GetId())
	if deadline != nil {
		words += ", until " + clock(deadline)
	}
	result := d.setSettings(before, settings, &v1.Event{Kind: EventNodeDrain, Message: words, Reason: c.GetReason()})
	d.openOrder()
	if len(before.GetAssignments()) == 0 && old == nil {
		d.tellDrained(c.GetId())
	}
	return result
}

// undrainNode calls a drain off: what still drains serves again, and where the
// node has its seat yet, it keeps it.
func (d *draft) undrainNode(before *v1.Node) *storev1.Result {
	drain := before.GetSettings().GetDrain()
	if drain == nil {
		return &storev1.Result{Generation: before.GetGeneration()}
	}
	settings := copySettings(before.GetSettings())
	settings.Drain = nil
	result := d.setSettings(before, settings, &v1.Event{Kind: EventNodeUndrain, Message: fmt.Sprintf("node %s is no longer drained", before.GetId())})
	if d.callOff(d.nodes.get(before.GetId()), drain.GetSince().AsTime()) {
		result.Generation = d.nodes.get(before.GetId()).GetGeneration()
	}
	d.openOrder()
	return result
}

// callOff takes the drains of a node back that began with its own, and says
// whether it changed the node. For each pool whose seat the node has not left yet,
// the newest that came since fills none any more: it stands in, and leaves as what
// stands in does, after the node is ready.
func (d *draft) callOff(n *v1.Node, since time.Time) bool {
	var back []*v1.Move
	seats := map[string]bool{}
	for _, a := range n.GetAssignments() {
		if a.GetBorrowed() || !d.seatOf(a) {
			continue
		}
		if a.GetWanted() == v1.Wanted_WANTED_DRAINING {
			m := &v1.Move{Service: a.GetService(), Node: n.GetId(), Pool: a.GetPool(), Action: v1.Action_ACTION_UNDRAIN, Reason: "its drain was called off"}
			if d.forbidden(n, m) != "" {
				continue
			}
			back = append(back, m)
		}
		seats[a.GetPool()] = true
	}
	// One that stopped already is begun again with its restart group: where a floor
	// needs the others, a wave has to do it.
	for _, r := range rollout.RefuseCounted(d.ready, d.nodes.get, d.floors, back) {
		back = slices.DeleteFunc(back, func(m *v1.Move) bool { return m.GetService() == r.Service })
	}
	changed := len(back) > 0 && d.moveNode(n, back)
	for _, pool := range sortedKeys(seats) {
		if came := d.newestSince(pool, n.GetId(), since); came != nil {
			d.unseat(came, pool, n.GetId())
		}
	}
	return changed
}

// seatOf says whether an assignment belongs to a pool that there is.
func (d *draft) seatOf(a *v1.Assignment) bool {
	for _, p := range d.effective.GetPools() {
		if p.GetName() == a.GetPool() {
			return slices.Contains(p.GetServices(), a.GetService())
		}
	}
	return false
}

// newestSince is the node, but one, that got a seat of a pool last, after a time.
func (d *draft) newestSince(pool, but string, since time.Time) (newest *v1.Node) {
	var at time.Time
	for _, n := range d.nodes.list(nodeKey) {
		for _, a := range n.GetAssignments() {
			got := a.GetSince().AsTime()
			if n.GetId() == but || a.GetPool() != pool || a.GetBorrowed() || a.GetWanted() != v1.Wanted_WANTED_SERVING || !got.After(since) {
				continue
			}
			if newest == nil || got.After(at) {
				newest, at = n, got
			}
		}
	}
	return newest
}

// unseat lets what a node serves for a pool stand in from now on.
func (d *draft) unseat(n *v1.Node, pool, back string) {
	var moves []*v1.Move
	for _, a := range n.GetAssignments() {
		if a.GetPool() != pool || a.GetBorrowed() || a.GetWanted() != v1.Wanted_WANTED_SERVING {
			continue
		}
		m := &v1.Move{
			Service: a.GetService(), Node: n.GetId(), Pool: pool, Action: v1.Action_ACTION_RESEAT, Borrowed: true,
			Reason: fmt.Sprintf("the drain of %s was called off", back),
		}
		if d.forbidden(n, m) == "" {
			moves = append(moves, m)
		}
	}
	if len(moves) > 0 {
		d.moveNode(n, moves)
	}
}

// tellDrained says that nothing is left on a node that is drained.
func (d *draft) tellDrained(id string) {
	d.emit(&v1.Event{Kind: EventNodeDrained, Node: id, Message: fmt.Sprintf("node %s serves nothing any more; its host may be stopped", id)})
}

// shortened is the bound of a service's drain on a node: its own, or what is left
// until the node's deadline.
func (d *draft) shortened(n *v1.Node, bound *durationpb.Duration) *durationpb.Duration {
	deadline := n.GetSettings().GetDrain().GetDeadline()
	if deadline == nil || !d.knows(2) {
		return bound
	}
	left := max(0, deadline.AsTime().Sub(d.env.GetTime().AsTime()))
	if bound != nil && bound.AsDuration() <= left {
		return bound
	}
	return durationpb.New(min(left, maxDrain).Round(time.Millisecond))
}
