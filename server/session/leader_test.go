package session

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"roster/server/internal/fixture"
)

func TestAMemberThatKnowsNoLeaderTellsItsAgentsSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := fixture.New(t)
		var leader atomic.Bool
		leader.Store(true)
		hub, err := New(Config{
			Machine: log.Machine, Proposer: log, HasLeader: leader.Load, Fresh: caughtUp(log, log.Machine), Heartbeat: beat, WriteTimeout: 5 * time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		d := &desk{Log: log, t: t, hub: hub}
		a := d.agent("n", "imap")
		a.set()
		for _, led := range []bool{true, false, true} {
			leader.Store(led)
			a.beat(1)
			if got := a.next().GetAck().GetHasLeader(); got != led {
				t.Errorf("it says %t of a leader, want %t", got, led)
			}
		}
	})
}
