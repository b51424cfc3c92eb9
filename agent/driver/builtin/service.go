package builtin

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"roster/agent/driver"
	v1 "roster/proto/roster/v1"
)

type state int

const (
	stopped state = iota
	serving
	draining
)

// service is one small server; its driver's lock guards all of it.
type service struct {
	d         *Driver
	name      string
	group     string
	endpoints []*v1.Endpoint

	state         state
	drainingSince time.Time
	listeners     []net.Listener
	// opening is the timer of a start with a delay; nil where none is under way.
	opening  *time.Timer
	sessions map[*session]struct{}
	// changed is closed, and made anew, when a session ended or state changed.
	changed chan struct{}
	// ended is closed when the service ends; made anew at each start.
	ended  chan struct{}
	detail string

	startDelay time.Duration
	failStart  error
	mute       bool
}

func newService(d *Driver, claim *v1.ServiceClaim) *service {
	return &service{
		d:         d,
		name:      claim.GetName(),
		group:     claim.GetRestartGroup(),
		endpoints: claim.GetEndpoints(),
		sessions:  make(map[*session]struct{}),
		changed:   make(chan struct{}),
	}
}

func (s *service) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// open begins to serve: at once, or after the start delay.
func (s *service) open() error {
	if err := s.listen(); err != nil {
		return err
	}
	s.state, s.detail, s.drainingSince = serving, "", time.Time{}
	s.ended = make(chan struct{})
	if s.startDelay > 0 {
		// The port was free; it opens when the delay is over.
		s.closeListeners()
		var timer *time.Timer
		timer = time.AfterFunc(s.startDelay, func() {
			s.d.mu.Lock()
			defer s.d.mu.Unlock()
			if s.opening != timer {
				return
			}
			s.opening = nil
			if err := s.listen(); err != nil {
				s.stop(err.Error())
			}
		})
		s.opening = timer
	}
	s.notify()
	return nil
}

// listen opens a listener per endpoint, all or none.
func (s *service) listen() error {
	for _, e := range s.endpoints {
		address := net.JoinHostPort(e.GetHost(), strconv.FormatUint(uint64(e.GetPort()), 10))
		l, err := net.Listen("tcp", address)
		if err != nil {
			s.closeListeners()
			if errors.Is(err, syscall.EADDRINUSE) {
				return fmt.Errorf("builtin: start %s: %s: %w; stop it, or give the service another port", s.name, address, driver.ErrPortTaken)
			}
			return fmt.Errorf("builtin: start %s: listen: %w", s.name, err)
		}
		s.listeners = append(s.listeners, l)
		s.d.running.Go(func() { s.accept(l) })
	}
	return nil
}

func (s *service) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		s.d.mu.Lock()
		if !s.listening(l) {
			s.d.mu.Unlock()
			_ = conn.Close()
			return
		}
		ses := &session{service: s, conn: conn, mute: s.mute}
		s.sessions[ses] = struct{}{}
		s.d.running.Go(ses.run)
		s.d.mu.Unlock()
	}
}

func (s *service) listening(l net.Listener) bool {
	for _, have := range s.listeners {
		if have == l {
			return true
		}
	}
	return false
}

func (s *service) closeListeners() {
	if s.opening != nil {
		s.opening.Stop()
		s.opening = nil
	}
	for _, l := range s.listeners {
		_ = l.Close()
	}
	s.listeners = nil
}

func (s *service) beginDrain() {
	s.state, s.drainingSince = draining, time.Now()
	s.closeListeners()
	for ses := range s.sessions {
		ses.drain()
	}
	s.notify()
}

func (s *service) undrain() error {
	if err := s.listen(); err != nil {
		return err
	}
	s.state, s.drainingSince = serving, time.Time{}
	s.notify()
	return nil
}

// stop ends the service whatever it does.
func (s *service) stop(why string) {
	s.closeListeners()
	for ses := range s.sessions {
		_ = ses.conn.Close()
	}
	if s.state == stopped {
		return
	}
	s.state, s.detail = stopped, why
	close(s.ended)
	s.notify()
}
