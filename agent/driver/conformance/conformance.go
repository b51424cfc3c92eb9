// Package conformance proves that a driver keeps the contract of package driver. It
// owns the claims; a driver's own tests bring a factory. It must not know how any
// driver works.
package conformance

import (
	"context"
	"errors"
	"testing"
	"time"

	"roster/agent/driver"
	v1 "roster/proto/roster/v1"
)

// Subject is one driver under test with the services that it can run.
type Subject struct {
	// Open returns a driver; a second call, after the first one was closed,
	// returns one over the same folder.
	Open func(t *testing.T) driver.Driver
	// IMAP is a service that greets in IMAP, SMTP one that greets in SMTP; each
	// has one endpoint without TLS, in no restart group.
	IMAP, SMTP *v1.ServiceClaim
	// Outlives is true where services run on after Close.
	Outlives bool
	// ByHand starts a service without the driver, so that the driver could take it
	// over; it ends with the test at the latest. Nil where the driver takes nothing
	// over.
	ByHand func(t *testing.T, c *v1.ServiceClaim)
}

// Run proves the contract; factory makes a fresh subject for each claim.
func Run(t *testing.T, factory func(t *testing.T) Subject) {
	for _, claim := range []struct {
		name  string
		prove func(*trial)
	}{
		{"what was never started does not run", neverStarted},
		{"ensure starts, and the probe passes", ensureStarts},
		{"ensure again changes nothing", ensureAgain},
		{"observe counts sessions", countsSessions},
		{"drain refuses new sessions and returns when the old one ends", drainLetsSessionsEnd},
		{"drain returns when its bound has passed", drainIsBound},
		{"drain ends with its context", drainEndsWithContext},
		{"what does not run is drained", drainOfNothing},
		{"undrain accepts again and cuts nothing", undrain},
		{"undrain of what was not drained changes nothing", undrainOfNothing},
		{"ensure takes a drain back", ensureTakesDrainBack},
		{"remove closes the port and ends sessions", removeCloses},
		{"remove again changes nothing, and ensure starts anew", removeAgain},
		{"one service does not touch another", servicesAreApart},
		{"a port that another program has is left alone", portTaken},
		{"a service that was not configured is refused", unknownService},
		{"the end of a service is told", endIsTold},
		{"a closed driver refuses", closedRefuses},
		{"a driver over the same folder adopts what runs", adopts},
		{"a drain is known after the driver was closed", drainIsRemembered},
		{"what runs already is seen and left alone", foreignIsLeftAlone},
		{"ensure takes over what runs already and starts nothing", takesOver},
		{"adopt takes over what runs already and starts nothing", adoptTakesOver},
	} {
		t.Run(claim.name, func(t *testing.T) {
			s := factory(t)
			tr := &trial{T: t, Subject: s}
			tr.driver = s.Open(t)
			t.Cleanup(func() {
				for _, c := range []*v1.ServiceClaim{s.IMAP, s.SMTP} {
					if err := tr.driver.Remove(context.Background(), c.GetName()); err != nil && !errors.Is(err, driver.ErrClosed) {
						t.Errorf("clean up: %v", err)
					}
				}
				if err := tr.driver.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
			claim.prove(tr)
		})
	}
}

func neverStarted(t *trial) {
	if o := t.observe(t.IMAP); o.Running || o.Sessions != 0 || o.Draining {
		t.Fatalf("observed %+v of a service that was never started", o)
	}
	t.refuses(t.IMAP)
}

func ensureStarts(t *trial) {
	t.start(t.IMAP)
	t.start(t.SMTP)
	if o := t.observe(t.IMAP); !o.Running || o.Draining {
		t.Fatalf("observed %+v of a service that serves", o)
	}
}

func ensureAgain(t *trial) {
	t.start(t.IMAP)
	before := t.observe(t.IMAP)
	session := t.dial(t.IMAP)
	t.start(t.IMAP)
	if after := t.observe(t.IMAP); after.PID != before.PID {
		t.Fatalf("process was %d, is %d: a second copy or a restart", before.PID, after.PID)
	}
	session.lives()
}

func countsSessions(t *trial) {
	t.start(t.IMAP)
	t.sessions(t.IMAP, 0)
	first, second := t.dial(t.IMAP), t.dial(t.IMAP)
	t.sessions(t.IMAP, 2)
	first.end()
	t.sessions(t.IMAP, 1)
	second.end()
	t.sessions(t.IMAP, 0)
}

func drainLetsSessionsEnd(t *trial) {
	t.start(t.IMAP)
	session := t.dial(t.IMAP)
	done := t.drain(t.Context(), t.IMAP, time.Hour)
	t.eventually("new sessions are refused", func() error { return t.refused(t.IMAP) })
	session.lives()
	if o := t.observe(t.IMAP); !o.Running || !o.Draining || o.DrainingSince.IsZero() {
		t.Fatalf("observed %+v of a service that drains", o)
	}
	select {
	case err := <-done:
		t.Fatalf("drain returned (%v) while a session lived", err)
	default:
	}
	session.end()
	if err := t.within(done); err != nil {
		t.Fatalf("drain: %v", err)
	}
	// A drained service is drained at once.
	if err := t.within(t.drain(t.Context(), t.IMAP, time.Hour)); err != nil {
		t.Fatalf("drain again: %v", err)
	}
}

func drainIsBound(t *trial) {
	t.start(t.IMAP)
	session := t.dial(t.IMAP)
	if err := t.within(t.drain(t.Context(), t.IMAP, 50*time.Millisecond)); err != nil {
		t.Fatalf("drain: %v", err)
	}
	session.lives()
	if o := t.observe(t.IMAP); !o.Running || !o.Draining || o.Sessions != 1 {
		t.Fatalf("observed %+v after a drain's bound, with one session left", o)
	}
	t.refuses(t.IMAP)
	if err := t.within(t.drain(t.Context(), t.IMAP, 0)); err != nil {
		t.Fatalf("drain with no time: %v", err)
	}
}

func drainEndsWithContext(t *trial) {
	t.start(t.IMAP)
	session := t.dial(t.IMAP)
	ctx, cancel := context.WithCancel(t.Context())
	done := t.drain(ctx, t.IMAP, time.Hour)
	t.eventually("new sessions are refused", func() error { return t.refused(t.IMAP) })
	cancel()
	if err := t.within(done); !errors.Is(err, context.Canceled) {
		t.Fatalf("drain returned %v, not its context's error", err)
	}
	session.lives()
}

func drainOfNothing(t *trial) {
	if err := t.within(t.drain(t.Context(), t.IMAP, time.Hour)); err != nil {
		t.Fatalf("drain: %v", err)
	}
	if o := t.observe(t.IMAP); o.Running {
		t.Fatalf("drain started it: %+v", o)
	}
}

func undrain(t *trial) {
	t.start(t.IMAP)
	before := t.observe(t.IMAP)
	session := t.dial(t.IMAP)
	if err := t.within(t.drain(t.Context(), t.IMAP, 0)); err != nil {
		t.Fatalf("drain: %v", err)
	}
	t.refuses(t.IMAP)
	t.must("undrain", t.driver.Undrain(t.Context(), t.IMAP.GetName()))
	t.answers(t.IMAP)
	session.lives()
	if o := t.observe(t.IMAP); o.Draining || !o.Running || o.PID != before.PID {
		t.Fatalf("observed %+v after undrain, before the drain %+v", o, before)
	}
}

func undrainOfNothing(t *trial) {
	t.must("undrain", t.driver.Undrain(t.Context(), t.IMAP.GetName()))
	if o := t.observe(t.IMAP); o.Running {
		t.Fatalf("undrain started it: %+v", o)
	}
	t.start(t.IMAP)
	session := t.dial(t.IMAP)
	t.must("undrain", t.driver.Undrain(t.Context(), t.IMAP.GetName()))
	session.lives()
}

func ensureTakesDrainBack(t *trial) {
	t.start(t.IMAP)
	session := t.dial(t.IMAP)
	if err := t.within(t.drain(t.Context(), t.IMAP, 0)); err != nil {
		t.Fatalf("drain: %v", err)
	}
	t.start(t.IMAP)
	session.lives()
	if o := t.observe(t.IMAP); o.Draining {
		t.Fatalf("observed %+v after ensure", o)
	}
}

func removeCloses(t *trial) {
	t.start(t.IMAP)
	session := t.dial(t.IMAP)
	t.must("remove", t.driver.Remove(t.Context(), t.IMAP.GetName()))
	t.refuses(t.IMAP)
	session.dies()
	if o := t.observe(t.IMAP); o.Running || o.Draining || o.Sessions != 0 {
		t.Fatalf("observed %+v of a removed service", o)
	}
}

func removeAgain(t *trial) {
	t.must("remove before any start", t.driver.Remove(t.Context(), t.IMAP.GetName()))
	t.start(t.IMAP)
	t.must("drain", t.within(t.drain(t.Context(), t.IMAP, 0)))
	t.must("remove", t.driver.Remove(t.Context(), t.IMAP.GetName()))
	t.must("remove again", t.driver.Remove(t.Context(), t.IMAP.GetName()))
	t.start(t.IMAP)
	if o := t.observe(t.IMAP); !o.Running || o.Draining {
		t.Fatalf("observed %+v of a service that was started anew", o)
	}
}

func servicesAreApart(t *trial) {
	t.start(t.IMAP)
	t.start(t.SMTP)
	session := t.dial(t.SMTP)
	t.must("drain", t.within(t.drain(t.Context(), t.IMAP, 0)))
	t.must("remove", t.driver.Remove(t.Context(), t.IMAP.GetName()))
	session.lives()
	t.answers(t.SMTP)
	t.start(t.IMAP)
	session.lives()
}

func unknownService(t *trial) {
	ctx := t.Context()
	_, err := t.driver.Observe(ctx, "gopher")
	for verb, err := range map[string]error{
		"ensure":  t.driver.Ensure(ctx, "gopher"),
		"drain":   t.driver.Drain(ctx, "gopher", 0),
		"undrain": t.driver.Undrain(ctx, "gopher"),
		"remove":  t.driver.Remove(ctx, "gopher"),
		"observe": err,
	} {
		if !errors.Is(err, driver.ErrUnknownService) {
			t.Errorf("%s of a service that was not configured: %v", verb, err)
		}
	}
}

func endIsTold(t *trial) {
	w, ok := t.driver.(driver.Watcher)
	if !ok {
		t.Skip("this driver does not watch")
	}
	if w.Ended(t.IMAP.GetName()) != nil {
		t.Fatal("what does not run has an end to wait for")
	}
	t.start(t.IMAP)
	ended := w.Ended(t.IMAP.GetName())
	if ended == nil {
		t.Fatal("what runs has no end to wait for")
	}
	select {
	case <-ended:
		t.Fatal("ended while it runs")
	default:
	}
	t.must("remove", t.driver.Remove(t.Context(), t.IMAP.GetName()))
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("its end was not told")
	}
	// An end that lies behind is no news: whoever waits for it again would spin.
	if w.Ended(t.IMAP.GetName()) != nil {
		t.Fatal("what has ended has an end to wait for")
	}
	if w.Ended("gopher") != nil {
		t.Fatal("what was not configured has an end to wait for")
	}
	t.start(t.IMAP)
	if again := w.Ended(t.IMAP.GetName()); again == nil || again == ended {
		t.Fatal("what was started anew has no end of its own to wait for")
	}
}

func closedRefuses(t *trial) {
	t.must("close", t.driver.Close())
	if err := t.driver.Ensure(t.Context(), t.IMAP.GetName()); !errors.Is(err, driver.ErrClosed) {
		t.Fatalf("ensure after close: %v", err)
	}
	t.must("close again", t.driver.Close())
}

func adopts(t *trial) {
	t.start(t.IMAP)
	before := t.observe(t.IMAP)
	session := t.dial(t.IMAP)
	t.must("close", t.driver.Close())
	if !t.Outlives {
		t.refuses(t.IMAP)
		session.dies()
		return
	}
	session.lives()
	t.driver = t.Open(t.T)
	if o := t.observe(t.IMAP); !o.Running || o.PID != before.PID || o.Sessions < 1 { // a probe may be there too
		t.Fatalf("adopted %+v, left was %+v with one session", o, before)
	}
	t.start(t.IMAP)
	if o := t.observe(t.IMAP); o.PID != before.PID {
		t.Fatalf("process was %d, is %d after ensure: a second copy", before.PID, o.PID)
	}
	session.lives()
	t.must("remove", t.driver.Remove(t.Context(), t.IMAP.GetName()))
	t.refuses(t.IMAP)
}

func drainIsRemembered(t *trial) {
	if !t.Outlives {
		t.Skip("nothing of this driver outlives it")
	}
	t.start(t.IMAP)
	session := t.dial(t.IMAP)
	t.must("drain", t.within(t.drain(t.Context(), t.IMAP, 0)))
	before := t.observe(t.IMAP)
	t.must("close", t.driver.Close())
	t.driver = t.Open(t.T)
	if o := t.observe(t.IMAP); !o.Draining || !o.DrainingSince.Equal(before.DrainingSince) {
		t.Fatalf("adopted %+v, left was %+v", o, before)
	}
	t.refuses(t.IMAP)
	t.must("undrain", t.driver.Undrain(t.Context(), t.IMAP.GetName()))
	t.answers(t.IMAP)
	session.lives()
}
