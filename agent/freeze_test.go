package agent

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	v1 "roster/proto/roster/v1"
)

// frost puts the agent's freeze file there, or takes it away.
func (r *rig) frost(text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.cfg.Dir, freezeFile), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) thaw() {
	r.t.Helper()
	if err := os.Remove(filepath.Join(r.cfg.Dir, freezeFile)); err != nil {
		r.t.Fatal(err)
	}
}

func handsOff(s *v1.AssignmentSet) *v1.AssignmentSet {
	s.HandsOff = true
	return s
}

func TestAFrozenHostStartsDrainsStopsAndRestartsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap", "jmap", "webdav", "lmtp")
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(set(7, "imap", serving, "jmap", serving, "lmtp", serving))
		r.start()
		r.settle("three serve", func() bool {
			return r.reads("imap", isServing)() && r.reads("jmap", isServing)() && r.reads("lmtp", isServing)()
		})
		did := r.driver.said()
		r.frost("the disk is replaced\nsecond line")
		r.settle("the heartbeats say so", func() bool { return m.last().GetFrozen() == "the disk is replaced" })
		r.driver.crash("lmtp")
		m.tell(set(8, "imap", draining, "webdav", serving, "lmtp", serving)) // and jmap is to be stopped
		r.settle("the set is held", func() bool { _, g := r.agent.Held(); return g == 8 })
		while(10 * time.Minute)
		if got := r.driver.said(); got != did {
			t.Fatalf("a frozen host did: %s", strings.TrimPrefix(got, did))
		}
		for service, want := range map[string]v1.ServiceState{"imap": isServing, "jmap": isServing, "webdav": isStopped, "lmtp": isStopped} {
			if got := r.report(service); got.GetState() != want || !strings.Contains(got.GetDetail(), "the disk is replaced") {
				t.Errorf("%s: %v", service, got)
			}
		}
		r.thaw()
		r.settle("all of it is done now", func() bool {
			return r.reads("imap", isDrained)() && r.reads("jmap", isStopped)() && r.reads("webdav", isServing)() && r.reads("lmtp", isServing)()
		})
		r.settle("the heartbeats say so", func() bool { return m.last().GetFrozen() == "" })
	})
}

// The file may appear between two looks at it: it is looked at again before each action.
func TestAFreezeFileCountsFromTheMomentThatItIsThere(t *testing.T) {
	for verb, next := range map[string]*v1.AssignmentSet{
		"start": set(8, "imap", serving, "jmap", serving), "drain": set(8, "imap", draining), "stop": set(8),
	} {
		t.Run(verb, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "imap", "jmap")
				m := r.net.member(t, "127.0.0.1:1")
				m.tell(set(7, "imap", serving))
				r.start()
				r.settle("imap serves", r.reads("imap", isServing))
				did := r.driver.said()
				while(freezeEvery / 4) // not at the moment of a look
				r.frost("")
				m.tell(next)
				synctest.Wait()
				while(time.Minute)
				if got := r.driver.said(); got != did {
					t.Fatalf("a frozen host did: %s", strings.TrimPrefix(got, did))
				}
				if got := m.last().GetFrozen(); got != "freeze file "+filepath.Join(r.cfg.Dir, freezeFile) {
					t.Fatalf("frozen: %q", got)
				}
			})
		})
	}
}

func TestAFreezeEndsTheWaitOfADrainAndItsBoundRunsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(set(7, "imap", serving))
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		r.driver.change("imap", func(s *fakeService) { s.sessions = 1 })
		m.tell(set(8, "imap", draining))
		r.settle("imap drains", r.reads("imap", isDraining))
		while(10 * time.Second)
		r.frost("wait")
		r.settle("it is frozen", func() bool { return m.last().GetFrozen() == "wait" })
		while(10 * time.Minute)
		if got := r.report("imap"); got.GetState() != isDraining || r.driver.said() != "ensure imap, drain imap" {
			t.Fatalf("imap: %v, calls: %s", got, r.driver.said())
		}
		r.thaw()
		r.settle("its bound has passed", r.reads("imap", isDrained))
	})
}

func TestAFreezeFileWorksWithoutAnyMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(set(7, "imap", serving))
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		m.stop()
		r.frost("by hand")
		while(time.Minute)
		r.driver.crash("imap")
		while(time.Minute)
		r.stop()
		r.start() // the host was restarted while it was frozen
		while(time.Hour)
		if got := r.driver.said(); got != "ensure imap" {
			t.Fatalf("calls: %s", got)
		}
		r.thaw()
		r.settle("imap serves again", r.reads("imap", isServing))
	})
}

