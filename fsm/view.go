package fsm

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"roster/fsm/placement"
	"roster/fsm/rollout"
	v1 "roster/proto/roster/v1"
)

// Placement is the view that a placement of an effective topology is made from,
// at a time: what was lost may be lost for good by now.
func Placement(s *State, effective *v1.Topology, now time.Time) placement.View {
	return placementView(&s.core, effective, s.Nodes(), s.Freezes(), now)
}

func placementView(c *core, effective *v1.Topology, nodes []*v1.Node, freezes []*v1.Freeze, now time.Time) placement.View {
	view := placement.View{Topology: effective, Nodes: nodes}
	if c.cluster.GetSchema() < 2 {
		// Schema 1 knows no loans, and keeps every seat.
		return view
	}
	view.Now, view.Floors = now, make(map[string]uint32, len(c.floors))
	floors := c.floors
	if effective != c.effective {
		floors = rollout.AdvanceFloors(floors, effective, rollout.PartsOf(floors), c.ready)
	}
	for service, f := range floors {
		view.Floors[service] = f.GetFloor()
	}
	view.Frozen = frozenPlaces(freezes, now)
	return view
}

// frozenPlaces says which nodes lie in a place that is frozen: what is to be
// begun is begun elsewhere. Where everything is frozen, or a pool or a service,
// there is no elsewhere.
func frozenPlaces(freezes []*v1.Freeze, now time.Time) func(*v1.Node) bool {
	var scopes []string
	for _, f := range freezes {
		if kind, _, _ := strings.Cut(f.GetScope(), ":"); rollout.InForce(f, now) && slices.Contains([]string{"node", "zone", "region"}, kind) {
			scopes = append(scopes, f.GetScope())
		}
	}
	if len(scopes) == 0 {
		return nil
	}
	return func(n *v1.Node) bool {
		return slices.ContainsFunc(scopes, func(scope string) bool { return rollout.Covers(scope, n, nil) })
	}
}

// Rollout is the view that the next steps towards a target are decided from.
// effective is the topology in force, or one that is only planned; then the
// floors are those that applying it would begin with.
func Rollout(s *State, effective *v1.Topology, target *placement.Target, now time.Time, heard func(node string) bool) rollout.View {
	view := rollout.View{Now: now, Topology: effective, Target: target, Nodes: s.Nodes(), Floors: s.Floors(), Heard: heard}
	view.Restraints = rollout.Restraints{Freezes: s.Freezes(), Hold: s.hold, Approvals: s.approvals, Open: s.order.GetOpen()}
	if effective == s.effective {
		view.Revision = s.revision()
	} else {
		view.Floors = rollout.AdvanceFloors(view.Floors, effective, rollout.PartsOf(view.Floors), s.ready)
		// Applying it is the operator's order, which needs no approval.
		view.Restraints.Open = true
	}
	return view
}

// Assignments is a node's whole set, with what is ready of it.
func Assignments(n *v1.Node) *v1.NodeAssignments {
	set := &v1.NodeAssignments{Node: n.GetId(), Generation: n.GetGeneration(), Index: n.GetAssignmentIndex(), Assignments: n.GetAssignments()}
	for _, a := range n.GetAssignments() {
		if rollout.Ready(n, a.GetService()) {
			set.Ready = append(set.Ready, a.GetService())
		}
	}
	return set
}

// Endpoints is where the assigned services of a node answer, in the order of
// the set and of the agent's claims, each with what it is good for now.
func Endpoints(n *v1.Node) []*v1.Endpoint {
	var endpoints []*v1.Endpoint
	for _, a := range n.GetAssignments() {
		state := endpointState(n, a)
		for _, e := range claim(n, a.GetService()).GetEndpoints() {
			endpoints = append(endpoints, &v1.Endpoint{
				Service: a.GetService(), Node: n.GetId(), Host: e.GetHost(), Port: e.GetPort(), Tls: e.GetTls(), Path: e.GetPath(), State: state,
			})
		}
	}
	return endpoints
}

func endpointState(n *v1.Node, a *v1.Assignment) v1.EndpointState {
	switch {
	case n.GetState() == v1.NodeState_NODE_STATE_DOWN:
		return v1.EndpointState_ENDPOINT_STATE_UNKNOWN
	case a.GetWanted() == v1.Wanted_WANTED_DRAINING:
		return v1.EndpointState_ENDPOINT_STATE_DRAINING
	case rollout.Ready(n, a.GetService()):
		return v1.EndpointState_ENDPOINT_STATE_READY
	}
	return v1.EndpointState_ENDPOINT_STATE_NOT_READY
}

// Basis names what a plan for a topology relies on: what the topology says, the
// one in force, and of every node its set's generation, whether it is down,
// closed or only observes, and what decides where it may serve. It is another
// one when any of that changed.
//
// A node that is suspect for a moment changes nothing that was shown: it keeps
// its seat and its readiness, and Apply judges shortages, stops and floors by the
// nodes as they are then. Nor do a freeze, a hold or a failure of a service: they
// decide when a move is made, not whether the plan is meant.
func (s *State) Basis(planned *v1.Topology) string {
	return basis(planned, s.revision(), s.Nodes(), s.cluster.GetSchema())
}

func basis(planned *v1.Topology, revision uint64, nodes []*v1.Node, schema uint32) string {
	h := sha256.New()
	var buf []byte
	buf = appendUint(buf, revision)
	buf = appendCanonical(buf, planned.ProtoReflect())
	for _, n := range nodes {
		// Everything but reports, times and indexes.
		state := n.GetState()
		if state == v1.NodeState_NODE_STATE_SUSPECT && schema >= 2 {
			state = v1.NodeState_NODE_STATE_UP
		}
		settings := &v1.NodeSettings{Cordoned: n.GetSettings().GetCordoned()}
		if n.GetSettings().GetDrain() != nil {
			settings.Drain = &v1.NodeDrain{}
		}
		buf = appendCanonical(buf, (&v1.Node{
			Id: n.GetId(), Instance: n.GetInstance(), Claims: n.GetClaims(), Region: n.GetRegion(), Zone: n.GetZone(),
			Labels: n.GetLabels(), Capacity: n.GetCapacity(), State: state, Generation: n.GetGeneration(), Mode: n.GetMode(), Settings: settings,
		}).ProtoReflect())
		h.Write(buf)
		buf = buf[:0]
	}
	h.Write(buf)
	return hex.EncodeToString(h.Sum(nil)[:16])
}
