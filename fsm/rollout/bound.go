package rollout

import (
	"time"

	v1 "roster/proto/roster/v1"
)

// drainEnds is when a drain that goes on is over, sessions or not.
func drainEnds(n *v1.Node, a *v1.Assignment) time.Time {
	since := a.GetSince().AsTime()
	return since.Add(DrainBound(n, a.GetDrain().AsDuration(), since))
}

// drainTime is how long its drain may take in all.
func (s *slot) drainTime() time.Duration {
	return drainEnds(s.host.Node, s.assignment).Sub(s.assignment.GetSince().AsTime())
}

// DrainBound is how long a drain that begins now may take on a node: the
// service's own bound, or what is left until the operator wants the node empty,
// if that is less.
func DrainBound(n *v1.Node, own time.Duration, now time.Time) time.Duration {
	deadline := n.GetSettings().GetDrain().GetDeadline()
	if deadline == nil {
		return own
	}
	return max(0, min(own, deadline.AsTime().Sub(now)))
}
