package fsm

import (
	"fmt"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// stateEvents are the kinds of transitions, and their words.
var stateEvents = map[v1.NodeState]struct{ kind, word string }{
	v1.NodeState_NODE_STATE_UP:      {EventNodeUp, "up"},
	v1.NodeState_NODE_STATE_SUSPECT: {EventNodeSuspect, "suspect"},
	v1.NodeState_NODE_STATE_DOWN:    {EventNodeDown, "down"},
}

// setNodeStates records what the leader found of nodes' liveness, and what the
// guard makes of it. Each change stands alone, and counts only for the agent that
// it is about. No set changes.
func (d *draft) setNodeStates(c *storev1.SetNodeStates) *storev1.Result {
	if n := len(c.GetChanges()); n > maxNodesInWave {
		return invalid(fmt.Errorf("%d changes of state in one command; at most %d", n, maxNodesInWave))
	}
	result := &storev1.Result{}
	if message := d.judge(c.GetHold(), result); message != "" {
		result.Parts = append(result.Parts, &storev1.PartRefusal{Message: message})
	}
	for _, change := range c.GetChanges() {
		message := d.setNodeState(change, result)
		if message != "" {
			result.Parts = append(result.Parts, &storev1.PartRefusal{Node: clip(change.GetId()), Message: message})
		}
	}
	return result
}

// setNodeState returns why it was not done.
func (d *draft) setNodeState(c *storev1.NodeStateChange, result *storev1.Result) string {
	event, known := stateEvents[c.GetState()]
	before := d.nodes.get(c.GetId())
	switch {
	case !known:
		return "the new state is none that this build knows"
	case before == nil:
		return "there is no such node"
	case before.GetInstance() != c.GetInstance():
		return "another agent speaks for the node now"
	case c.GetState() == v1.NodeState_NODE_STATE_UP && d.knows(2) && d.retired(before):
		return "its agent was retired; the next one that comes makes it up"
	case before.GetState() == c.GetState():
		return ""
	}
	after := copyNode(before)
	if before.GetState() == v1.NodeState_NODE_STATE_DOWN {
		d.heardAgain(after)
	}
	after.State, after.StateSince = c.GetState(), d.env.GetTime()
	d.emit(&v1.Event{Kind: event.kind, Node: c.GetId(), Message: fmt.Sprintf("node %s is %s", c.GetId(), event.word), Reason: clip(c.GetReason())})
	d.putNode(before, after)
	result.Changed = true
	return ""
}
