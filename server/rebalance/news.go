package rebalance

import (
	"context"
	"slices"
	"time"

	"roster/fsm"
	v1 "roster/proto/roster/v1"
)

// wait returns at the next tick, or when the state has news. Thousands of label
// updates a second must not cost a plan over every node each time; whatever is
// no news by mistake waits for the tick.
func (l *Loop) wait(ctx context.Context, changed <-chan struct{}, tick <-chan time.Time) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick:
			return
		case <-changed:
		}
		changed = l.cfg.Machine.Changed()
		if l.news(l.cfg.Machine.State()) {
			return
		}
	}
}

// news says whether a state differs from the one seen in anything that a pass
// looks at. If not, it is the one seen.
func (l *Loop) news(state *fsm.State) bool {
	if l.seen == nil || differ(l.seen, state) {
		return true
	}
	l.seen = state
	return false
}

// differ says whether two states of one log differ in anything that a pass
// looks at.
func differ(before, now *fsm.State) bool {
	if before == now {
		return false
	}
	if before.Effective() != now.Effective() || !sameRestraints(before, now) || !sameParts(before, now) {
		return true
	}
	nodes, removed := now.ChangedNodes(before.Index())
	if len(removed) > 0 {
		return true
	}
	var keys map[string]bool
	for _, is := range nodes {
		was := before.Node(is.GetId())
		if was == nil || !sameNode(was, is) {
			return true
		}
		if keys == nil {
			keys = labelKeys(now.Effective())
		}
		for key := range keys {
			a, had := was.GetLabels()[key]
			b, has := is.GetLabels()[key]
			if a != b || had != has {
				return true
			}
		}
	}
	return false
}

// sameRestraints compares what the operator and the guard said.
func sameRestraints(a, b *fsm.State) bool {
	return a.Hold() == b.Hold() && a.HoldOverride() == b.HoldOverride() && a.RolloutOrder() == b.RolloutOrder() &&
		slices.Equal(a.Approvals(), b.Approvals()) && slices.Equal(a.Freezes(), b.Freezes())
}

// sameNode compares all but labels, index and words. A record is replaced as a
// whole while its unchanged parts stay the same values in memory; parts that
// were made anew count as changed.
func sameNode(a, b *v1.Node) bool {
	return a.GetInstance() == b.GetInstance() && a.GetClaims() == b.GetClaims() &&
		a.GetRegion() == b.GetRegion() && a.GetZone() == b.GetZone() && a.GetCapacity() == b.GetCapacity() &&
		a.GetSettings().GetCordoned() == b.GetSettings().GetCordoned() && a.GetSettings().GetDrain() == b.GetSettings().GetDrain() &&
		a.GetMode() == b.GetMode() && a.GetAhead() == b.GetAhead() && a.GetFrozen() == b.GetFrozen() && a.GetUnconfirmed() == b.GetUnconfirmed() &&
		a.GetState() == b.GetState() && a.GetStateSince() == b.GetStateSince() &&
		sameSlice(a.GetHolds(), b.GetHolds()) &&
		a.GetGeneration() == b.GetGeneration() && a.GetReportedGeneration() == b.GetReportedGeneration() &&
		sameSlice(a.GetAssignments(), b.GetAssignments()) && sameSlice(a.GetReports(), b.GetReports()) && sameSlice(a.GetTroubles(), b.GetTroubles())
}

func sameSlice[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// labelKeys are the labels that a topology looks at.
func labelKeys(t *v1.Topology) map[string]bool {
	keys := map[string]bool{}
	for _, pool := range t.GetPools() {
		for key := range pool.GetWhere() {
			keys[key] = true
		}
		for _, key := range pool.GetSpread() {
			keys[key] = true
		}
	}
	for _, service := range t.GetServices() {
		for key := range service.GetRequires() {
			keys[key] = true
		}
		for _, floor := range service.GetFloors() {
			keys[floor.GetPer()] = true
			for key := range floor.GetWhere() {
				keys[key] = true
			}
		}
	}
	return keys
}
