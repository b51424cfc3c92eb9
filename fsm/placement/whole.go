package placement

import (
	"fmt"
	"slices"

	v1 "roster/proto/roster/v1"
)

// verdict is why a pool still needs its loans; empty: it does not.
type verdict struct {
	known bool
	why   string
}

// stays says what a loan at a node goes on for: its pool is not whole yet, or
// somebody came back too lately to be relied on. Empty: nothing.
func (l *lending) stays(k, i int) string {
	if !l.needs[k].known {
		l.needs[k] = verdict{true, l.broken(k)}
	}
	if why := l.needs[k].why; why != "" {
		return why
	}
	if n := l.nodes[i].Node; !l.nodes[i].down && !Settled(n, l.top.GetPolicy(), l.now) {
		return l.lately(n)
	}
	return ""
}

// broken says what a pool lacks: a member that serves all of it, and has done so
// for long enough, for every seat that some registered node could hold.
func (l *lending) broken(k int) string {
	policy := l.top.GetPolicy()
	for _, i := range l.members[k] {
		n := &l.nodes[i]
		switch {
		case n.down:
			return n.GetId() + " is down"
		case !Settled(n.Node, policy, l.now):
			return l.lately(n.Node)
		}
		for _, s := range l.pools[k].services {
			name := l.services[s].GetName()
			if !n.ready[s] {
				return fmt.Sprintf("%s is not ready on %s", name, n.GetId())
			}
			// An agent's clock that is ahead is not believed.
			since := reportOf(n.Node, name).GetSince().AsTime()
			if wait := policy.GetReturnAfter().AsDuration(); !since.After(l.now) && l.now.Before(since.Add(wait)) {
				return fmt.Sprintf("%s has been ready on %s for less than %s", name, n.GetId(), wait)
			}
		}
	}
	if l.vacant[k] > 0 && l.awaited(k) {
		return amount(l.vacant[k], "seat") + " of it open"
	}
	return ""
}

// awaited: a node that has no seat could be a member, were it not for something
// that may pass.
func (l *lending) awaited(k int) bool {
	for i := range l.nodes {
		n := &l.nodes[i]
		if (l.spare(i) || l.pools[k].GetShared()) && !slices.Contains(l.seats[i], k) && (n.barrier[k] == drained || n.barrier[k].passes()) {
			return true
		}
	}
	return false
}

func (l *lending) lately(n *v1.Node) string {
	times := ""
	if n.GetFlaps() > 1 {
		times = fmt.Sprintf(", %d times lately", n.GetFlaps())
	}
	return fmt.Sprintf("%s came back less than %s ago%s", n.GetId(), doubled(l.top.GetPolicy().GetReturnAfter().AsDuration(), n.GetFlaps()), times)
}
