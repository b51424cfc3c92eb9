package fsm

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"roster/fsm/placement"
	"roster/fsm/rollout"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// Placement is the view that a placement of an effective topology is made from,
// at a time: what was lost may be lost for good by now.
func Placement(s *State, effective *v1.Topology, now time.Time) placement.View {
	return placementView(&s.core, effective, s.Nodes(), s.Freezes(), now)
}

func placementView(c *core, effective *v1.Topology, nodes []*v1.Node, freezes []*v1.Freeze, now time.Time) placement.View {
	view := placement.View{Topology: effective, Nodes: nodes}
	if c.cluster.GetSchema() < 3 {
		// Before schema 3 no service was bound to its data.
		view.Topology = shareData(effective)
	}
	if c.cluster.GetSchema() < 2 {
		// Schema 1 knows no loans, and keeps every seat.
		return view
	}
	view.Now, view.Floors = now, make(map[string]uint32, len(c.floors))
	for _, f := range floorsUnder(c, effective, nodes) {
		if len(f.GetWhere()) == 0 {
			view.Floors[f.GetService()] = f.GetFloor()
		} else if f.GetFloor() > 0 {
			view.Parts = append(view.Parts, placement.Part{Service: f.GetService(), Where: f.GetWhere(), Min: f.GetFloor()})
		}
	}
	view.Prefer = preferred(c, effective)
	view.Frozen = rollout.FrozenPlaces(freezes, now)
	return view
}

// preferred is who had which seat when the rollout began that is being walked
// back; nil: none is.
func preferred(c *core, effective *v1.Topology) []*v1.Seat {
	if effective != c.effective || !c.order.GetOpen() || !c.order.GetAborting() {
		return nil
	}
	return c.order.GetStart()
}

// floorsUnder is the floors in force under a topology: those that applying it
// would begin with, if it is not the one in force.
func floorsUnder(c *core, effective *v1.Topology, nodes []*v1.Node) map[string]*storev1.FloorInForce {
	if effective == c.effective {
		return c.floors
	}
	return rollout.FloorsUnder(c.floors, effective, nodes)
}

// shareData is an effective topology in which no claim of an agent binds a
// service to its data.
func shareData(effective *v1.Topology) *v1.Topology {
	if !slices.ContainsFunc(effective.GetServices(), func(s *v1.Service) bool { return s.GetData() == v1.Data_DATA_UNSPECIFIED }) {
		return effective
	}
	shared := proto.CloneOf(effective)
	for _, s := range shared.GetServices() {
		if s.GetData() == v1.Data_DATA_UNSPECIFIED {
			s.Data = v1.Data_DATA_SHARED
		}
	}
	return shared
}

// Rollout is the view that the next steps towards a target are decided from.
// effective is the topology in force, or one that is only planned; then the
// floors are those that applying it would begin with.
func Rollout(s *State, effective *v1.Topology, target *placement.Target, now time.Time, heard func(node string) bool) rollout.View {
	view := rollout.View{Now: now, Topology: effective, Target: target, Nodes: s.Nodes(), Floors: s.Floors(), Heard: heard}
	view.Restraints = rollout.Restraints{Freezes: s.Freezes(), Hold: s.hold, Approvals: s.approvals, Open: s.order.GetOpen()}
	if effective != s.effective {
		view.Floors = floorsUnder(&s.core, effective, view.Nodes)
		// Applying it is the operator's order, which needs no approval, and ends a
		// pause.
		view.Restraints.Open = true
		if s.cluster.GetSchema() >= 3 {
			view.Restraints.Canary = newCanary(effective, s.revision())
		}
		return view
	}
	view.Revision = s.revision()
	if s.order.GetOpen() {
		view.Restraints.Pause, view.Restraints.Canary, view.Restraints.AcceptGap = s.order.GetPause(), s.order.GetCanary(), s.order.GetAcceptGap()
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
			Holds: n.GetHolds(),
		}).ProtoReflect())
		h.Write(buf)
		buf = buf[:0]
	}
	h.Write(buf)
	return hex.EncodeToString(h.Sum(nil)[:16])
}
