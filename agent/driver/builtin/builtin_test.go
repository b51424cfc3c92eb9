package builtin_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"roster/agent/driver"
	"roster/agent/driver/builtin"
	"roster/agent/driver/conformance"
	"roster/agent/probe"
	"roster/integration/await"
	"roster/integration/leak"
	v1 "roster/proto/roster/v1"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestKeepsTheContract(t *testing.T) {
	conformance.Run(t, func(t *testing.T) conformance.Subject {
		imap, smtp := claim(t, "imap", ""), claim(t, "smtp-inbound", "")
		return conformance.Subject{
			Open: func(t *testing.T) driver.Driver { return open(t, imap, smtp) },
			IMAP: imap, SMTP: smtp,
		}
	})
}

func TestEveryKnownServiceAnswersItsProbe(t *testing.T) {
	for _, name := range []string{
		"imap", "jmap", "webdav", "smtp-inbound", "smtp-outbound", "submission",
		"pop3", "managesieve", "lmtp", "something-else",
	} {
		t.Run(name, func(t *testing.T) {
			c := claim(t, name, "")
			d := open(t, c)
			defer closeDriver(t, d)
			if err := check(c); !errors.Is(err, probe.ErrRefused) {
				t.Fatalf("before the start: %v", err)
			}
			must(t, d.Ensure(t.Context(), name))
			must(t, check(c))
			d.Mute(name, true)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if err := probe.Check(ctx, endpoint(c)); name != "something-else" && !errors.Is(err, probe.ErrTimeout) {
				t.Fatalf("while it hangs: %v", err)
			}
		})
	}
}

func TestAChangeInARestartGroupRestartsAllOfIt(t *testing.T) {
	imap, jmap, smtp := claim(t, "imap", "mail"), claim(t, "jmap", "mail"), claim(t, "smtp-inbound", "")
	d := open(t, imap, jmap, smtp)
	defer closeDriver(t, d)
	must(t, d.Ensure(t.Context(), "imap"))
	must(t, d.Ensure(t.Context(), "smtp-inbound"))
	inside, outside := dial(t, imap), dial(t, smtp)
	ended := d.Ended("imap")

	must(t, d.Ensure(t.Context(), "jmap"))
	cut(t, inside)
	<-ended
	must(t, check(imap))
	must(t, check(jmap))

	inside = dial(t, imap)
	must(t, d.Remove(t.Context(), "jmap"))
	cut(t, inside)
	must(t, check(imap))

	// What changes live touches no other group, and a drain restarts nothing.
	inside = dial(t, imap)
	must(t, d.Drain(t.Context(), "smtp-inbound", 0))
	must(t, d.Ensure(t.Context(), "smtp-inbound"))
	must(t, d.Ensure(t.Context(), "jmap"))
	cut(t, inside)
	if _, err := outside.Write([]byte("NOOP\r\n")); err != nil {
		t.Fatalf("a session outside of the group: %v", err)
	}
}

func TestAStartThatFailsRestartsNothing(t *testing.T) {
	imap, jmap := claim(t, "imap", "mail"), claim(t, "jmap", "mail")
	d := open(t, imap, jmap)
	defer closeDriver(t, d)
	must(t, d.Ensure(t.Context(), "imap"))
	ended := d.Ended("imap")
	d.FailStart("jmap", errors.New("no licence"))
	if err := d.Ensure(t.Context(), "jmap"); err == nil {
		t.Fatal("it started")
	}
	d.FailStart("jmap", nil)
	other, err := net.Listen("tcp", address(jmap))
	must(t, err)
	if err := d.Ensure(t.Context(), "jmap"); !errors.Is(err, driver.ErrPortTaken) {
		t.Fatalf("on a port that is taken: %v", err)
	}
	must(t, other.Close())
	select {
	case <-ended:
		t.Fatal("imap was restarted by starts that failed")
	default:
	}
	must(t, d.Ensure(t.Context(), "jmap"))
	<-ended
}

func TestAStartWithADelayOpensItsPortLater(t *testing.T) {
	imap := claim(t, "imap", "")
	d := open(t, imap)
	defer closeDriver(t, d)
	d.SetStartDelay("imap", time.Hour)
	must(t, d.Ensure(t.Context(), "imap"))
	if err := check(imap); !errors.Is(err, probe.ErrRefused) {
		t.Fatalf("during the delay: %v", err)
	}
	must(t, d.Remove(t.Context(), "imap"))
	d.SetStartDelay("imap", 10*time.Millisecond)
	must(t, d.Ensure(t.Context(), "imap"))
	await.Within(t, 10*time.Second, time.Millisecond, "it opens", func() error { return check(imap) })
}

func TestACrashEndsEverySessionAndIsObserved(t *testing.T) {
	imap := claim(t, "imap", "")
	d := open(t, imap)
	defer closeDriver(t, d)
	must(t, d.Ensure(t.Context(), "imap"))
	session, ended := dial(t, imap), d.Ended("imap")
	d.Crash("imap")
	<-ended
	cut(t, session)
	o, err := d.Observe(t.Context(), "imap")
	must(t, err)
	if o.Running || o.Detail == "" {
		t.Fatalf("observed %+v", o)
	}
	must(t, d.Ensure(t.Context(), "imap"))
	must(t, check(imap))
}

func TestFaultsOfTheConfigAreAllTold(t *testing.T) {
	_, err := builtin.New(builtin.Config{Services: []*v1.ServiceClaim{
		{Name: "imap"},
		{Name: "jmap", Endpoints: []*v1.Endpoint{{Host: "127.0.0.1", Port: 1, Tls: v1.Tls_TLS_IMPLICIT}}},
		{Name: "jmap"},
	}})
	var many interface{ Unwrap() []error }
	if !errors.As(err, &many) || len(many.Unwrap()) != 3 {
		t.Fatalf("want three faults, got %v", err)
	}
}
