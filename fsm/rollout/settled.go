package rollout

import (
	"time"

	v1 "roster/proto/roster/v1"
)

// longestReturn bounds how long a node that flaps is not trusted.
const longestReturn = time.Hour

// Settled reports whether a node that came back has been up for long enough:
// return_after, doubled for each time that it came back lately. Until then what
// stands in for it stays, and so does what it serves beyond its seat.
func Settled(n *v1.Node, policy *v1.Policy, now time.Time) bool {
	if n.GetReturnedAt() == nil {
		return true
	}
	return !now.Before(settlesAt(n, policy))
}

func settlesAt(n *v1.Node, policy *v1.Policy) time.Time {
	wait := time.Minute
	if d := policy.GetReturnAfter(); d != nil {
		wait = d.AsDuration()
	}
	for i := uint32(1); i < n.GetFlaps() && wait < longestReturn; i++ {
		wait *= 2
	}
	return n.GetReturnedAt().AsTime().Add(min(wait, longestReturn))
}
