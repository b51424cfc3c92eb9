package rpc

import (
	"fmt"
	"time"

	"roster/fsm"
)

// timeOf is now, by this member's clock or the leader's at the newest event,
// which may be ahead of it: nothing that the leader has seen pass is told as
// still to come.
func timeOf(state *fsm.State) time.Time {
	now := time.Now()
	if written := state.Time(); written.After(now) {
		return written
	}
	return now
}

func amount(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
