package whatif_test

import (
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"roster/fsm/placement"
	"roster/fsm/rollout"
	v1 "roster/proto/roster/v1"
)

// restarts are the services of a node that a move takes along, by the rule of
// the claims: whatever shares the restart group of what begins or ends.
func (w *world) restarts(n *v1.Node, m *v1.Move) (mates []string) {
	switch m.GetAction() {
	case v1.Action_ACTION_START, v1.Action_ACTION_STOP:
	case v1.Action_ACTION_UNDRAIN:
		if w.reported(n, m.GetService()) != v1.ServiceState_SERVICE_STATE_STOPPED {
			return nil
		}
	default:
		return nil
	}
	group := ""
	for _, c := range n.GetClaims().GetServices() {
		if c.GetName() == m.GetService() {
			group = c.GetRestartGroup()
		}
	}
	for _, c := range n.GetClaims().GetServices() {
		if group != "" && c.GetRestartGroup() == group && c.GetName() != m.GetService() {
			mates = append(mates, c.GetName())
		}
	}
	return mates
}

func (w *world) do(n *v1.Node, m *v1.Move) {
	i := slices.IndexFunc(n.GetAssignments(), func(a *v1.Assignment) bool { return a.GetService() == m.GetService() })
	if i < 0 {
		if m.GetAction() != v1.Action_ACTION_START {
			w.t.Fatalf("%v of what is not assigned", m)
		}
		n.Assignments = append(n.Assignments, &v1.Assignment{Service: m.GetService(), Node: n.GetId()})
		slices.SortFunc(n.Assignments, func(a, b *v1.Assignment) int { return placement.Compare(a.GetService(), b.GetService()) })
		i = slices.IndexFunc(n.GetAssignments(), func(a *v1.Assignment) bool { return a.GetService() == m.GetService() })
	}
	a := n.Assignments[i]
	a.Reason, a.Revision = m.GetReason(), w.revision
	switch m.GetAction() {
	case v1.Action_ACTION_START, v1.Action_ACTION_RESEAT:
		if a.GetWanted() != v1.Wanted_WANTED_SERVING {
			a.Wanted, a.Since = v1.Wanted_WANTED_SERVING, w.stamp()
			w.report(n, m.GetService(), v1.ServiceState_SERVICE_STATE_STARTING)
		}
		a.Pool, a.Borrowed = m.GetPool(), m.GetBorrowed()
	case v1.Action_ACTION_UNDRAIN:
		a.Wanted, a.Pool, a.Since = v1.Wanted_WANTED_SERVING, m.GetPool(), w.stamp()
		w.report(n, m.GetService(), v1.ServiceState_SERVICE_STATE_STARTING)
	case v1.Action_ACTION_DRAIN:
		a.Wanted, a.Since = v1.Wanted_WANTED_DRAINING, w.stamp()
		for _, s := range w.top.GetServices() {
			if s.GetName() == m.GetService() {
				a.Drain = s.GetDrain()
			}
		}
		if w.reported(n, m.GetService()) == v1.ServiceState_SERVICE_STATE_SERVING {
			w.report(n, m.GetService(), v1.ServiceState_SERVICE_STATE_DRAINING)
		}
	case v1.Action_ACTION_STOP:
		n.Assignments = slices.Delete(n.Assignments, i, i+1)
		w.report(n, m.GetService(), v1.ServiceState_SERVICE_STATE_STOPPED)
	default:
		w.t.Fatalf("a move of no known action: %v", m)
	}
	n.Generation++
	n.ReportedGeneration = n.Generation
}

// settle lets agents do what they are told, and says whether there was anything.
func (w *world) settle() bool {
	changed := false
	for _, n := range w.nodes {
		for _, a := range n.GetAssignments() {
			state := w.reported(n, a.GetService())
			switch {
			case w.dark[n.GetId()]:
			case a.GetWanted() == v1.Wanted_WANTED_DRAINING && state == v1.ServiceState_SERVICE_STATE_DRAINING:
				w.report(n, a.GetService(), v1.ServiceState_SERVICE_STATE_DRAINED)
				changed = true
			case a.GetWanted() == v1.Wanted_WANTED_SERVING && state != v1.ServiceState_SERVICE_STATE_SERVING && !w.broken[[2]string{n.GetId(), a.GetService()}]:
				w.report(n, a.GetService(), v1.ServiceState_SERVICE_STATE_SERVING)
				w.holds(n, a.GetService())
				changed = true
			}
		}
	}
	w.advance()
	return changed
}

