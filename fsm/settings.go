package fsm

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// updateNode sets what the operator says of a node. An empty region or zone, or
// a capacity of 0, takes the operator's word back: the agent's claim counts.
func (d *draft) updateNode(c *storev1.UpdateNode) *storev1.Result {
	before, refusal := d.node(c.GetId())
	if refusal != nil {
		return refusal
	}
	if refusal := expectGeneration(before, c.ExpectedGeneration); refusal != nil {
		return refusal
	}
	if err := checkPlace(c.GetRegion(), c.GetZone(), c.GetCapacity()); err != nil {
		return invalid(fmt.Errorf("node %s: %w", c.GetId(), err))
	}
	labels, err := changedLabels(before.GetSettings().GetLabels(), c)
	if err != nil {
		return invalid(fmt.Errorf("node %s: %w", c.GetId(), err))
	}
	settings := copySettings(before.GetSettings())
	settings.Labels = labels
	if c.Region != nil {
		settings.Region = orNil(c.GetRegion())
	}
	if c.Zone != nil {
		settings.Zone = orNil(c.GetZone())
	}
	if c.Capacity != nil {
		settings.Capacity = orNil(c.GetCapacity())
	}
	return d.setSettings(before, settings, &v1.Event{Kind: EventNodeUpdated, Message: fmt.Sprintf("settings of node %s changed", c.GetId())})
}

// changedLabels returns the operator's labels after a command.
func changedLabels(before map[string]string, c *storev1.UpdateNode) (map[string]string, error) {
	if len(c.GetSetLabels()) > maxLabels || len(c.GetRemoveLabels()) > maxLabels {
		return nil, fmt.Errorf("%d labels to set and %d to remove; at most %d each", len(c.GetSetLabels()), len(c.GetRemoveLabels()), maxLabels)
	}
	if len(c.GetSetLabels()) == 0 && len(c.GetRemoveLabels()) == 0 {
		return before, nil
	}
	after := make(map[string]string, len(before)+len(c.GetSetLabels()))
	for k, v := range before {
		after[k] = v
	}
	for _, k := range c.GetRemoveLabels() {
		if _, both := c.GetSetLabels()[k]; both {
			return nil, fmt.Errorf("label %.80q is to be set and removed; do one", k)
		}
		delete(after, k)
	}
	for _, k := range sortedKeys(c.GetSetLabels()) {
		if err := checkLabel(k, c.GetSetLabels()[k]); err != nil {
			return nil, err
		}
		after[k] = c.GetSetLabels()[k]
	}
	if len(after) > maxLabels {
		return nil, fmt.Errorf("it would have %d labels set by operators; at most %d", len(after), maxLabels)
	}
	return after, nil
}

// cordonNode lets a node get nothing new, or ends that. What it serves stays.
func (d *draft) cordonNode(c *storev1.CordonNode) *storev1.Result {
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
	settings := copySettings(before.GetSettings())
	settings.Cordoned, settings.CordonReason = c.GetCordoned(), ""
	event := &v1.Event{Kind: EventNodeUncordoned, Message: fmt.Sprintf("node %s may get new seats again", c.GetId()), Reason: c.GetReason()}
	if c.GetCordoned() {
		settings.CordonReason = c.GetReason()
		event.Kind, event.Message = EventNodeCordoned, fmt.Sprintf("node %s gets nothing new", c.GetId())
	}
	return d.setSettings(before, settings, event)
}

// setSettings takes the operator's word on a node, who has looked at it: unless
// it is closed by that word, what failed there may be tried again.
func (d *draft) setSettings(before *v1.Node, settings *v1.NodeSettings, event *v1.Event) *storev1.Result {
	forgets := len(before.GetTroubles()) > 0 && !settings.GetCordoned() && settings.GetDrain() == nil
	if proto.Equal(orEmpty(before.GetSettings()), settings) && !forgets {
		return &storev1.Result{Generation: before.GetGeneration()}
	}
	after := copyNode(before)
	after.Settings = settings
	if forgets {
		after.Troubles = nil
	}
	takeEffect(after)
	event.Node = after.GetId()
	d.emit(event)
	d.putNode(before, after)
	return &storev1.Result{Generation: after.GetGeneration(), Changed: true}
}

// copySettings makes settings whose fields may be set; the labels are shared.
func copySettings(s *v1.NodeSettings) *v1.NodeSettings {
	s = orEmpty(s)
	return &v1.NodeSettings{
		Region: s.Region, Zone: s.Zone, Labels: s.GetLabels(), Capacity: s.Capacity,
		Cordoned: s.GetCordoned(), CordonReason: s.GetCordonReason(), Drain: s.GetDrain(), Activated: s.GetActivated(),
	}
}

func orEmpty(s *v1.NodeSettings) *v1.NodeSettings {
	if s == nil {
		return &v1.NodeSettings{}
	}
	return s
}

// orNil is nil for a zero value, which takes a setting back.
func orNil[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// removeNode forgets a node. Its agent is not let in again; what runs there
// runs on.
func (d *draft) removeNode(c *storev1.RemoveNode) *storev1.Result {
	before, refusal := d.node(c.GetId())
	if refusal != nil {
		return refusal
	}
	if refusal := expectGeneration(before, c.ExpectedGeneration); refusal != nil {
		return refusal
	}
	if !c.GetForce() {
		if before.GetState() != v1.NodeState_NODE_STATE_DOWN {
			return refused(codeFailedPrecondition, ReasonNodeInUse, "node %s is not down; stop its agent first, or use --force", c.GetId())
		}
		if n := len(before.GetAssignments()); n > 0 {
			return refused(codeFailedPrecondition, ReasonNodeInUse, "node %s still has %s; apply a topology without it first, or use --force", c.GetId(), amount(n, "assignment"))
		}
	}
	d.nodes.drop(c.GetId())
	d.nodeCount--
	d.unconfirmed -= counts(before.GetUnconfirmed())
	d.removed.put(removedKeyOf(before.GetId(), before.GetInstance()), &storev1.RemovedNode{
		Id: before.GetId(), Instance: before.GetInstance(), Index: d.index, Time: d.env.GetTime(),
	})
	d.emit(&v1.Event{Kind: EventNodeRemoved, Node: c.GetId(), Message: fmt.Sprintf("node %s was removed; what runs there runs on", c.GetId())})
	d.trackReady(before, nil)
	d.trackClaims(before, nil)
	return &storev1.Result{Generation: before.GetGeneration(), Changed: true}
}
