package agent

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"roster/agent/driver"
	v1 "roster/proto/roster/v1"
)

// grouped is a rig whose services are one restart group; like a real one, each start
// and stop makes all of them deaf for a while.
func grouped(t *testing.T, services ...string) *rig {
	r := newRig(t, services...)
	for _, c := range r.cfg.Claims.GetServices() {
		c.RestartGroup = "mail"
	}
	r.driver.before = func(_ context.Context, verb, service string) error {
		if verb != "ensure" && verb != "remove" {
			return nil
		}
		time.Sleep(500 * time.Millisecond) // it is prepared first
		for _, s := range services {
			if s != service {
				r.driver.change(s, func(f *fakeService) { f.mute = true })
				time.AfterFunc(2*time.Second, func() { r.driver.change(s, func(f *fakeService) { f.mute = false }) })
			}
		}
		return nil
	}
	return r
}

func TestNoHeartbeatSaysThatAServiceServesUnderASetThatRestartsIt(t *testing.T) {
	for name, next := range map[string]*v1.AssignmentSet{
		"a start": set(8, "imap", serving, "jmap", serving, "webdav", serving),
		"a stop":  set(8, "imap", serving),
		"both":    set(8, "imap", serving, "webdav", serving),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := grouped(t, "imap", "jmap", "webdav")
				m := r.net.member(t, "127.0.0.1:1")
				m.tell(set(7, "imap", serving, "jmap", serving))
				r.start()
				r.settle("imap and jmap serve", func() bool { return r.reads("imap", isServing)() && r.reads("jmap", isServing)() })
				while(time.Minute)
				before := m.count()
				m.tell(next)
				r.settle("generation 8 is held", func() bool { return m.last().GetGeneration() == 8 })
				first := -1
				for i, h := range m.beats(before) {
					if h.GetGeneration() == 8 && first < 0 {
						first = before + i
						for _, report := range h.GetReports() {
							if report.GetService() == "imap" && report.GetState() == isServing {
								t.Error("the first heartbeat of generation 8 says that imap, which it restarts, serves")
							}
						}
					}
				}
				r.settle("imap serves again", func() bool { return r.reads("imap", isServing)() && m.last().GetGeneration() == 8 })
				if !r.driver.look("imap").running || r.driver.look("imap").mute {
					t.Fatal("imap was said to serve while it was deaf")
				}
			})
		})
	}
}

func TestAMemberOfAGroupServesOnlyOnceItAnswersAfterTheRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := grouped(t, "imap", "jmap")
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(set(7, "imap", serving))
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		while(time.Minute)
		m.tell(set(8, "imap", serving, "jmap", serving))
		r.settle("imap is restarted", r.reads("imap", isStarting))
		began := time.Now()
		r.settle("imap serves again", r.reads("imap", isServing))
		if took := time.Since(began); took < 1900*time.Millisecond {
			t.Fatalf("it was said to serve after %s of a restart of two seconds", took)
		}
	})
}

func TestAnOrderThatWasTakenBackWhileItWaitedIsNeverCarriedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap", "jmap")
		for _, c := range r.cfg.Claims.GetServices() {
			c.RestartGroup = "mail"
		}
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(set(7, "imap", serving))
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		entered, leave := make(chan struct{}), make(chan struct{})
		r.driver.before = func(_ context.Context, verb, service string) error {
			if verb == "ensure" && service == "jmap" {
				close(entered)
				<-leave // whatever its context says
			}
			return nil
		}
		// jmap starts, slowly; imap is to be removed, and waits for its turn.
		m.tell(set(8, "imap", draining, "jmap", serving))
		<-entered
		m.tell(set(9, "jmap", serving))
		while(10 * time.Second)
		if !r.reads("imap", isDraining)() && !r.reads("imap", isDrained)() {
			t.Fatalf("imap: %v", r.report("imap"))
		}
		m.tell(set(10, "imap", serving, "jmap", serving))
		while(time.Second)
		close(leave)
		r.settle("imap serves", r.reads("imap", isServing))
		if got := r.driver.look("imap"); !got.running || got.starts != 1 {
			t.Fatalf("%+v; calls: %s", got, r.driver.said())
		}
	})
}

func TestAnOrderStandsOnlyWhileNoNewerSetAsksForSomethingElse(t *testing.T) {
	o := newOrders([]string{"imap"}, false)
	if err := o.take(set(7, "imap", serving)); err != nil {
		t.Fatal(err)
	}
	order, changed := o.of("imap")
	if !o.stands("imap", order) {
		t.Fatal("it does not stand")
	}
	if err := o.take(set(8, "imap", serving)); err != nil {
		t.Fatal(err)
	}
	if !o.stands("imap", order) {
		t.Fatal("a newer set asks for the same, and it does not stand any more")
	}
	if err := o.take(set(9)); err != nil {
		t.Fatal(err)
	}
	if o.stands("imap", order) {
		t.Fatal("it stands against a newer set")
	}
	select {
	case <-changed:
	default:
		t.Fatal("the change was not told")
	}
}

func TestAtTheMomentOfActingTheOrderIsComparedAgain(t *testing.T) {
	r := newRig(t, "imap")
	a, err := New(r.cfg)
	if err != nil {
		t.Fatal(err)
	}
	a.makeWorkers(r.cfg.Drivers)
	if err := a.take(set(7, "imap", serving), false); err != nil {
		t.Fatal(err)
	}
	order, _ := a.orders.of("imap")
	if err := a.take(set(8), false); err != nil {
		t.Fatal(err)
	}
	acted := false
	err = a.workers["imap"].act(t.Context(), order, false, func(context.Context) error { acted = true; return nil })
	if acted || !errors.Is(err, errSuperseded) {
		t.Fatalf("acted on generation 7 while 8 is held (%v)", err)
	}
	w := a.workers["imap"]
	if w.drain(t.Context(), order, driver.Observation{Running: true}); r.driver.said() != "" {
		t.Fatalf("drained on generation 7 while 8 is held: %s", r.driver.said())
	}
}

func TestADrainInARestartGroupDelaysTheOthersNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := grouped(t, "imap", "jmap")
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(set(7, "imap", serving))
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		r.driver.change("imap", func(s *fakeService) { s.sessions = 1 })
		began := time.Now()
		m.tell(set(8, "imap", draining, "jmap", serving))
		r.settle("jmap serves", r.reads("jmap", isServing))
		if took := time.Since(began); took > 10*time.Second {
			t.Fatalf("it took %s", took)
		}
		// The same after a restart in the middle of the drain.
		r.stop()
		began = time.Now()
		r.start()
		r.settle("jmap serves", r.reads("jmap", isServing))
		if took := time.Since(began); took > 10*time.Second {
			t.Fatalf("after a restart it took %s", took)
		}
	})
}

func TestAProbeThatBeganBeforeARestartProvesNothing(t *testing.T) {
	b := newBoard([]*v1.ServiceClaim{{Name: "imap", RestartGroup: "mail"}, {Name: "jmap", RestartGroup: "mail"}})
	before := b.token("imap")
	b.restarted("jmap")
	if b.serves("imap", before, driver.Observation{}, "") || b.state("imap") == isServing {
		t.Fatal("a probe from before the restart made it serve")
	}
	if !b.serves("imap", b.token("imap"), driver.Observation{}, "") {
		t.Fatal("a probe from after the restart did not make it serve")
	}
}
