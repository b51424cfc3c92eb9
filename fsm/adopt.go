package fsm

import (
	"fmt"
	"time"

	"roster/fsm/topology"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// adoptNode lets an agent that holds a newer set than the cluster knows follow
// again: the set in force gets a generation above it, and replaces it by name.
func (d *draft) adoptNode(c *storev1.AdoptNode) *storev1.Result {
	before, refusal := d.node(c.GetId())
	if refusal != nil {
		return refusal
	}
	if refusal := expectGeneration(before, c.ExpectedGeneration); refusal != nil {
		return refusal
	}
	ahead := before.GetAhead()
	if ahead == nil {
		return refused(codeFailedPrecondition, ReasonNotAhead, "node %s is not ahead of the cluster: its agent follows already", c.GetId())
	}
	after := copyNode(before)
	after.Generation = max(before.GetGeneration(), ahead.GetGeneration()) + 1
	after.Supersedes, after.Ahead = ahead, nil
	d.emit(&v1.Event{
		Kind: EventNodeAdopted, Node: c.GetId(),
		Message: fmt.Sprintf("node %s follows the cluster again: its set of generation %d replaces the one of epoch %d, generation %d, that it held", c.GetId(), after.GetGeneration(), ahead.GetEpoch(), ahead.GetGeneration()),
	})
	d.putNode(before, after)
	return &storev1.Result{Generation: after.GetGeneration(), Changed: true}
}

// retired: the agent that speaks for a node was replaced, and the next one has
// not come yet.
func (d *draft) retired(n *v1.Node) bool {
	return d.removed.get(removedKeyOf(n.GetId(), n.GetInstance())) != nil
}

// replaceNode retires the agent that speaks for a node: the next one that comes
// is let in and takes over the seat; this one is not let in again. What it runs
// runs on, and counts until the node is found down.
func (d *draft) replaceNode(c *storev1.ReplaceNode) *storev1.Result {
	before, refusal := d.node(c.GetId())
	if refusal != nil {
		return refusal
	}
	if refusal := expectGeneration(before, c.ExpectedGeneration); refusal != nil {
		return refusal
	}
	if d.retired(before) {
		return &storev1.Result{Generation: before.GetGeneration()}
	}
	if before.GetState() == v1.NodeState_NODE_STATE_UP && !c.GetForce() {
		return refused(codeFailedPrecondition, ReasonNodeInUse, "the agent of node %s is up; stop it first, or use --force", c.GetId())
	}
	after := copyNode(before)
	if after.GetState() == v1.NodeState_NODE_STATE_UP {
		after.State, after.StateSince = v1.NodeState_NODE_STATE_SUSPECT, d.env.GetTime()
	}
	d.removed.put(removedKeyOf(before.GetId(), before.GetInstance()), &storev1.RemovedNode{
		Id: before.GetId(), Instance: before.GetInstance(), Index: d.index, Time: d.env.GetTime(),
	})
	d.emit(&v1.Event{Kind: EventNodeReplaced, Node: c.GetId(), Message: fmt.Sprintf("the agent of node %s was retired; the next one that comes takes over its seat", c.GetId())})
	d.putNode(before, after)
	return &storev1.Result{Generation: after.GetGeneration(), Changed: true}
}

// refusedEvery is how often one node's refused agents are told of.
const refusedEvery = time.Minute

// noteAgent records that an agent was turned away. One that comes again and
// again is told of once in a while.
func (d *draft) noteAgent(c *storev1.NoteAgent) *storev1.Result {
	if err := topology.CheckNodeID(c.GetId()); err != nil {
		return invalid(err)
	}
	if err := checkMemberName("instance of node "+c.GetId(), c.GetInstance()); err != nil {
		return invalid(err)
	}
	since := d.env.GetTime().AsTime().Add(-refusedEvery)
	for i := d.events.len() - 1; i >= 0 && i >= d.events.len()-maxNotesSeen; i-- {
		e := d.events.at(i)
		if !e.GetTime().AsTime().After(since) {
			break
		}
		if e.GetKind() == EventAgentRefused && e.GetNode() == c.GetId() {
			return &storev1.Result{}
		}
	}
	d.emit(&v1.Event{
		Kind: EventAgentRefused, Node: c.GetId(), Reason: clip(c.GetReason()),
		Message: fmt.Sprintf("an agent that calls itself node %s was turned away; the instance of its data directory is %s", c.GetId(), c.GetInstance()),
	})
	return &storev1.Result{Changed: true}
}
