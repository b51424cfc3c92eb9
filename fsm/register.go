package fsm

import (
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/proto"

	"roster/fsm/topology"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// firstGeneration is that of a new node's empty set: above 0, which an agent
// holds that never had a set.
const firstGeneration = 1

// registerNode records that an agent opened a session. A known node keeps its
// set and its settings, whoever speaks for it now; but while one agent is up,
// another one is not let in, and what was removed does not come back by itself.
func (d *draft) registerNode(c *storev1.RegisterNode) *storev1.Result {
	if err := topology.CheckNodeID(c.GetId()); err != nil {
		return invalid(err)
	}
	if err := checkMemberName("instance of node "+c.GetId(), c.GetInstance()); err != nil {
		return invalid(err)
	}
	claims, err := normalClaims(c.GetClaims(), d.env.GetSchema())
	if err != nil {
		return invalid(fmt.Errorf("node %s: %w", c.GetId(), err))
	}
	if d.removed.get(removedKeyOf(c.GetId(), c.GetInstance())) != nil {
		if d.nodes.get(c.GetId()) != nil && d.knows(2) {
			return refused(codeFailedPrecondition, ReasonNodeRemoved, "this agent of node %s was removed or retired, and another one takes its place; what it runs runs on. To bring its host back, move its data directory away and give it another id", c.GetId())
		}
		return refused(codeFailedPrecondition, ReasonNodeRemoved, "node %s was removed; to bring its host back as a new node, move its agent's data directory away", c.GetId())
	}
	before := d.nodes.get(c.GetId())
	if before == nil {
		return d.registerNew(c, claims)
	}
	if before.GetInstance() != c.GetInstance() && before.GetState() == v1.NodeState_NODE_STATE_UP {
		return refused(codeAlreadyExists, ReasonNodeInUse, "node %s has a live agent with another data directory; stop that one, give this one another id, or retire that one by `roster node replace`", c.GetId())
	}
	after := copyNode(before)
	after.AgentVersion, after.ReportedGeneration = clip(c.GetVersion()), c.GetReportedGeneration()
	if !proto.Equal(before.GetClaims(), claims) {
		after.Claims = claims
		takeEffect(after)
		if observes(before) != observes(after) {
			after.Generation++ // see activateNode
		}
	}
	d.heardAgain(after)
	if before.GetInstance() != c.GetInstance() {
		// Nothing is known of the new agent's services, and whatever was planned
		// for the old one is void.
		after.Instance, after.RegisteredAt = c.GetInstance(), d.env.GetTime()
		after.Reports = nil
		after.Generation++
		after.Troubles, after.Ahead, after.Supersedes, after.Frozen = nil, nil, nil, ""
	}
	if proto.Equal(before, after) {
		return &storev1.Result{Generation: before.GetGeneration()}
	}
	d.tellRegistered(before, after)
	d.putNode(before, after)
	return &storev1.Result{Generation: after.GetGeneration(), Changed: true}
}

func (d *draft) registerNew(c *storev1.RegisterNode, claims *v1.NodeClaims) *storev1.Result {
	if d.nodeCount >= d.limits.nodes {
		return refused(codeResourceExhausted, ReasonFull, "there are %d nodes already, which is the most; remove one first", d.nodeCount)
	}
	d.nodeCount++
	n := &v1.Node{
		Id: c.GetId(), Instance: c.GetInstance(), Claims: claims,
		State: v1.NodeState_NODE_STATE_UP, StateSince: d.env.GetTime(), RegisteredAt: d.env.GetTime(),
		Generation: firstGeneration, ReportedGeneration: c.GetReportedGeneration(), AgentVersion: clip(c.GetVersion()),
	}
	takeEffect(n)
	// Its agent holds a set of which this state does not know: the state was
	// restored from before. It must not be told to serve nothing.
	n.Unconfirmed = c.GetReportedGeneration() > 0 && d.knows(2)
	d.emit(&v1.Event{Kind: EventNodeRegistered, Node: n.GetId(), Message: fmt.Sprintf("node %s registered", n.GetId())})
	d.putNode(nil, n)
	return &storev1.Result{Generation: n.GetGeneration(), Changed: true}
}

// heardAgain marks a node up. After it was down, its old reports prove nothing:
// the host may have started anew. What served is taken for starting until its
// agent reports again.
func (d *draft) heardAgain(n *v1.Node) {
	if n.GetState() == v1.NodeState_NODE_STATE_UP {
		return
	}
	if n.GetState() == v1.NodeState_NODE_STATE_DOWN {
		n.Reports = d.unproven(n.GetReports(), func(string) bool { return true }, "not reported since its node was down")
		d.returned(n)
		d.unreadyAnew(n)
	}
	n.State, n.StateSince = v1.NodeState_NODE_STATE_UP, d.env.GetTime()
}

// calmAfter is how long a node stays up until it is no longer said to flap.
const calmAfter = time.Hour

// returned counts that a node came back from being down.
func (d *draft) returned(n *v1.Node) {
	if !d.knows(2) {
		return
	}
	last := n.GetReturnedAt()
	if last == nil || d.env.GetTime().AsTime().Sub(last.AsTime()) > calmAfter {
		n.Flaps = 0
	}
	if n.GetFlaps() < math.MaxUint32 {
		n.Flaps++
	}
	n.ReturnedAt = d.env.GetTime()
}

// unproven returns reports in which the chosen services that served are
// starting: ready only when reported again.
func (d *draft) unproven(reports []*v1.ServiceReport, chosen func(service string) bool, why string) []*v1.ServiceReport {
	var out []*v1.ServiceReport
	changed := false
	for _, r := range reports {
		if r.GetState() == v1.ServiceState_SERVICE_STATE_SERVING && chosen(r.GetService()) {
			r = &v1.ServiceReport{
				Service: r.GetService(), State: v1.ServiceState_SERVICE_STATE_STARTING,
				Since: d.env.GetTime(), Sessions: r.GetSessions(), Pid: r.GetPid(), Detail: why,
			}
			changed = true
		}
		out = append(out, r)
	}
	if !changed {
		return reports
	}
	return out
}

func (d *draft) tellRegistered(before, after *v1.Node) {
	switch {
	case before.GetInstance() != after.GetInstance():
		d.emit(&v1.Event{
			Kind: EventNodeRegistered, Node: after.GetId(), Message: fmt.Sprintf("another agent speaks for node %s now", after.GetId()),
			Reason: "the agent before it was not up",
		})
	case !proto.Equal(before.GetClaims(), after.GetClaims()):
		d.emit(&v1.Event{Kind: EventNodeUpdated, Node: after.GetId(), Message: fmt.Sprintf("node %s claims other things than before", after.GetId())})
	}
	if before.GetState() != after.GetState() {
		d.emit(&v1.Event{Kind: EventNodeUp, Node: after.GetId(), Message: fmt.Sprintf("node %s is up", after.GetId()), Reason: "its agent opened a session"})
	}
}
