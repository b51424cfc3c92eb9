package fsm

import (
	"slices"

	"google.golang.org/protobuf/proto"

	v1 "roster/proto/roster/v1"
)

// noteReady keeps since when a service that was ready in its assignment is not,
// by the leader's time: its agent tells only since when it tries again.
func (d *draft) noteReady(n *v1.Node, service string, ready bool) {
	a := assignment(n, service)
	switch {
	case !d.knows(3):
	case ready && a.GetUnreadySince() != nil:
		d.editAssignment(n, service, func(a *v1.Assignment) { a.UnreadySince = nil })
	case !ready && a.GetWanted() == v1.Wanted_WANTED_SERVING && a.GetUnreadySince() == nil:
		d.editAssignment(n, service, func(a *v1.Assignment) { a.UnreadySince = d.env.GetTime() })
	}
}

// unreadyAnew: a node that came back has to start what it served. What went on
// while it was down does not count.
func (d *draft) unreadyAnew(n *v1.Node) {
	if !d.knows(3) {
		return
	}
	for _, a := range n.GetAssignments() {
		if a.GetUnreadySince() != nil {
			d.editAssignment(n, a.GetService(), func(a *v1.Assignment) { a.UnreadySince = d.env.GetTime() })
		}
	}
}

// noteRestarts notes what moves of other services restarted: such a restart is
// given the time of a start.
func (d *draft) noteRestarts(n *v1.Node, restarted map[string]bool) {
	if !d.knows(3) {
		return
	}
	for _, a := range n.GetAssignments() {
		if restarted[a.GetService()] && a.GetWanted() == v1.Wanted_WANTED_SERVING {
			d.editAssignment(n, a.GetService(), func(a *v1.Assignment) { a.RestartedAt = d.env.GetTime() })
		}
	}
}

// editAssignment changes an assignment of a record that is not published yet.
func (d *draft) editAssignment(n *v1.Node, service string, change func(a *v1.Assignment)) {
	n.Assignments = slices.Clone(n.GetAssignments())
	at := slices.IndexFunc(n.GetAssignments(), func(a *v1.Assignment) bool { return a.GetService() == service })
	a := proto.CloneOf(n.GetAssignments()[at])
	change(a)
	n.Assignments[at] = a
}
