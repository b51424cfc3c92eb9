package fsm

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

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

func (d *draft) undrainNode(before *v1.Node) *storev1.Result {
	if before.GetSettings().GetDrain() == nil {
		return &storev1.Result{Generation: before.GetGeneration()}
	}
	settings := copySettings(before.GetSettings())
	settings.Drain = nil
	result := d.setSettings(before, settings, &v1.Event{Kind: EventNodeUndrain, Message: fmt.Sprintf("node %s is no longer drained", before.GetId())})
	d.openOrder()
	return result
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
