package fsm

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"roster/fsm/topology"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// servedAhead is the reason of what an agent that was ahead turned out to serve;
// worded for ever, as servedAlready.
const servedAhead = "it served when its agent was let follow again"

// adoptNode lets an agent that holds a newer set than the cluster knows follow
// again: the set in force gets a generation above it, and replaces it by name.
// What the agent serves beyond the set joins it first: others may have it not
// yet, and it is to end in order.
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
	joined := d.joinServing(after, servedAhead)
	after.Generation = max(before.GetGeneration(), ahead.GetGeneration()) + 1
	after.Supersedes, after.Ahead = ahead, nil
	d.emit(&v1.Event{
		Kind: EventNodeAdopted, Node: c.GetId(),
		Message: fmt.Sprintf("node %s follows the cluster again: its set of generation %d replaces the one of epoch %d, generation %d, that it held; %s joined its set", c.GetId(), after.GetGeneration(), ahead.GetEpoch(), ahead.GetGeneration(), amount(joined, "service")),
	})
	d.putNode(before, after)
	return &storev1.Result{Generation: after.GetGeneration(), Changed: true}
}

// joinServing adds to a node's set what its agent reports as serving and the set
// has not, without a seat, and calls off the drains of what serves. It gives how
// many services joined; the generation is the caller's.
func (d *draft) joinServing(n *v1.Node, reason string) (joined int) {
	var set []*v1.Assignment
	serves := servingReports(n.GetReports())
	for _, a := range n.GetAssignments() {
		if a.GetWanted() != v1.Wanted_WANTED_SERVING && serves[a.GetService()] {
			back := d.serving(n, a.GetService(), a.GetPool(), reason)
			back.Borrowed = a.GetBorrowed()
			a = back
		}
		set = append(set, a)
	}
	for _, service := range sortedKeys(serves) {
		// What an observing agent reports joins anyway; see mirror.
		if assignment(n, service) == nil && !observes(n) {
			a := d.serving(n, service, "", reason)
			a.Borrowed = true
			set = append(set, a)
			joined++
		}
	}
	slices.SortFunc(set, func(a, b *v1.Assignment) int { return cmp.Compare(a.GetService(), b.GetService()) })
	n.Assignments = set
	return joined
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