func TestHandsOffIsKeptAcrossARestartWithoutAnyMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap", "jmap")
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(set(7, "imap", serving))
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		m.tell(handsOff(set(8, "jmap", serving)))
		r.settle("the set is held", func() bool { _, g := r.agent.Held(); return g == 8 })
		while(time.Minute)
		if got := r.report("imap"); got.GetState() != isServing || !strings.Contains(got.GetDetail(), "not stopped: the operator keeps Roster's hands off") {
			t.Fatalf("imap: %v", got)
		}
		m.stop()
		r.stop()
		r.driver.crash("imap")
		r.start()
		while(time.Hour)
		if got := r.driver.said(); got != "ensure imap" {
			t.Fatalf("calls: %s", got)
		}
		// The end of it may come with the same set.
		back := r.net.member(t, "127.0.0.1:2")
		back.tell(set(8, "jmap", serving))
		r.settle("jmap serves", r.reads("jmap", isServing))
	})
}

func TestAServiceThatIsNeverStoppedIsNeitherDrainedNorStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap", "jmap")
		r.cfg.Claims.Services[0].NeverStop = true
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(set(7, "imap", serving, "jmap", serving))
		r.start()
		r.settle("both serve", func() bool { return r.reads("imap", isServing)() && r.reads("jmap", isServing)() })
		if hello := m.greeted()[0].GetClaims().GetServices(); !hello[0].GetNeverStop() || hello[1].GetNeverStop() {
			t.Fatalf("hello: %v", hello)
		}
		from := m.count()
		m.tell(set(8, "imap", draining, "jmap", draining))
		r.settle("jmap is drained", r.reads("jmap", isDrained))
		while(time.Minute)
		if got := r.report("imap"); got.GetState() != isServing || !strings.Contains(got.GetDetail(), "never_stop") {
			t.Fatalf("imap: %v", got)
		}
		m.tell(set(9))
		r.settle("jmap is stopped", r.reads("jmap", isStopped))
		while(time.Minute)
		if got := r.report("imap"); got.GetState() != isServing || !strings.Contains(got.GetDetail(), "never_stop") {
			t.Fatalf("imap: %v", got)
		}
		neverBut(t, m, from, "imap", isServing)
		if got := r.driver.said(); strings.Contains(got, "drain imap") || strings.Contains(got, "remove imap") {
			t.Fatalf("calls: %s", got)
		}
		// It is started like any other.
		m.tell(set(10, "imap", serving))
		r.settle("generation 10 is held", func() bool { _, g := r.agent.Held(); return g == 10 })
		r.driver.crash("imap")
		r.settle("imap is started anew", func() bool { return r.driver.look("imap").starts == 2 })
	})
}

func TestWhatAFreezeFileSaysIsTextOfALine(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "freeze")
	if got := readFreeze(path); got != "" {
		t.Fatalf("no file: %q", got)
	}
	for text, want := range map[string]string{
		"":                            "freeze file " + path,
		"\nx":                         "freeze file " + path,
		"  by ann \nx":                "by ann",
		"a\xffb":                      "ab",
		strings.Repeat("ä", 1000):     strings.Repeat("ä", longestFreeze/2),
		"x" + strings.Repeat("ä", 99): "x" + strings.Repeat("ä", 99),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := readFreeze(path); got != want || !utf8.ValidString(got) {
			t.Errorf("%.20q: %q", text, got)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	// Whatever is there freezes, also what cannot be read, or not even looked at.
	if err := os.Symlink("/no/such/file", path); err != nil {
		t.Fatal(err)
	}
	if got := readFreeze(path); got != "freeze file "+path {
		t.Errorf("a link to nothing: %q", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := readFreeze(filepath.Join(dir, "file", "freeze")); !strings.Contains(got, "cannot be looked at (not a directory)") {
		t.Errorf("below a file: %q", got)
	}
}

func TestASetThatComesWhileFrozenRestartsNoGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := grouped(t, "imap", "jmap")
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(set(7, "imap", serving))
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		r.frost("wait")
		r.settle("it is frozen", func() bool { return m.last().GetFrozen() != "" })
		from := m.count()
		m.tell(set(8, "imap", serving, "jmap", serving))
		while(time.Minute)
		neverBut(t, m, from, "imap", isServing)
		r.thaw()
		r.settle("both serve", func() bool { return r.reads("imap", isServing)() && r.reads("jmap", isServing)() })
	})
}

func TestAProbeThatHangsIsEndedAndDelaysNoOtherService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap", "jmap")
		var hang atomic.Bool
		hang.Store(true)
		r.cfg.Probe = func(ctx context.Context, e *v1.Endpoint) error {
			if e.GetService() == "imap" && hang.Load() {
				<-ctx.Done()
				return ctx.Err()
			}
			return r.driver.probe(ctx, e)
		}
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(set(7, "imap", serving, "jmap", serving))
		r.start()
		r.settle("jmap serves", r.reads("jmap", isServing))
		r.settle("imap fails", r.reads("imap", isFailing))
		if got := r.driver.look("imap"); got.starts != 1 {
			t.Fatalf("%d starts of a service that hangs", got.starts)
		}
		hang.Store(false)
		r.settle("imap serves", r.reads("imap", isServing))
		hang.Store(true)
		r.settle("imap fails again", r.reads("imap", isFailing))
		// It can still be taken from this node.
		m.tell(set(8, "jmap", serving))
		r.settle("imap is stopped", r.reads("imap", isStopped))
	})
}
