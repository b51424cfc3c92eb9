package virtual

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"roster/agent"
	"roster/agent/driver"
	"roster/integration/virtual/judge"
	"roster/integration/virtual/wire"
	v1 "roster/proto/roster/v1"
)

// host is a mail host: a real agent, and services that are lines in a table. They
// outlive the agent, but not the host. It is the agent's driver, and writes down
// what really happens.
type host struct {
	w    *world
	id   string
	wire *wire.Host
	cfg  agent.Config

	mu       sync.Mutex
	services map[string]*service

	agent *agent.Agent       // nil: it does not run
	stop  context.CancelFunc // of the agent
	done  chan struct{}
}

// service is one service of a host.
type service struct {
	running, draining, answers bool
	// hung: it runs and does not answer.
	hung bool
	// answered is when it began to answer last.
	answered time.Time
	started  time.Time
	drained  time.Time // its drain began
	ended    chan struct{}
	// life tells timers of an earlier life from this one's.
	life int

	// What is wrong with it on this host.
	broken  bool // starts fail
	mute    bool // it starts and never answers
	starts  time.Duration
	drains  time.Duration
	ignores bool // a stop fails
}

var errBroken = errors.New("it exits at once: no such mailbox store")

const driverName = "virtual"

func newHost(w *world, id string, claims *v1.NodeClaims, members []string) *host {
	h := &host{w: w, id: id, wire: w.net.Host(id), services: map[string]*service{}}
	for _, c := range claims.GetServices() {
		h.services[c.GetName()] = &service{starts: w.between(200*time.Millisecond, 3*time.Second), drains: w.between(100*time.Millisecond, 8*time.Second)}
	}
	h.cfg = agent.Config{
		Node: id, Dir: filepath.Join(w.dir, id), Members: members, Claims: claims, Version: "virtual",
		Logger: slog.New(slog.DiscardHandler), Drivers: map[string]driver.Driver{driverName: h},
		Probe: h.probe, Dial: h.wire.Dial, ProbeInterval: 2 * time.Second,
	}
	return h
}

// start starts the agent.
func (h *host) start() {
	if h.agent != nil {
		return
	}
	a, err := agent.New(h.cfg)
	if err != nil {
		h.w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	h.agent, h.stop, h.done = a, cancel, done
	go func() {
		defer close(done)
		if err := a.Run(ctx); err != nil {
			h.w.t.Errorf("seed %d: agent of %s: %v", h.w.seed, h.id, err)
		}
	}()
}

// end ends the agent; its services run on.
func (h *host) end() {
	if h.agent == nil {
		return
	}
	h.stop()
	<-h.done
	h.agent = nil
}

// die takes the services away, and then the agent.
func (h *host) die() {
	h.mu.Lock()
	for name, s := range h.services {
		h.fall(name, s, judge.Fails)
	}
	h.mu.Unlock()
	h.end()
}

// fall ends a service.
func (h *host) fall(name string, s *service, how judge.Kind) {
	h.silence(name, s, how)
	if s.running {
		close(s.ended)
	}
	s.running, s.draining, s.hung = false, false, false
	s.life++
}

// silence: it does not answer any more.
func (h *host) silence(name string, s *service, how judge.Kind) {
	if s.answers {
		h.w.note(judge.Fact{Kind: how, Node: h.id, Service: name})
	}
	s.answers = false
}

// settle lets a service answer if nothing speaks against it.
func (h *host) settle(name string, s *service) {
	if s.answers || !s.running || s.draining || s.hung || s.mute {
		return
	}
	// (A timer of a start may come while it drains, and one of a drain's end while it starts.)
	if time.Since(s.started) < s.starts {
		return
	}
	s.answers, s.answered = true, time.Now()
	h.w.note(judge.Fact{Kind: judge.Answers, Node: h.id, Service: name})
}

// crash ends a service by itself.
func (h *host) crash(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fall(name, h.services[name], judge.Fails)
}

// hang lets a service run on without an answer, or answer again.
func (h *host) hang(name string, hung bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.services[name]
	if s.hung = hung && s.running; s.hung {
		h.silence(name, s, judge.Fails)
		return
	}
	h.settle(name, s)
}

func (h *host) change(name string, do func(*service)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	do(h.services[name])
}

func (h *host) look(name string) service {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.services[name]; s != nil {
		return *s
	}
	return service{}
}

// acts notes that the agent begins to do something, and what it held then.
func (h *host) acts(verb judge.Verb, name string) {
	h.w.note(judge.Fact{Kind: judge.Acts, Node: h.id, Service: name, Verb: verb})
}

// holds notes which set the agent holds.
func (h *host) holds() {
	if h.agent == nil {
		return
	}
	if epoch, generation := h.agent.Held(); epoch != 0 {
		h.w.note(judge.Fact{Kind: judge.Held, Node: h.id, Version: judge.Version{Epoch: epoch, Generation: generation}})
	}
}

// Ensure implements driver.Driver.
func (h *host) Ensure(_ context.Context, name string) error {
	h.acts(judge.Ensure, name)
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.services[name]
	if s == nil {
		return fmt.Errorf("%s: %w", name, driver.ErrUnknownService)
	}
	if s.running {
		h.undrained(name, s)
		return nil
	}
	if s.broken {
		return errBroken
	}
	s.life++
	s.running, s.draining, s.hung, s.ended, s.started = true, false, false, make(chan struct{}), time.Now()
	h.later(name, s, s.starts)
	return nil
}

// later lets a service answer after a while, if it still lives then.
func (h *host) later(name string, s *service, d time.Duration) {
	life := s.life
	time.AfterFunc(d, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if s.life == life {
			h.settle(name, s)
		}
	})
}

