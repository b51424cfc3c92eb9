package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "roster/proto/roster/v1"

	"roster/fsm/placement"
	"roster/fsm/rollout"
)

// loan is what a node serves of a pool without a seat in it.
type loan struct {
	node     *v1.Node
	pool     string
	services []string
	ready    bool
	since    *timestamppb.Timestamp
	reason   string
	wanted   bool // it makes up for a loss
}

// did says what Roster has done about what was lost: what stands in, and which
// seats were given away.
func (t *teller) did() {
	t.wentBack()
	sayEach(t, t.loans(), t.sayLoan)
	sayEach(t, t.which(seatless), func(n *v1.Node) string {
		return fmt.Sprintf("%s holds no seat of pool %s any more: what it serves there is surplus when it comes back.", n.GetId(), enumerate(poolsGone(n)))
	})
}

func (t *teller) sayLoan(l loan) string {
	verb := "serves"
	if !l.ready {
		verb = "was told to serve"
	}
	services, since := enumerate(l.services), clock(t.in.Now, l.since)
	missing := t.f.missing(l.node, l.pool, l.services)
	switch {
	case l.pool == "":
		return fmt.Sprintf("%s %s %s since %s, outside every pool%s.", l.node.GetId(), verb, services, since, because(l.reason))
	case !l.wanted:
		return fmt.Sprintf("%s still %s %s since %s, without a seat: pool %s no longer needs it%s.", l.node.GetId(), verb, services, since, l.pool, t.keptFor(l))
	case len(missing) == 1:
		return fmt.Sprintf("%s %s %s in place of %s since %s.", l.node.GetId(), verb, services, missing[0], since)
	case len(missing) > 1:
		return fmt.Sprintf("%s %s %s since %s, for pool %s, which lost %s.", l.node.GetId(), verb, services, since, l.pool, list(missing))
	}
	// The planner begins with what is said here already.
	reason := strings.TrimPrefix(l.reason, "stands in for pool "+l.pool+": ")
	return fmt.Sprintf("%s %s %s since %s, for pool %s%s.", l.node.GetId(), verb, services, since, l.pool, because(reason))
}

// keptFor says what something that is no longer needed is kept for.
func (t *teller) keptFor(l loan) string {
	back := t.f.untrusted(l.node, l.pool)
	if len(back) == 0 {
		return ""
	}
	last := back[0]
	for _, n := range back {
		if t.reliedOn(n).AsTime().After(t.reliedOn(last).AsTime()) {
			last = n
		}
	}
	sentence := fmt.Sprintf("; it is kept until %s, as %s came back at %s", ahead(t.in.Now, t.reliedOn(last)), last.GetId(), clock(t.in.Now, last.GetReturnedAt()))
	if last.GetFlaps() > 1 {
		sentence += fmt.Sprintf(", %s lately", times(last.GetFlaps()))
	}
	return sentence
}

// reliedOn is when a node that came back is relied on again. The planner says
// so; its waits are return_after, doubled some times.
func (t *teller) reliedOn(n *v1.Node) *timestamppb.Timestamp {
	const enough = 24 * time.Hour
	for wait := max(t.f.policy.GetReturnAfter().AsDuration(), time.Second); wait < enough; wait *= 2 {
		// No wait is longer than an hour, unless return_after is.
		for _, w := range []time.Duration{min(wait, time.Hour), wait} {
			if at := after(n.GetReturnedAt(), w); placement.Settled(n, t.f.policy, at.AsTime()) {
				return at
			}
		}
	}
	return after(n.GetReturnedAt(), enough)
}

// loans are what is served without a seat by nodes that live, a line for each
// node and pool.
func (t *teller) loans() (loans []loan) {
	for _, n := range t.f.nodes {
		if isDown(n) {
			continue
		}
		first := len(loans)
		for _, a := range n.GetAssignments() {
			if !a.GetBorrowed() || a.GetWanted() != v1.Wanted_WANTED_SERVING {
				continue
			}
			i := first + slices.IndexFunc(loans[first:], func(l loan) bool { return l.pool == a.GetPool() })
			if i < first {
				i = len(loans)
				loans = append(loans, loan{node: n, pool: a.GetPool(), ready: true, since: a.GetSince(), reason: a.GetReason()})
			}
			l := &loans[i]
			l.services = append(l.services, a.GetService())
			l.ready = l.ready && rollout.Ready(n, a.GetService())
			l.wanted = l.wanted || t.f.makesUp(n, a)
			if a.GetSince().AsTime().Before(l.since.AsTime()) {
				l.since = a.GetSince()
			}
		}
	}
	return loans
}

// seatless: the node is down, and its seat was given away meanwhile.
func seatless(n *v1.Node) bool { return isDown(n) && len(poolsGone(n)) > 0 }

func poolsGone(n *v1.Node) (pools []string) {
	for _, a := range n.GetAssignments() {
		if a.GetBorrowed() && a.GetPool() != "" && !slices.Contains(pools, a.GetPool()) {
			pools = append(pools, a.GetPool())
		}
	}
	slices.SortFunc(pools, placement.Compare)
	return pools
}
