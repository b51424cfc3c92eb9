package agent

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAServiceThatCannotStartIsReportedAndTriedAgainMoreAndMoreSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		m := r.net.member(t, "127.0.0.1:1")
		tries := 0
		var broken = true
		r.driver.before = func(context.Context, string, string) error {
			tries++
			if broken {
				return errors.New("the certificate has expired")
			}
			return nil
		}
		m.tell(set(7, "imap", serving))
		r.start()
		r.settle("imap fails", r.reads("imap", isFailing))
		if detail := r.report("imap").GetDetail(); !strings.Contains(detail, "expired") {
			t.Fatalf("detail: %s", detail)
		}
		while(10 * time.Minute)
		if tries < 12 || tries > 30 {
			t.Fatalf("%d tries in ten minutes", tries)
		}
		broken = false
		r.settle("imap serves", r.reads("imap", isServing))
	})
}

func TestACrashedServiceIsStartedAtOnceAndACrashLoopIsSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(set(7, "imap", serving))
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		while(2 * time.Minute)
		began := time.Now()
		r.driver.crash("imap")
		r.settle("imap was started anew", func() bool { return r.driver.look("imap").starts == 2 && r.reads("imap", isServing)() })
		if took := time.Since(began); took > time.Second {
			t.Fatalf("the first restart took %s", took)
		}
		for end := time.Now().Add(10 * time.Minute); time.Now().Before(end); while(time.Second) {
			if r.driver.look("imap").running {
				r.driver.crash("imap")
			}
		}
		if starts := r.driver.look("imap").starts; starts < 12 || starts > 30 {
			t.Fatalf("%d starts in ten minutes of crashes", starts)
		}
	})
}

func TestAServiceThatHasEndedIsLeftInPeace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(set(7, "imap", serving))
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		m.tell(set(8, "imap", draining))
		r.settle("imap is drained", r.reads("imap", isDrained))
		m.tell(set(9))
		r.settle("imap is stopped", r.reads("imap", isStopped))
		before := r.driver.probes.Load()
		while(10 * time.Minute)
		if probes := r.driver.probes.Load() - before; probes < 10 || probes > 100 {
			t.Fatalf("%d probes in ten minutes of a service that nobody wants", probes)
		}
	})
}

func TestAServiceThatDoesNotAnswerIsFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		m := r.net.member(t, "127.0.0.1:1")
		r.driver.change("imap", func(s *fakeService) { s.mute = true })
		m.tell(set(7, "imap", serving))
		r.start()
		r.settle("imap starts", r.reads("imap", isStarting))
		while(30 * time.Second)
		if !r.reads("imap", isStarting)() {
			t.Fatalf("imap: %v", r.report("imap"))
		}
		r.settle("imap fails", r.reads("imap", isFailing))
		r.driver.change("imap", func(s *fakeService) { s.mute = false })
		r.settle("imap serves", r.reads("imap", isServing))
		r.driver.change("imap", func(s *fakeService) { s.mute = true })
		r.settle("imap fails again", r.reads("imap", isFailing))
		if starts := r.driver.look("imap").starts; starts != 1 {
			t.Fatalf("started %d times", starts)
		}
	})
}

func TestAServiceThatTheConfigDoesNotHaveIsReportedAsFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(set(7, "imap", serving, "jmap", serving))
		r.start()
		r.settle("jmap fails", func() bool { return r.report("jmap").GetState() == isFailing })
		r.settle("imap serves", r.reads("imap", isServing))
		m.tell(set(8, "imap", serving))
		r.settle("jmap is not reported any more", func() bool { return r.report("jmap") == nil })
	})
}

func TestTwoAgentsNeverShareAFolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		r.net.member(t, "127.0.0.1:1")
		r.start()
		synctest.Wait()
		second, err := New(r.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := second.Run(t.Context()); !errors.Is(err, ErrFolderInUse) {
			t.Fatalf("run: %v", err)
		}
	})
}

func TestADrainAndAStopThatFailAreTriedMoreAndMoreSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		m := r.net.member(t, "127.0.0.1:1")
		tries := map[string]*atomic.Int32{"ensure": {}, "drain": {}, "remove": {}}
		var mended atomic.Bool
		r.driver.before = func(_ context.Context, verb, _ string) error {
			tries[verb].Add(1)
			if !mended.Load() && verb != "ensure" {
				return errors.New("the script is missing")
			}
			return nil
		}
		m.tell(set(7, "imap", serving))
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		m.tell(set(8, "imap", draining))
		while(10 * time.Minute)
		if got := r.report("imap"); got.GetState() != isDraining || !strings.Contains(got.GetDetail(), "script is missing") {
			t.Fatalf("imap: %v", got)
		}
		began := time.Now()
		m.tell(set(9))
		r.settle("the first stop waits for no drain", func() bool { return tries["remove"].Load() == 1 })
		if took := time.Since(began); took > time.Second {
			t.Fatalf("it waited for %s", took)
		}
		while(10 * time.Minute)
		if got := r.report("imap"); got.GetState() != isFailing || !strings.Contains(got.GetDetail(), "script is missing") {
			t.Fatalf("imap: %v", got)
		}
		for _, verb := range []string{"drain", "remove"} {
			if n := tries[verb].Load(); n < 12 || n > 30 {
				t.Errorf("%d times %s in ten minutes", n, verb)
			}
		}
		mended.Store(true)
		r.settle("imap is stopped", r.reads("imap", isStopped))
	})
}
