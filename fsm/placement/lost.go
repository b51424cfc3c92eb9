package placement

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "roster/proto/roster/v1"
)

// StartDeadline is how long a start, or a restart, is waited for. After it, the
// service counts as lost there.
const StartDeadline = 60 * time.Second

// A service that failed on a node is not placed there anew for troubleWait, and
// twice as long after each further failure, up to longestWait. A node that
// came back is watched in the same manner before anything is given back.
const (
	troubleWait = 5 * time.Minute
	longestWait = time.Hour
)

// Lost says whether a service is not to be counted on at a node: the node is
// down, or the operator drains it, or it should serve and has been failing for
// down_after, or has not become ready within StartDeadline, or was ready and has
// not been since for down_after. What has not been asked of a node is not lost
// there.
func Lost(n *v1.Node, service string, policy *v1.Policy, now time.Time) bool {
	if n.GetState() == v1.NodeState_NODE_STATE_DOWN || drainedNode(n) {
		return true
	}
	return lostLive(n, assignmentOf(n, service), policy, now)
}

func lostLive(n *v1.Node, a *v1.Assignment, policy *v1.Policy, now time.Time) bool {
	since, limit, failed := failure(n, a, policy, now)
	return failed && !now.Before(since.Add(limit))
}

// SeatGone says whether a node's seat in a pool with these services is to be
// given to another: the operator drains the node, or it has been down, or one of
// the services has failed there, for replace_after.
func SeatGone(n *v1.Node, services []string, policy *v1.Policy, now time.Time) bool {
	if drainedNode(n) || downForGood(n, policy, now) {
		return true
	}
	for _, service := range services {
		since, limit, failed := failure(n, assignmentOf(n, service), policy, now)
		if failed && !now.Before(since.Add(max(limit, policy.GetReplaceAfter().AsDuration()))) {
			return true
		}
	}
	return false
}

// Settled says whether a node that was down may be relied on again: it has been
// back for return_after, twice as long with each time that it came back lately,
// an hour at most.
func Settled(n *v1.Node, policy *v1.Policy, now time.Time) bool {
	if n.GetState() == v1.NodeState_NODE_STATE_DOWN {
		return false
	}
	return n.GetReturnedAt() == nil || !now.Before(SettledAt(n, policy))
}

// SettledAt is when a node that came back may be relied on again, if it is not
// lost again before.
func SettledAt(n *v1.Node, policy *v1.Policy) time.Time {
	return n.GetReturnedAt().AsTime().Add(doubled(policy.GetReturnAfter().AsDuration(), n.GetFlaps()))
}

// Barred returns until when a service is not placed anew on a node, because it
// failed there. False: it may be.
func Barred(n *v1.Node, service string, now time.Time) (until time.Time, barred bool) {
	for _, t := range n.GetTroubles() {
		if t.GetService() == service {
			until = t.GetLast().AsTime().Add(doubled(troubleWait, t.GetFailures()))
			return until, now.Before(until)
		}
	}
	return time.Time{}, false
}

// doubled is first after one time, twice that after two, and so on up to
// longestWait.
func doubled(first time.Duration, times uint32) time.Duration {
	wait := first
	for ; times > 1 && wait < longestWait; times-- {
		wait *= 2
	}
	return max(first, min(wait, longestWait))
}

// failure says since when a service that should serve on a live node is not
// ready there, and how long that is borne. An agent's clock that is ahead is not
// believed.
func failure(n *v1.Node, a *v1.Assignment, policy *v1.Policy, now time.Time) (since time.Time, limit time.Duration, failed bool) {
	if a.GetWanted() != v1.Wanted_WANTED_SERVING {
		return time.Time{}, 0, false
	}
	r := reportOf(n, a.GetService())
	if r.GetState() == v1.ServiceState_SERVICE_STATE_SERVING {
		return time.Time{}, 0, false
	}
	since, limit = a.GetSince().AsTime(), StartDeadline
	failing := r.GetState() == v1.ServiceState_SERVICE_STATE_FAILING
	if failing {
		limit = policy.GetDownAfter().AsDuration()
	}
	if at := r.GetSince().AsTime(); at.After(since) && !at.After(now) {
		since = at
	}
	if u := a.GetUnreadySince(); u != nil {
		if until := relapsedUntil(n, a, policy); !failing || until.Before(since.Add(limit)) {
			since, limit = u.AsTime(), until.Sub(u.AsTime())
		}
	}
	return since, limit, true
}

// relapsedUntil is how long a service that was ready is waited for, once it is
// not: down_after, however often its agent starts it. What Roster restarted, and
// what a node that came back has to start, is given the time of a start.
func relapsedUntil(n *v1.Node, a *v1.Assignment, policy *v1.Policy) time.Time {
	until := a.GetUnreadySince().AsTime().Add(policy.GetDownAfter().AsDuration())
	for _, began := range []*timestamppb.Timestamp{a.GetRestartedAt(), n.GetReturnedAt()} {
		if by := began.AsTime().Add(StartDeadline); began != nil && by.After(until) {
			until = by
		}
	}
	return until
}

// Awaited says whether a start, or a restart, of a service that should serve on a
// live node and is not ready is still waited for. An agent that says it starts is
// believed since when, but for a service that was ready before.
func Awaited(n *v1.Node, a *v1.Assignment, policy *v1.Policy, now time.Time) bool {
	since := a.GetSince().AsTime()
	if r := reportOf(n, a.GetService()); r.GetState() == v1.ServiceState_SERVICE_STATE_STARTING {
		if a.GetUnreadySince() != nil {
			return now.Before(relapsedUntil(n, a, policy))
		}
		// A restart of its group began later than the assignment. An agent's clock
		// that is ahead is not believed.
		if at := r.GetSince().AsTime(); at.After(since) && !at.After(now) {
			since = at
		}
	}
	return now.Before(since.Add(StartDeadline))
}

func downForGood(n *v1.Node, policy *v1.Policy, now time.Time) bool {
	return n.GetState() == v1.NodeState_NODE_STATE_DOWN && n.GetStateSince() != nil &&
		!now.Before(n.GetStateSince().AsTime().Add(policy.GetReplaceAfter().AsDuration()))
}

func drainedNode(n *v1.Node) bool { return n.GetSettings().GetDrain() != nil }

func observing(n *v1.Node) bool { return n.GetMode() == v1.AgentMode_AGENT_MODE_OBSERVE }

func assignmentOf(n *v1.Node, service string) *v1.Assignment {
	for _, a := range n.GetAssignments() {
		if a.GetService() == service {
			return a
		}
	}
	return nil
}

func reportOf(n *v1.Node, service string) *v1.ServiceReport {
	for _, r := range n.GetReports() {
		if r.GetService() == service {
			return r
		}
	}
	return nil
}

func claimOf(n *v1.Node, service string) *v1.ServiceClaim {
	for _, c := range n.GetClaims().GetServices() {
		if c.GetName() == service {
			return c
		}
	}
	return nil
}
