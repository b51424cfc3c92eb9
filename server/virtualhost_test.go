package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"roster/agent"
	"roster/agent/driver"
	v1 "roster/proto/roster/v1"
)

// host is a mail host in virtual time: a real agent, and services that are lines
// in a table, which outlive the agent but not the host.
type host struct {
	t     *testing.T
	id    string
	cfg   agent.Config
	wires *wires
	// before is asked right before a service that serves is drained or stopped on
	// the members' order.
	before func(h *host, service string)

	mu sync.Mutex
	// starts is how long a service takes until it answers.
	starts   time.Duration
	services map[string]*virtualService

	agent *agent.Agent
	stop  context.CancelFunc // nil: the agent does not run
	done  chan error
}

type virtualService struct {
	running, draining bool
	since             time.Time // it runs
	drained           time.Time // its drain began
	failed            time.Time // it was lost with its host then
	broken            bool      // started from now on, it never answers
	dud               bool      // it was started broken
	ended             chan struct{}
}

var virtualServices = []string{"imap", "jmap", "webdav"}

func newHost(t *testing.T, w *wires, dir, id, region string, members []string) *host {
	h := &host{t: t, id: id, wires: w, starts: 500 * time.Millisecond, services: map[string]*virtualService{}}
	claims := &v1.NodeClaims{Region: region, Zone: region + "1"}
	for i, name := range virtualServices {
		h.services[name] = &virtualService{}
		claims.Services = append(claims.Services, &v1.ServiceClaim{
			Name: name, Driver: "virtual", ChangeMode: v1.ChangeMode_CHANGE_MODE_LIVE,
			Endpoints: []*v1.Endpoint{{Service: name, Node: id, Host: "127.0.0.1", Port: uint32(1000 + i), Tls: v1.Tls_TLS_NONE}}, //nolint:gosec // small
		})
	}
	h.cfg = agent.Config{
		Node: id, Dir: filepath.Join(dir, id), Members: members, Claims: claims, Version: "test",
		Logger: slog.New(slog.DiscardHandler), Drivers: map[string]driver.Driver{"virtual": h},
		Probe: h.probe, Dial: w.dialler(id), ProbeInterval: 2 * time.Second,
	}
	return h
}

func (h *host) start() {
	if h.stop != nil {
		return
	}
	a, err := agent.New(h.cfg)
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	h.agent, h.stop, h.done = a, cancel, done
	go func() { done <- a.Run(ctx) }()
}

// end ends the agent; its services run on.
func (h *host) end() {
	if h.stop == nil {
		return
	}
	h.wires.fall(h.id)
	h.stop()
	if err := <-h.done; err != nil {
		h.t.Errorf("agent of %s: %v", h.id, err)
	}
	h.stop = nil
}

// die takes the host away with all that it serves.
func (h *host) die() {
	h.mu.Lock()
	for _, s := range h.services {
		if s.running {
			close(s.ended)
			if !s.draining && !s.dud && time.Since(s.since) >= h.starts {
				s.failed = time.Now()
			}
		}
		s.running, s.draining = false, false
	}
	h.mu.Unlock()
	h.end()
}

// answers says whether a client would be served.
func (h *host) answers(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.services[name]
	return s.running && !s.draining && !s.dud && time.Since(s.since) >= h.starts
}

// counts says the same, for two heartbeats longer: nobody can know of a failure
// at once.
func (h *host) counts(name string, grace time.Duration) bool {
	if h.answers(name) {
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	failed := h.services[name].failed
	return !failed.IsZero() && time.Since(failed) < grace
}

// spoil lets a service never answer once it is started anew.
func (h *host) spoil(name string) {
	_ = h.with(name, func(s *virtualService) { s.broken = true }) // it is known
}

// heal lets every service answer again.
func (h *host) heal() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.services {
		s.broken, s.dud = false, false
	}
}

func (h *host) probe(_ context.Context, e *v1.Endpoint) error {
	if !h.answers(e.GetService()) {
		return errors.New("connection refused")
	}
	return nil
}

func (h *host) with(name string, do func(*virtualService)) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.services[name]
	if s == nil {
		return fmt.Errorf("%s: %w", name, driver.ErrUnknownService)
	}
	do(s)
	return nil
}

// Ensure implements driver.Driver.
func (h *host) Ensure(_ context.Context, name string) error {
	return h.with(name, func(s *virtualService) {
		if !s.running {
			s.running, s.since, s.ended, s.dud = true, time.Now(), make(chan struct{}), s.broken
		}
		s.draining = false
	})
}

// Drain implements driver.Driver: sessions take a second to end.
func (h *host) Drain(ctx context.Context, name string, bound time.Duration) error {
	if h.answers(name) {
		h.before(h, name)
	}
	if err := h.with(name, func(s *virtualService) {
		if s.running && !s.draining {
			s.draining, s.drained = true, time.Now()
		}
	}); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(min(bound, time.Second)):
		return nil
	}
}

// Undrain implements driver.Driver.
func (h *host) Undrain(_ context.Context, name string) error {
	return h.with(name, func(s *virtualService) { s.draining = false })
}

// Remove implements driver.Driver.
func (h *host) Remove(_ context.Context, name string) error {
	if h.answers(name) {
		h.before(h, name)
	}
	return h.with(name, func(s *virtualService) {
		if s.running {
			close(s.ended)
		}
		s.running, s.draining = false, false
	})
}

// Observe implements driver.Driver.
func (h *host) Observe(_ context.Context, name string) (o driver.Observation, err error) {
	err = h.with(name, func(s *virtualService) {
		o = driver.Observation{Running: s.running, Draining: s.draining, DrainingSince: s.drained}
		if s.running {
			o.PID = 4711
		}
	})
	return o, err
}

// Ended implements driver.Watcher.
func (h *host) Ended(name string) (ended <-chan struct{}) {
	_ = h.with(name, func(s *virtualService) { // an unknown one has not ended
		if s.running {
			ended = s.ended
		}
	})
	return ended
}

// Close implements driver.Driver.
func (h *host) Close() error { return nil }
