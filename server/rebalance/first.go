package rebalance

import (
	"time"

	"roster/fsm"
	"roster/fsm/placement"
)

// quiet and patience bound how long the first placement waits for nodes: until
// none has registered for quiet, patience at most.
const (
	quiet    = 5 * time.Second
	patience = 30 * time.Second
)

// tooEarly holds the first placement back while nodes still register, unless
// every size is filled and no further node would change one. What is placed too
// early has to be moved later, a few nodes at a time.
func tooEarly(state *fsm.State, target *placement.Target, quiet time.Duration, now time.Time) bool {
	if filled(target) {
		return false
	}
	var first, last time.Time
	for _, n := range state.Nodes() {
		if len(n.GetAssignments()) > 0 {
			return false
		}
		at := n.GetRegisteredAt().AsTime()
		if first.IsZero() || at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
	}
	return now.Sub(last) < quiet && now.Sub(first) < patience
}

// filled says that every pool has what it wants, whatever node comes next.
func filled(target *placement.Target) bool {
	for _, size := range target.Sizes {
		if size.Open {
			return false
		}
	}
	return len(target.Shortages) == 0
}
