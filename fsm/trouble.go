package fsm

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"roster/fsm/placement"
	"roster/fsm/rollout"
	v1 "roster/proto/roster/v1"
)

// failed says why a service that is about to be taken away from a node did not
// work there; empty: nothing was wrong with it, or it had no time to work yet.
func failed(n *v1.Node, a *v1.Assignment, policy *v1.Policy, now time.Time) string {
	if a.GetWanted() != v1.Wanted_WANTED_SERVING || n.GetState() == v1.NodeState_NODE_STATE_DOWN || rollout.Ready(n, a.GetService()) {
		return ""
	}
	for _, r := range n.GetReports() {
		if r.GetService() != a.GetService() {
			continue
		}
		if r.GetState() == v1.ServiceState_SERVICE_STATE_FAILING {
			return clip("it failed there: " + orElse(r.GetDetail(), "its probe does not pass"))
		}
	}
	if placement.Awaited(n, a, policy, now) {
		return ""
	}
	if u := a.GetUnreadySince(); u != nil {
		return fmt.Sprintf("it was ready there, and has not been for %s", now.Sub(u.AsTime()).Truncate(time.Second))
	}
	return fmt.Sprintf("it did not become ready there within %s", rollout.StartDeadline)
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// troubled adds a failure of a service to the troubles of a node.
func (d *draft) troubled(troubles []*v1.Trouble, service, reason string) []*v1.Trouble {
	next := &v1.Trouble{Service: service, Failures: 1, Last: d.env.GetTime(), Reason: reason}
	var out []*v1.Trouble
	for _, t := range troubles {
		if t.GetService() != service {
			out = append(out, t)
			continue
		}
		if next.Failures = t.GetFailures(); next.GetFailures() < math.MaxUint32 {
			next.Failures++
		}
	}
	if len(out) >= maxTroubles {
		oldest := slices.IndexFunc(out, func(t *v1.Trouble) bool {
			return !slices.ContainsFunc(out, func(o *v1.Trouble) bool { return o.GetLast().AsTime().Before(t.GetLast().AsTime()) })
		})
		out = slices.Delete(out, oldest, oldest+1)
	}
	out = append(out, next)
	slices.SortFunc(out, func(a, b *v1.Trouble) int { return cmp.Compare(a.GetService(), b.GetService()) })
	return out
}

// overcome takes away the trouble of a service that became ready.
func overcome(troubles []*v1.Trouble, service string) []*v1.Trouble {
	if !slices.ContainsFunc(troubles, func(t *v1.Trouble) bool { return t.GetService() == service }) {
		return troubles
	}
	return slices.DeleteFunc(slices.Clone(troubles), func(t *v1.Trouble) bool { return t.GetService() == service })
}
