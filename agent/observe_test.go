package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	v1 "roster/proto/roster/v1"
)

const (
	observes = v1.AgentMode_AGENT_MODE_OBSERVE
	acts     = v1.AgentMode_AGENT_MODE_ACT
)

// observed is a set that asks to report and to touch nothing.
func observed(g uint64, wants ...any) *v1.AssignmentSet {
	s := set(g, wants...)
	s.Observe = true
	return s
}

// neverBut fails where a heartbeat from the i-th on says anything else of a service.
func neverBut(t *testing.T, m *member, i int, service string, state v1.ServiceState) {
	t.Helper()
	for _, h := range m.beats(i) {
		for _, r := range h.GetReports() {
			if r.GetService() == service && r.GetState() != state {
				t.Fatalf("a heartbeat said %v", r)
			}
		}
	}
}

func TestAnAgentThatObservesReportsWhatAnswersAndTouchesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap", "jmap", "webdav")
		r.cfg.Claims.Mode = observes
		r.driver.change("imap", func(s *fakeService) { s.adoptable, s.sessions = true, 3 })
		r.driver.change("webdav", func(s *fakeService) { s.foreign = true })
		m := r.net.member(t, "127.0.0.1:1")
		r.start()
		r.settle("what answers serves, what does not is stopped", func() bool {
			return r.reads("imap", isServing)() && r.reads("webdav", isServing)() && r.reads("jmap", isStopped)()
		})
		if got := r.report("imap"); got.GetPid() != 4711 || got.GetSessions() != 3 {
			t.Fatalf("imap: %v", got)
		}
		r.settle("a heartbeat", func() bool { return m.count() > 0 })
		if hello := m.greeted()[0]; hello.GetClaims().GetMode() != observes {
			t.Fatalf("hello: %v", hello)
		}
		// Whatever a set asks for, for as long as it says that it is only to observe.
		for g, s := range []*v1.AssignmentSet{
			observed(1, "imap", serving, "webdav", serving), observed(2, "imap", draining, "jmap", serving), observed(3),
		} {
			m.tell(s)
			r.settle("it is held", func() bool { _, held := r.agent.Held(); return held == uint64(g+1) })
			while(time.Minute)
		}
		neverBut(t, m, 0, "imap", isServing)
		r.driver.change("webdav", func(s *fakeService) { s.foreign = false })
		r.driver.change("jmap", func(s *fakeService) { s.foreign = true })
		r.settle("what ends is stopped, what begins serves", func() bool {
			return r.reads("webdav", isStopped)() && r.reads("jmap", isServing)()
		})
		if got := r.driver.said(); got != "" {
			t.Fatalf("an agent that observes did: %s", got)
		}
	})
}

func TestOneLostProbeIsNoEndForAnAgentThatObserves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		r.cfg.Claims.Mode = observes
		r.driver.change("imap", func(s *fakeService) { s.foreign = true })
		m := r.net.member(t, "127.0.0.1:1")
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		before := r.driver.probes.Load()
		r.driver.change("imap", func(s *fakeService) { s.mute = true })
		r.settle("a probe", func() bool { return r.driver.probes.Load() > before })
		r.driver.change("imap", func(s *fakeService) { s.mute = false })
		while(time.Minute)
		neverBut(t, m, 1, "imap", isServing)
	})
}

func TestAnAgentThatIsActivatedTakesOverWhatRunsWithoutARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap", "jmap")
		r.cfg.Claims.Mode = observes
		r.driver.change("imap", func(s *fakeService) { s.adoptable, s.sessions = true, 1 })
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(observed(7, "imap", serving))
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		r.settle("heartbeats", func() bool { return m.count() > 3 })
		from := m.count()
		m.tell(set(8, "imap", serving))
		r.settle("imap is taken over", func() bool { return r.driver.look("imap").running })
		while(time.Minute)
		neverBut(t, m, from, "imap", isServing)
		if got := r.driver.said(); got != "adopt imap" {
			t.Fatalf("calls: %s", got)
		}
		// From now on it acts, also after a restart without any member.
		m.stop()
		r.stop()
		r.driver.crash("imap")
		r.start()
		r.settle("imap is started anew", func() bool { return r.driver.look("imap").starts == 1 && r.reads("imap", isServing)() })
		// And back: it observes again.
		back := r.net.member(t, "127.0.0.1:2")
		back.tell(observed(9, "imap", serving))
		r.settle("generation 9 is held", func() bool { _, g := r.agent.Held(); return g == 9 })
		r.driver.crash("imap")
		while(10 * time.Minute)
		if got := r.report("imap"); got.GetState() != isStopped {
			t.Fatalf("imap: %v", got)
		}
		if got := r.driver.look("imap"); got.running || got.starts != 1 {
			t.Fatalf("it acts while it only observes: %s", r.driver.said())
		}
		// The same set again, and only its word on who acts is another one.
		back.tell(set(9, "imap", serving))
		r.settle("imap is started", func() bool { return r.driver.look("imap").starts == 2 })
	})
}

