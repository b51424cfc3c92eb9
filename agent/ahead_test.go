package agent

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	v1 "roster/proto/roster/v1"
)

// of makes a set of an epoch and a generation that supersedes another version, or, where
// that is 0 0, none.
func of(epoch, generation, overEpoch, overGeneration uint64, wants ...any) *v1.AssignmentSet {
	s := set(generation, wants...)
	s.Epoch = epoch
	if overEpoch != 0 {
		s.Supersedes = &v1.SetVersion{Epoch: overEpoch, Generation: overGeneration}
	}
	return s
}

func TestAnAgentThatIsAheadServesOnAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap", "jmap")
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(set(90, "imap", serving))
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		if m.last().GetAhead() {
			t.Fatal("it says that it is ahead")
		}
		m.tell(set(50, "jmap", serving))
		r.settle("it says that it is ahead", func() bool { return m.last().GetAhead() })
		while(time.Minute)
		if h := m.last(); !h.GetAhead() || h.GetGeneration() != 90 {
			t.Fatalf("heartbeat: %v", h)
		}
		r.stop()
		r.start()
		r.settle("it says so after a restart", func() bool { return m.last().GetAhead() })
		if got := r.driver.said(); got != "ensure imap" {
			t.Fatalf("calls: %s", got)
		}
		// The set that supersedes its own is taken, older though it is.
		m.tell(of(1, 51, 1, 90, "jmap", serving))
		r.settle("jmap serves", func() bool { return r.reads("jmap", isServing)() && r.reads("imap", isStopped)() })
		r.settle("it says that it is not ahead any more", func() bool { return !m.last().GetAhead() })
		if _, g := r.agent.Held(); g != 51 {
			t.Fatalf("holds generation %d", g)
		}
		// What was superseded never comes back, also after a restart.
		did := r.driver.said()
		r.stop()
		r.start()
		for _, g := range []uint64{90, 51, 50, 89, 7} {
			m.tell(set(g, "imap", serving))
			while(10 * time.Second)
		}
		if got := r.driver.said(); got != did {
			t.Fatalf("it went back: %s", got)
		}
		m.tell(of(1, 52, 1, 90, "imap", serving))
		r.settle("imap serves", r.reads("imap", isServing))
	})
}

func TestAnAgentOfALaterEpochIsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap", "jmap")
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(of(9, 3, 0, 0, "imap", serving))
		m.with(func() { m.epoch = 9 })
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		m.stop()
		old := r.net.member(t, "127.0.0.1:2") // restored from a backup; it sends no set
		r.settle("it says that it is ahead", func() bool { return old.last().GetAhead() })
		old.tell(of(1, 4, 9, 3, "jmap", serving))
		r.settle("it follows again", func() bool { return !old.last().GetAhead() && r.reads("jmap", isServing)() })
	})
}

func TestOnlyASetThatReallySupersedesIsTakenThoughItIsOlder(t *testing.T) {
	for _, c := range []struct {
		name      string
		held, set *v1.AssignmentSet
		taken     bool
	}{
		{"newer", of(1, 7, 0, 0), of(1, 8, 0, 0), true},
		{"the same", of(1, 7, 0, 0), of(1, 7, 0, 0), false},
		{"older", of(1, 7, 0, 0), of(1, 6, 0, 0), false},
		{"newer epoch", of(1, 7, 0, 0), of(2, 1, 0, 0), true},
		{"older epoch", of(2, 1, 0, 0), of(1, 7, 0, 0), false},
		{"older, supersedes exactly the held one", of(2, 7, 0, 0), of(1, 8, 2, 7), true},
		{"older, supersedes less than the held one", of(2, 8, 0, 0), of(1, 8, 2, 7), false},
		{"older, supersedes more than the held one", of(2, 6, 0, 0), of(1, 8, 2, 7), true},
		{"newer, and supersedes less than the held one", of(2, 8, 0, 0), of(2, 9, 2, 7), true},
		{"next in the same line", of(1, 8, 2, 7), of(1, 9, 2, 7), true},
		{"before in the same line", of(1, 9, 2, 7), of(1, 8, 2, 7), false},
		{"the superseded one again", of(1, 8, 2, 7), of(2, 7, 0, 0), false},
		{"another superseded one", of(1, 8, 2, 7), of(2, 3, 0, 0), false},
		{"newer than what was superseded", of(1, 8, 2, 7), of(2, 8, 0, 0), true},
		{"a new epoch after all of it", of(1, 8, 2, 7), of(3, 1, 0, 0), true},
		{"superseded once more", of(1, 8, 2, 7), of(1, 9, 2, 9), true},
		{"and back", of(1, 9, 2, 9), of(1, 10, 2, 7), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := replaces(c.set, c.held); got != c.taken {
				t.Fatalf("%s over %s: %t", version(c.set), version(c.held), got)
			}
		})
	}
}

func version(s *v1.AssignmentSet) string {
	return fmt.Sprintf("%d/%d (supersedes %d/%d)", s.GetEpoch(), s.GetGeneration(), s.GetSupersedes().GetEpoch(), s.GetSupersedes().GetGeneration())
}

func TestTheMailboxDropsNoSetThatSupersedes(t *testing.T) {
	b := make(inbox, 1)
	b.put(of(2, 7, 0, 0))
	b.put(of(1, 8, 2, 7))
	b.put(of(2, 5, 0, 0))
	if got := <-b; got.GetGeneration() != 8 {
		t.Fatalf("it kept %s", version(got))
	}
}