// reopens is how long a service takes to accept sessions again. Nothing that a
// host does takes no time at all: the judge goes by moments.
const reopens = 50 * time.Millisecond

func (h *host) undrained(name string, s *service) {
	if s.draining {
		s.draining = false
		h.later(name, s, reopens)
	}
}

// Drain implements driver.Driver.
func (h *host) Drain(ctx context.Context, name string, bound time.Duration) error {
	h.acts(judge.Drain, name)
	h.mu.Lock()
	s := h.services[name]
	if !s.running {
		h.mu.Unlock()
		return nil
	}
	if !s.draining {
		s.draining, s.drained = true, time.Now()
	}
	h.silence(name, s, judge.Stops)
	left := s.drains - time.Since(s.drained)
	h.mu.Unlock()
	timer := time.NewTimer(min(bound, left))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Undrain implements driver.Driver.
func (h *host) Undrain(_ context.Context, name string) error {
	h.acts(judge.Undrain, name)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.undrained(name, h.services[name])
	return nil
}

// Remove implements driver.Driver.
func (h *host) Remove(_ context.Context, name string) error {
	h.acts(judge.Remove, name)
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.services[name]
	if s.ignores && s.running {
		return errors.New("it ignores every signal")
	}
	h.fall(name, s, judge.Stops)
	return nil
}

// Observe implements driver.Driver.
func (h *host) Observe(_ context.Context, name string) (driver.Observation, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.services[name]
	o := driver.Observation{Running: s.running, Draining: s.draining}
	if s.running {
		o.PID = int64(4000 + s.life)
	}
	if s.draining {
		o.DrainingSince = s.drained
		if time.Since(s.drained) < s.drains {
			o.Sessions = 1
		}
	}
	return o, nil
}

// Ended implements driver.Watcher.
func (h *host) Ended(name string) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.services[name]; s.running {
		return s.ended
	}
	return nil
}

// Close implements driver.Driver.
func (h *host) Close() error { return nil }

func (h *host) probe(_ context.Context, e *v1.Endpoint) error {
	if !h.look(e.GetService()).answers {
		return errors.New("connection refused")
	}
	return nil
}
