package fsm

import (
	"cmp"
	"fmt"
	"slices"

	"google.golang.org/protobuf/types/known/durationpb"

	"roster/fsm/rollout"
	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
)

// moveNode does the moves of one node and says whether its set changed.
func (d *draft) moveNode(before *v1.Node, moves []*v1.Move) bool {
	now := d.env.GetTime().AsTime()
	after := copyNode(before)
	after.Assignments = slices.Clone(before.GetAssignments())
	started := map[string]bool{}
	restarted := map[string]bool{}
	changed := false
	for _, m := range moves {
		have := assignment(after, m.GetService())
		next := d.moved(before, have, m)
		if next == have {
			continue
		}
		changed = true
		after.Assignments = slices.DeleteFunc(after.Assignments, func(a *v1.Assignment) bool { return a == have })
		if next != nil {
			after.Assignments = append(after.Assignments, next)
		}
		if next.GetWanted() == v1.Wanted_WANTED_SERVING && have.GetWanted() != v1.Wanted_WANTED_SERVING {
			started[m.GetService()] = true
		}
		for _, service := range rollout.Restarts(before, m.GetService(), m.GetAction()) {
			restarted[service] = true
		}
		if why := failed(before, have, d.effective.GetPolicy(), now); why != "" && next.GetWanted() != v1.Wanted_WANTED_SERVING && d.knows(2) {
			after.Troubles = d.troubled(after.GetTroubles(), m.GetService(), why)
		}
		d.tellMove(have, next, m)
	}
	if !changed {
		return false
	}
	slices.SortFunc(after.Assignments, func(a, b *v1.Assignment) int { return cmp.Compare(a.GetService(), b.GetService()) })
	after.Generation++
	// What is started, taken back from a drain or restarted counts as ready only
	// when reported again, of this generation.
	after.Reports = d.unproven(after.GetReports(), func(s string) bool { return started[s] }, "wanted anew, not reported yet")
	after.Reports = d.unproven(after.GetReports(), func(s string) bool { return restarted[s] }, "restarts with its group")
	d.noteRestarts(after, restarted)
	d.putNode(before, after)
	if len(after.GetAssignments()) == 0 && after.GetSettings().GetDrain() != nil {
		d.tellDrained(after.GetId())
	}
	return true
}

// moved returns the assignment after a move: the same one where nothing is to
// be changed, nil where it ends.
func (d *draft) moved(n *v1.Node, have *v1.Assignment, m *v1.Move) *v1.Assignment {
	next := &v1.Assignment{
		Service: m.GetService(), Node: m.GetNode(), Wanted: v1.Wanted_WANTED_SERVING,
		Pool: m.GetPool(), Reason: m.GetReason(), Since: d.env.GetTime(), Revision: d.revision(), Borrowed: m.GetBorrowed(),
	}
	serving := have.GetWanted() == v1.Wanted_WANTED_SERVING
	switch m.GetAction() {
	case v1.Action_ACTION_START, v1.Action_ACTION_RESEAT:
		if serving {
			if m.GetBorrowed() && next.GetPool() == "" {
				next.Pool = have.GetPool()
			}
			if have.GetPool() == next.GetPool() && have.GetBorrowed() == next.GetBorrowed() {
				return have
			}
			next.Since, next.UnreadySince, next.RestartedAt = have.GetSince(), have.GetUnreadySince(), have.GetRestartedAt()
		}
	case v1.Action_ACTION_UNDRAIN:
		if serving {
			return have
		}
		// What it was to its pool it stays; only a RESEAT changes that.
		next.Borrowed = have.GetBorrowed()
		if next.GetPool() == "" {
			next.Pool = have.GetPool()
		}
	case v1.Action_ACTION_DRAIN:
		if !serving {
			return have
		}
		next.Wanted, next.Pool = v1.Wanted_WANTED_DRAINING, have.GetPool()
		next.Borrowed = have.GetBorrowed()
		next.Drain = d.shortened(n, d.drainBound(m.GetService(), have.GetRevision()))
	case v1.Action_ACTION_STOP:
		return nil
	}
	return next
}

// drainBound is how long a drain may take: by the topology in force, else by
// the one that wanted the service, else by default.
func (d *draft) drainBound(service string, revision uint64) *durationpb.Duration {
	bound := func(t *v1.Topology) *durationpb.Duration {
		for _, s := range t.GetServices() {
			if s.GetName() == service {
				return s.GetDrain()
			}
		}
		return nil
	}
	if drain := bound(d.effective); drain != nil {
		return drain
	}
	if old := d.topologies.get(ordered(revision)); old != nil {
		if drain := bound(topology.Effective(old.GetTopology())); drain != nil {
			return drain
		}
	}
	return bound(topology.Effective(&v1.Topology{Pools: []*v1.Pool{{Services: []string{service}}}}))
}

func (d *draft) tellMove(have, next *v1.Assignment, m *v1.Move) {
	e := &v1.Event{Node: m.GetNode(), Service: m.GetService(), Pool: m.GetPool(), Revision: d.revision(), Reason: m.GetReason()}
	if e.Pool == "" {
		e.Pool = have.GetPool()
	}
	say := func(kind, format string, more ...any) {
		e.Kind, e.Message = kind, fmt.Sprintf(format, append([]any{m.GetService(), m.GetNode()}, more...)...)
	}
	switch m.GetAction() {
	case v1.Action_ACTION_START, v1.Action_ACTION_RESEAT:
		switch {
		case have == nil && next.GetBorrowed():
			say(EventAssignmentLoan, "%s is wanted on %s, which stands in for pool %s", next.GetPool())
		case have == nil:
			say(EventAssignmentStart, "%s is wanted on %s")
		case next.GetBorrowed():
			say(EventAssignmentPool, "%s on %s fills no seat of pool %s any more", next.GetPool())
		default:
			say(EventAssignmentPool, "%s on %s fills a seat of pool %s now", m.GetPool())
		}
	case v1.Action_ACTION_DRAIN:
		say(EventAssignmentDrain, "%s ends its sessions on %s")
	case v1.Action_ACTION_STOP:
		if have.GetBorrowed() {
			say(EventAssignmentReturned, "%s is given back by %s, which stood in for pool %s", have.GetPool())
			break
		}
		say(EventAssignmentStop, "%s is no longer wanted on %s")
	case v1.Action_ACTION_UNDRAIN:
		say(EventAssignmentUndrain, "%s serves on %s after all")
	}
	d.emit(e)
}
