package agent

import (
	"context"
	"errors"

	v1 "roster/proto/roster/v1"
)

// inbox is the mailbox of one between a session and whoever takes sets in: a newer
// set replaces one that was not fetched.
type inbox chan *v1.AssignmentSet

func (b inbox) put(set *v1.AssignmentSet) {
	for {
		select {
		case b <- set:
			return
		default:
		}
		select {
		case waiting := <-b:
			if replaces(waiting, set) {
				set = waiting
			}
		default:
		}
	}
}

// takeSets takes in what comes until ctx ends.
func (a *Agent) takeSets(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case set := <-a.inbox:
			err := a.take(set, true)
			a.board.ahead(errors.Is(err, errOlder))
			if err != nil && !errors.Is(err, errHeld) {
				a.log.Warn("a set is not acted on", "epoch", set.GetEpoch(), "generation", set.GetGeneration(), "error", err)
			}
		}
	}
}

// take makes a newer set the held one: on disk before it is acted on, so that a
// restart never goes back to an older one; reset in the reports before any worker
// sees it. One goroutine takes sets.
func (a *Agent) take(set *v1.AssignmentSet, keep bool) error {
	if err := a.orders.judge(set); err != nil {
		return err
	}
	if keep {
		if err := a.membership.hold(set, a.cfg.Claims.GetMode()); err != nil {
			// A full disk must not keep an agent from following its members.
			a.log.Error("the set is acted on, but not kept for a restart", "error", err)
		}
	}
	a.board.begin(a.orders.held(), set, !set.GetObserve() && !set.GetHandsOff() && !a.orders.isFrozen())
	return a.orders.take(set)
}
