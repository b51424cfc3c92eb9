package rollout

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// simulation is a cluster in which everything goes well: what is started
// becomes ready, what is drained ends. What timed out before it began stays so,
// and a node that is down or was not heard stays so.
type simulation struct {
	view   View
	at     map[string]int // place of a node in view.Nodes
	own    map[string]bool
	parts  []*storev1.FloorInForce // what the target asks of parts
	placed map[string]uint32       // floors in force when it was placed
	rounds int                     // how often it was placed
	ready  map[string]uint32
	drains map[string]*durationpb.Duration
	since  *timestamppb.Timestamp
}

func newSimulation(v View) *simulation {
	s := &simulation{
		view: v, parts: v.parts(), at: map[string]int{}, own: map[string]bool{},
		drains: map[string]*durationpb.Duration{}, since: timestamppb.New(v.Now),
	}
	s.view.Nodes = slices.Clone(v.Nodes)
	for i, n := range v.Nodes {
		s.at[n.GetId()] = i
	}
	for _, service := range v.Topology.GetServices() {
		s.drains[service.GetName()] = service.GetDrain()
	}
	s.placed = s.inForce()
	s.count()
	return s
}

// mostTargets bounds how often a plan places again: floors are reached once each.
const mostTargets = 64

func (s *simulation) inForce() map[string]uint32 {
	floors := map[string]uint32{}
	for key, f := range s.view.Floors {
		if f.GetFloor() > 0 {
			floors[key] = f.GetFloor()
		}
	}
	return floors
}

// retarget asks again who should serve what where other floors are in force than
// before, and says whether it did.
func (s *simulation) retarget() bool {
	now := s.inForce()
	if s.view.Retarget == nil || s.rounds >= mostTargets || maps.Equal(now, s.placed) {
		return false
	}
	s.placed, s.rounds = now, s.rounds+1
	s.view.Target = s.view.Retarget(s.view.Nodes, s.view.Floors)
	s.parts = s.view.parts()
	s.count()
	return true
}

// count takes stock, and advances the floors in force.
func (s *simulation) count() {
	s.view.Floors = AdvanceFloors(s.view.Floors, s.view.Topology, s.parts, nil)
	s.ready = ReadyCounts(s.view.Nodes, s.view.Floors)
	s.view.Floors = AdvanceFloors(s.view.Floors, s.view.Topology, s.parts, s.ready)
}

func (s *simulation) node(id string) *v1.Node { return s.view.Nodes[s.at[id]] }

// edit returns a node's record that may be changed.
func (s *simulation) edit(id string) *v1.Node {
	if !s.own[id] {
		s.own[id] = true
		s.view.Nodes[s.at[id]] = proto.CloneOf(s.node(id))
	}
	return s.node(id)
}

// commit does a wave. Whoever it moves has joined the canary.
func (s *simulation) commit(moves []*v1.Move) {
	var joined []string
	for _, m := range moves {
		s.apply(s.edit(m.GetNode()), m)
		if m.GetCause() != v1.Cause_CAUSE_REPAIR {
			joined = append(joined, m.GetNode())
		}
	}
	if c := s.view.Restraints.Canary; c != nil {
		joined = append(joined, c.GetNodes()...)
		slices.Sort(joined)
		s.view.Restraints.Canary = &v1.Canary{Nodes: slices.Compact(joined)}
	}
	s.count()
}

// settle lets everything that is waited for come true, and says whether
// anything was.
func (s *simulation) settle() bool {
	changed := false
	for _, n := range s.view.Nodes {
		for _, a := range n.GetAssignments() {
			switch phaseOf(n, a, s.view.Topology.GetPolicy(), s.view.Now) {
			case starting:
				s.report(s.edit(n.GetId()), a.GetService(), v1.ServiceState_SERVICE_STATE_SERVING)
			case draining:
				s.report(s.edit(n.GetId()), a.GetService(), v1.ServiceState_SERVICE_STATE_DRAINED)
			default:
				continue
			}
			changed = true
		}
	}
	s.count()
	return changed
}

// tried lets a canary be over that is well, and says whether there was one.
func (s *simulation) tried() bool {
	if s.view.Restraints.Canary == nil || s.view.Restraints.Pause != nil {
		return false
	}
	b, _ := decide(s.view)
	if b.canaryFails() != "" || !b.canaryIsWell(false) {
		return false
	}
	s.view.Restraints.Canary = nil
	return true
}

func (s *simulation) report(n *v1.Node, service string, state v1.ServiceState) {
	if a := assignment(n, service); a.GetUnreadySince() != nil && state == v1.ServiceState_SERVICE_STATE_SERVING {
		a.UnreadySince = nil
	}
	for _, r := range n.GetReports() {
		if r.GetService() == service {
			r.State, r.Since = state, s.since
			return
		}
	}
	n.Reports = append(n.Reports, &v1.ServiceReport{Service: service, State: state, Since: s.since})
}

// apply does one move to a node's record, as the state machine would.
func (s *simulation) apply(n *v1.Node, m *v1.Move) {
	restarted := Restarts(n, m.GetService(), m.GetAction())
	a := assignment(n, m.GetService())
	switch m.GetAction() {
	case v1.Action_ACTION_START:
		if a == nil {
			a = &v1.Assignment{Service: m.GetService(), Node: n.GetId(), Drain: s.drains[m.GetService()], Since: s.since}
			n.Assignments = append(n.Assignments, a)
			s.report(n, m.GetService(), v1.ServiceState_SERVICE_STATE_STARTING)
		}
		a.Wanted, a.Pool, a.Borrowed = v1.Wanted_WANTED_SERVING, m.GetPool(), m.GetBorrowed()
	case v1.Action_ACTION_RESEAT:
		a.Pool, a.Borrowed = m.GetPool(), m.GetBorrowed()
	case v1.Action_ACTION_DRAIN:
		a.Wanted, a.Since, a.UnreadySince = v1.Wanted_WANTED_DRAINING, s.since, nil
		a.Drain = durationpb.New(DrainBound(n, s.drains[m.GetService()].AsDuration(), s.view.Now))
		if serving(n, m.GetService()) {
			s.report(n, m.GetService(), v1.ServiceState_SERVICE_STATE_DRAINING)
		}
	case v1.Action_ACTION_UNDRAIN:
		a.Wanted, a.Pool, a.Since = v1.Wanted_WANTED_SERVING, m.GetPool(), s.since
		s.report(n, m.GetService(), v1.ServiceState_SERVICE_STATE_STARTING)
	case v1.Action_ACTION_STOP:
		n.Assignments = slices.DeleteFunc(n.Assignments, func(a *v1.Assignment) bool { return a.GetService() == m.GetService() })
		s.report(n, m.GetService(), v1.ServiceState_SERVICE_STATE_STOPPED)
	}
	if a != nil {
		a.Revision = s.view.Revision
	}
	for _, service := range restarted {
		if serving(n, service) {
			s.report(n, service, v1.ServiceState_SERVICE_STATE_STARTING)
		}
	}
}
