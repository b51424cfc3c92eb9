package conformance

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"roster/agent/driver"
	"roster/agent/probe"
	v1 "roster/proto/roster/v1"
)

// patience bounds every wait for something that must happen.
const patience = 20 * time.Second

// trial is one claim being proven.
type trial struct {
	*testing.T
	Subject
	driver driver.Driver
	// dialled are the sessions of this trial, to tell them from a probe's.
	dialled []*session
}

func (t *trial) must(what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// eventually waits until check passes.
func (t *trial) eventually(what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, patience, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (t *trial) observe(c *v1.ServiceClaim) driver.Observation {
	t.Helper()
	o, err := t.driver.Observe(t.Context(), c.GetName())
	t.must("observe", err)
	return o
}

// start ensures the service and waits for its probe.
func (t *trial) start(c *v1.ServiceClaim) {
	t.Helper()
	t.must("ensure", t.driver.Ensure(t.Context(), c.GetName()))
	t.answers(c)
}

func (t *trial) probe(c *v1.ServiceClaim) error {
	e := c.GetEndpoints()[0]
	return probe.Check(t.Context(), &v1.Endpoint{Service: c.GetName(), Host: e.GetHost(), Port: e.GetPort()})
}

func (t *trial) answers(c *v1.ServiceClaim) {
	t.Helper()
	t.eventually(c.GetName()+" answers its probe", func() error { return t.probe(c) })
	// The probe's own session must not be counted by what follows.
	t.eventually("the probe's session ends", func() error {
		before := t.observe(c).Sessions
		if want := t.open(c); before != want {
			return fmt.Errorf("%d sessions, this test has %d", before, want)
		}
		return nil
	})
}

// refused is nil where nothing listens.
func (t *trial) refused(c *v1.ServiceClaim) error {
	if err := t.probe(c); !errors.Is(err, probe.ErrRefused) {
		return fmt.Errorf("not refused; probe: %w", err)
	}
	return nil
}

func (t *trial) refuses(c *v1.ServiceClaim) {
	t.Helper()
	// A daemon may take a moment to do what it was told.
	t.eventually(c.GetName()+" refuses connections", func() error { return t.refused(c) })
}

func (t *trial) sessions(c *v1.ServiceClaim, want uint32) {
	t.Helper()
	t.eventually(fmt.Sprintf("%d sessions", want), func() error {
		if got := t.observe(c).Sessions; got != want {
			return fmt.Errorf("%d are counted", got)
		}
		return nil
	})
}

func (t *trial) drain(ctx context.Context, c *v1.ServiceClaim, bound time.Duration) <-chan error {
	done := make(chan error, 1)
	go func() { done <- t.driver.Drain(ctx, c.GetName(), bound) }()
	return done
}

func (t *trial) within(done <-chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		t.Fatal("it does not return")
		return nil
	}
}

// session is a client's connection.
type session struct {
	t     *trial
	conn  net.Conn
	in    *bufio.Reader
	claim *v1.ServiceClaim
	done  bool
}

func (t *trial) open(c *v1.ServiceClaim) uint32 {
	var n uint32
	for _, s := range t.dialled {
		if s.claim.GetName() == c.GetName() && !s.done {
			n++
		}
	}
	return n
}

// dial begins a session and reads the greeting.
func (t *trial) dial(c *v1.ServiceClaim) *session {
	t.Helper()
	e := c.GetEndpoints()[0]
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(e.GetHost(), strconv.Itoa(int(e.GetPort()))), patience)
	t.must("dial", err)
	s := &session{t: t, conn: conn, in: bufio.NewReader(conn), claim: c}
	t.dialled = append(t.dialled, s)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = s.line()
	t.must("greeting", err)
	// The server may count a session a moment later than the client.
	t.eventually("the session is counted", func() error {
		if got, want := t.observe(c).Sessions, t.open(c); got < want {
			return fmt.Errorf("%d sessions, this test has %d", got, want)
		}
		return nil
	})
	return s
}

func (s *session) line() (string, error) {
	_ = s.conn.SetReadDeadline(time.Now().Add(patience))
	return s.in.ReadString('\n')
}

// lives says that the session still is answered.
func (s *session) lives() {
	s.t.Helper()
	command, want := "x NOOP\r\n", "x OK"
	if s.claim == s.t.SMTP {
		command, want = "NOOP\r\n", "250"
	}
	_, err := s.conn.Write([]byte(command))
	s.t.must("an old session lives: write", err)
	answer, err := s.line()
	s.t.must("an old session lives: read", err)
	if !strings.HasPrefix(answer, want) {
		s.t.Fatalf("an old session lives: it answered %q", answer)
	}
}

// dies says that the server ended the session.
func (s *session) dies() {
	s.t.Helper()
	s.done = true
	for {
		if _, err := s.line(); err != nil {
			var n net.Error
			if errors.As(err, &n) && n.Timeout() {
				s.t.Fatal("the session of a removed service lives on")
			}
			return
		}
	}
}

// end closes the session from the client's side, politely.
func (s *session) end() {
	s.t.Helper()
	command := "x LOGOUT\r\n"
	if s.claim == s.t.SMTP {
		command = "QUIT\r\n"
	}
	_, err := s.conn.Write([]byte(command))
	s.t.must("end session", err)
	s.dies()
	_ = s.conn.Close()
}

func portTaken(t *trial) {
	e := t.IMAP.GetEndpoints()[0]
	l, err := net.Listen("tcp", net.JoinHostPort(e.GetHost(), strconv.Itoa(int(e.GetPort()))))
	t.must("listen", err)
	defer func() { _ = l.Close() }()
	if err := t.driver.Ensure(t.Context(), t.IMAP.GetName()); !errors.Is(err, driver.ErrPortTaken) {
		t.Fatalf("ensure where another program listens: %v", err)
	}
	if o := t.observe(t.IMAP); o.Running {
		t.Fatalf("observed %+v, but it is another program that listens", o)
	}
	t.must("remove", t.driver.Remove(t.Context(), t.IMAP.GetName()))
	conn, err := net.Dial("tcp", l.Addr().String())
	t.must("the other program was touched: dial", err)
	_ = conn.Close()
	_ = l.Close()
	t.start(t.IMAP)
}