func TestWhatIsTakenOverIsDrainedAndStoppedLikeWhatRosterStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		r.cfg.Claims.Mode = observes
		r.driver.change("imap", func(s *fakeService) { s.adoptable = true })
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(observed(7, "imap", serving))
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		// The order to serve was skipped: the newest set wins.
		m.tell(set(9, "imap", draining))
		r.settle("imap is drained", r.reads("imap", isDrained))
		m.tell(set(10))
		r.settle("imap is stopped", r.reads("imap", isStopped))
		while(time.Minute)
		if got := r.driver.said(); got != "adopt imap, drain imap, remove imap" {
			t.Fatalf("calls: %s", got)
		}
	})
}

func TestWhatCannotBeTakenOverServesOnAndIsNeitherCutNorStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		r.cfg.Claims.Mode = observes
		r.driver.change("imap", func(s *fakeService) { s.foreign = true })
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(set(7, "imap", serving))
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		m.tell(set(8, "imap", draining))
		while(time.Minute)
		if got := r.report("imap"); got.GetState() != isServing || !strings.Contains(got.GetDetail(), "cannot take it over") {
			t.Fatalf("imap: %v", got)
		}
		m.tell(set(9))
		while(time.Minute)
		if got := r.driver.said(); got != "" {
			t.Fatalf("calls: %s", got)
		}
		// Once it is gone, Roster starts it.
		r.driver.change("imap", func(s *fakeService) { s.foreign = false })
		m.tell(set(10, "imap", serving))
		r.settle("imap is started", func() bool { return r.driver.look("imap").starts == 1 })
	})
}

// An operator who sets a node to observe is not overruled by what the agent was told
// while it acted.
func TestAnAgentThatIsSetToObserveDoesNotActOnWhatItWasToldBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(set(7, "imap", serving))
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		m.stop()
		r.stop()
		r.driver.crash("imap")
		r.cfg.Claims.Mode = observes
		for range 2 { // the first may not change what the second reads
			r.start()
			while(10 * time.Minute)
			if r.driver.look("imap").running {
				t.Fatalf("it was started: %s", r.driver.said())
			}
			r.stop()
		}
		r.start()
		back := r.net.member(t, "127.0.0.1:2")
		back.tell(set(7, "imap", serving))
		r.settle("a member says that it may act", r.reads("imap", isServing))
		r.stop()
		back.stop()
		r.driver.crash("imap")
		r.start()
		r.settle("which it remembers", r.reads("imap", isServing))
	})
}

func TestWhatASetSaysOfObservingHoldsAlsoForAnAgentThatWouldAct(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(observed(7, "imap", serving))
		r.start()
		r.settle("the set is held", func() bool { _, g := r.agent.Held(); return g == 7 })
		while(time.Minute)
		if got := r.driver.said(); got != "" {
			t.Fatalf("calls: %s", got)
		}
		r.settle("a hello", func() bool { return len(m.greeted()) > 0 })
		if mode := m.greeted()[0].GetClaims().GetMode(); mode != acts {
			t.Fatalf("it claims %s", mode)
		}
	})
}

func TestObservingRestartsNoGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := grouped(t, "imap", "jmap")
		r.cfg.Claims.Mode = observes
		r.driver.change("imap", func(s *fakeService) { s.foreign = true })
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(observed(7, "imap", serving))
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		r.settle("heartbeats", func() bool { return m.count() > 2 })
		from := m.count()
		m.tell(observed(8, "imap", serving, "jmap", serving))
		while(time.Minute)
		neverBut(t, m, from, "imap", isServing)
	})
}

func TestTheModeIsKeptInTheCacheAndAFileWithoutItIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "set")
	m := remembered()
	m.claimed = &v1.NodeClaims{Mode: observes}
	if err := writeMemory(path, m); err != nil {
		t.Fatal(err)
	}
	got, err := readMemory(path)
	if err != nil || got.claimed.GetMode() != observes {
		t.Fatalf("%v, %v", got.claimed, err)
	}
	old, err := os.ReadFile("testdata/cache/version-1")
	if err != nil {
		t.Fatal(err)
	}
	got, err = decodeMemory(old)
	if err != nil || got.set.GetGeneration() != 7 || got.claimed != nil {
		t.Fatalf("%v, %v", got, err)
	}
}
