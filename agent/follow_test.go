package agent

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"roster/agent/driver"
	v1 "roster/proto/roster/v1"
)

const (
	isServing  = v1.ServiceState_SERVICE_STATE_SERVING
	isStopped  = v1.ServiceState_SERVICE_STATE_STOPPED
	isStarting = v1.ServiceState_SERVICE_STATE_STARTING
	isFailing  = v1.ServiceState_SERVICE_STATE_FAILING
	isDraining = v1.ServiceState_SERVICE_STATE_DRAINING
	isDrained  = v1.ServiceState_SERVICE_STATE_DRAINED
)

func TestASetIsMadeTrueAndReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap", "jmap")
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(set(7, "imap", serving))
		r.start()
		r.settle("imap serves", func() bool {
			h := m.last()
			return h.GetGeneration() == 7 && len(h.GetReports()) == 2 &&
				h.GetReports()[0].GetState() == isServing && h.GetReports()[1].GetState() == isStopped
		})
		m.tell(set(8, "imap", draining, "jmap", serving))
		r.settle("imap is drained, jmap serves", func() bool {
			return r.reads("imap", isDrained)() && r.reads("jmap", isServing)()
		})
		m.tell(set(9, "jmap", serving))
		r.settle("imap is stopped", r.reads("imap", isStopped))
		if r.driver.look("imap").running {
			t.Fatal("imap runs on")
		}
		if got := r.driver.said(); got != "ensure imap, drain imap, ensure jmap, remove imap" &&
			got != "ensure imap, ensure jmap, drain imap, remove imap" {
			t.Fatalf("calls: %s", got)
		}
	})
}

func TestAnOlderSetIsNeverActedOn(t *testing.T) {
	for name, older := range map[string]*v1.AssignmentSet{
		"of an older generation": set(6, "jmap", serving),
		"of an older epoch":      {Epoch: 0, Generation: 90, Assignments: set(90, "jmap", serving).GetAssignments()},
		"that is empty":          set(6),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "imap", "jmap")
				m := r.net.member(t, "127.0.0.1:1")
				m.tell(set(7, "imap", serving))
				r.start()
				r.settle("imap serves", r.reads("imap", isServing))
				m.tell(older)
				while(time.Minute)
				if got := r.driver.said(); got != "ensure imap" {
					t.Fatalf("calls: %s", got)
				}
				if epoch, generation := r.agent.Held(); epoch != 1 || generation != 7 {
					t.Fatalf("holds epoch %d generation %d", epoch, generation)
				}
			})
		})
	}
}

func TestANewerEpochWinsOverAHigherGeneration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap", "jmap")
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(set(700, "imap", serving))
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		next := set(2, "jmap", serving)
		next.Epoch = 2
		m.tell(next)
		r.settle("jmap serves", r.reads("jmap", isServing))
		r.settle("imap is stopped", r.reads("imap", isStopped))
	})
}

func TestAnEmptyListIsNoOrderUnlessItSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(set(7, "imap", serving))
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		m.tell(&v1.AssignmentSet{Epoch: 1, Generation: 8})
		while(time.Minute)
		if !r.driver.look("imap").running {
			t.Fatal("an empty list stopped imap")
		}
		if _, generation := r.agent.Held(); generation != 7 {
			t.Fatalf("holds generation %d", generation)
		}
		m.tell(set(9))
		r.settle("imap is stopped", func() bool { return !r.driver.look("imap").running })
	})
}

func TestWithoutASetNothingIsTouched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap", "jmap")
		// imap runs from an earlier life whose cached set was lost.
		r.driver.change("imap", func(s *fakeService) { s.running, s.ended = true, make(chan struct{}) })
		r.net.member(t, "127.0.0.1:1")
		r.start()
		r.settle("imap is reported", r.reads("imap", isServing))
		while(time.Hour)
		if got := r.driver.said(); got != "" {
			t.Fatalf("calls: %s", got)
		}
	})
}

func TestWhatRosterDidNotStartIsReportedAndNeverStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap", "jmap")
		r.driver.change("imap", func(s *fakeService) { s.foreign = true })
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(set(7, "jmap", serving))
		r.start()
		r.settle("jmap serves", r.reads("jmap", isServing))
		r.settle("imap is reported", r.reads("imap", isServing))
		if detail := r.report("imap").GetDetail(); !strings.Contains(detail, "did not start") {
			t.Fatalf("detail: %s", detail)
		}
		m.tell(set(8))
		r.settle("jmap is stopped", r.reads("jmap", isStopped))
		while(time.Minute)
		if got := r.driver.said(); got != "ensure jmap, remove jmap" {
			t.Fatalf("calls: %s", got)
		}
		// Asked to serve it, the agent says why it cannot.
		m.tell(set(9, "imap", serving))
		r.settle("imap fails", r.reads("imap", isFailing))
		if detail := r.report("imap").GetDetail(); !strings.Contains(detail, driver.ErrPortTaken.Error()) {
			t.Fatalf("detail: %s", detail)
		}
	})
}

func TestWithoutMembersTheHeldSetIsServedAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap", "jmap")
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(set(7, "imap", serving))
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		m.stop()
		while(time.Hour)
		if got := r.driver.said(); got != "ensure imap" {
			t.Fatalf("calls without members: %s", got)
		}
		r.stop()
		r.driver.crash("imap") // the host was restarted
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		if r.driver.look("jmap").starts != 0 || r.driver.look("imap").starts != 2 {
			t.Fatalf("calls: %s", r.driver.said())
		}
		if epoch, generation := r.agent.Held(); epoch != 1 || generation != 7 {
			t.Fatalf("holds epoch %d generation %d", epoch, generation)
		}
	})
}

func TestTheReturnOfTheMembersChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(set(7, "imap", serving))
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		m.stop()
		while(time.Hour)
		back := r.net.member(t, "127.0.0.1:2")
		back.tell(set(7, "imap", serving))
		r.settle("heartbeats", func() bool { return back.count() > 3 })
		if got := r.driver.said(); got != "ensure imap" {
			t.Fatalf("calls: %s", got)
		}
		for _, h := range back.beats(0) {
			if h.GetReports()[0].GetState() != isServing || h.GetGeneration() != 7 {
				t.Fatalf("a heartbeat said %v", h)
			}
		}
		if hello := back.greeted()[0]; hello.GetClusterId() != clusterA || hello.GetGeneration() != 7 || hello.GetEpoch() != 1 {
			t.Fatalf("hello: %v", hello)
		}
	})
}

func TestARestartedAgentSaysAtOnceThatItServes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(set(7, "imap", serving))
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		r.stop()
		before := m.count()
		r.start() // its process ran on
		r.settle("heartbeats", func() bool { return m.count() > before })
		if first := m.beats(before)[0]; first.GetReports()[0].GetState() != isServing || first.GetGeneration() != 7 {
			t.Fatalf("the first heartbeat said %v", first)
		}
		if got := r.driver.said(); got != "ensure imap" {
			t.Fatalf("calls: %s", got)
		}
	})
}

func TestADamagedCacheTouchesNothingUntilAMemberSpeaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap", "jmap")
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(set(7, "imap", serving))
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		m.stop()
		r.stop()
		path := filepath.Join(r.cfg.Dir, cacheFile)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		flipped := []byte(strings.Replace(string(text), "imap", "jmap", 1))
		if err := os.WriteFile(path, flipped, 0o600); err != nil {
			t.Fatal(err)
		}
		r.start()
		while(time.Minute)
		if got := r.driver.said(); got != "ensure imap" {
			t.Fatalf("calls: %s", got)
		}
		back := r.net.member(t, "127.0.0.1:3")
		back.tell(set(7, "imap", serving))
		r.settle("the set is held again", func() bool { _, g := r.agent.Held(); return g == 7 })
	})
}

func TestASetIsOnDiskBeforeItIsActedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		m := r.net.member(t, "127.0.0.1:1")
		var kept []uint64
		r.driver.before = func(context.Context, string, string) error {
			memory, err := readMemory(filepath.Join(r.cfg.Dir, cacheFile))
			if err != nil {
				return err
			}
			kept = append(kept, memory.set.GetGeneration())
			return nil
		}
		m.tell(set(7, "imap", serving))
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		m.tell(set(8))
		r.settle("imap is stopped", r.reads("imap", isStopped))
		if len(kept) != 2 || kept[0] != 7 || kept[1] != 8 {
			t.Fatalf("on disk when the driver was called: generations %v", kept)
		}
	})
}

func TestASlowDrainDelaysNoOtherService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap", "jmap")
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(set(7, "imap", serving))
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		r.driver.change("imap", func(s *fakeService) { s.sessions = 3 })
		m.tell(set(8, "imap", draining, "jmap", serving))
		r.settle("jmap serves", r.reads("jmap", isServing))
		if !r.reads("imap", isDraining)() {
			t.Fatalf("imap: %v", r.report("imap"))
		}
		while(10 * time.Second)
		if got := r.report("imap"); got.GetState() != isDraining || got.GetSessions() != 3 {
			t.Fatalf("imap: %v", got)
		}
		began := time.Now()
		r.settle("the drain's bound passes", r.reads("imap", isDrained))
		if time.Since(began) > time.Minute {
			t.Fatalf("the bound of a minute took %s", time.Since(began))
		}
	})
}

func TestADrainThatIsTakenBackEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(set(7, "imap", serving))
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		r.driver.change("imap", func(s *fakeService) { s.sessions = 1 })
		m.tell(set(8, "imap", draining))
		r.settle("imap drains", r.reads("imap", isDraining))
		m.tell(set(9, "imap", serving))
		r.settle("imap serves", r.reads("imap", isServing))
		if got := r.driver.look("imap"); got.starts != 1 || got.draining {
			t.Fatalf("%+v, calls: %s", got, r.driver.said())
		}
	})
}

func TestADrainGoesOnWhereAnEarlierAgentLeftIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(set(7, "imap", serving))
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		r.driver.change("imap", func(s *fakeService) { s.sessions = 1 })
		m.tell(set(8, "imap", draining))
		r.settle("imap drains", r.reads("imap", isDraining))
		while(40 * time.Second)
		r.stop()
		r.start()
		began := time.Now()
		r.settle("imap is drained", r.reads("imap", isDrained))
		if took := time.Since(began); took > 25*time.Second {
			t.Fatalf("of a drain of a minute 20s were left, it took %s more", took)
		}
	})
}

func TestAnotherPoolTouchesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(set(7, "imap", serving))
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		next := set(8, "imap", serving)
		next.Assignments[0].Pool = "other"
		next.Assignments[0].Drain = durationpb.New(time.Hour)
		before := m.count()
		m.tell(next)
		r.settle("generation 8 is reported", func() bool { return m.last().GetGeneration() == 8 })
		for _, h := range m.beats(before) {
			if h.GetReports()[0].GetState() != isServing {
				t.Fatalf("a heartbeat said %v", h)
			}
		}
		if got := r.driver.said(); got != "ensure imap" {
			t.Fatalf("calls: %s", got)
		}
	})
}