// holds keeps in mind that the data of a service is on a node that served it.
func (w *world) holds(n *v1.Node, service string) {
	for _, s := range w.top.GetServices() {
		if s.GetName() == service && s.GetData() == v1.Data_DATA_LOCAL && !slices.Contains(n.GetHolds(), service) {
			n.Holds = append(n.Holds, service)
			slices.Sort(n.Holds)
		}
	}
}

func (w *world) wanted(n *v1.Node, service string) v1.Wanted {
	for _, a := range n.GetAssignments() {
		if a.GetService() == service {
			return a.GetWanted()
		}
	}
	return v1.Wanted_WANTED_UNSPECIFIED
}

func (w *world) reported(n *v1.Node, service string) v1.ServiceState {
	for _, r := range n.GetReports() {
		if r.GetService() == service {
			return r.GetState()
		}
	}
	return v1.ServiceState_SERVICE_STATE_UNSPECIFIED
}

func (w *world) report(n *v1.Node, service string, state v1.ServiceState) {
	for _, r := range n.GetReports() {
		if r.GetService() == service {
			if r.State != state {
				r.State, r.Since = state, w.stamp()
			}
			return
		}
	}
	n.Reports = append(n.Reports, &v1.ServiceReport{Service: service, State: state, Since: w.stamp()})
}

// fail takes hosts away; nobody knows yet.
func (w *world) fail(ids []string) {
	for _, id := range ids {
		n := w.node(id)
		w.dark[id] = true
		n.State, n.StateSince = v1.NodeState_NODE_STATE_SUSPECT, w.stamp()
	}
}

// comeBack brings hosts back as they were.
func (w *world) comeBack(ids []string) {
	for _, id := range ids {
		n := w.node(id)
		delete(w.dark, id)
		if n.GetState() == v1.NodeState_NODE_STATE_DOWN {
			if last := n.GetReturnedAt(); last == nil || w.now.Sub(last.AsTime()) > time.Hour {
				n.Flaps = 0
			}
			n.Flaps++
			n.ReturnedAt = w.stamp()
		}
		n.State, n.StateSince = v1.NodeState_NODE_STATE_UP, w.stamp()
	}
	w.guard()
}

// pass lets time go by, and marks down who has been silent for too long.
func (w *world) pass(d time.Duration) {
	w.now = w.now.Add(d)
	for _, id := range slices.Sorted(maps.Keys(w.dark)) {
		n := w.node(id)
		if n.GetState() == v1.NodeState_NODE_STATE_SUSPECT && w.now.Sub(n.GetStateSince().AsTime()) >= w.top.GetPolicy().GetDownAfter().AsDuration() {
			n.State, n.StateSince = v1.NodeState_NODE_STATE_DOWN, w.stamp()
		}
	}
	w.guard()
}

// set is the operator's word on a node.
func (w *world) set(id, what string) {
	n := w.node(id)
	n.Settings = proto.CloneOf(n.GetSettings())
	switch what {
	case "drain":
		n.Settings.Drain = &v1.NodeDrain{Since: timestamppb.New(w.now)}
	case "undrain":
		n.Settings.Drain = nil
	case "cordon", "uncordon":
		n.Settings.Cordoned = what == "cordon"
	}
	w.open = w.open || strings.HasSuffix(what, "drain")
}

// works says whether a service works on a host.
func (w *world) works(id, service string, well bool) {
	n := w.node(id)
	if well {
		delete(w.broken, [2]string{id, service})
		return
	}
	w.broken[[2]string{id, service}] = true
	if rollout.Ready(n, service) {
		w.report(n, service, v1.ServiceState_SERVICE_STATE_FAILING)
	}
}
