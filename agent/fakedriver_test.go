package agent

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"roster/agent/driver"
	"roster/agent/probe"
	v1 "roster/proto/roster/v1"
)

// fake is a driver whose services are lines in a table.
type fake struct {
	mu       sync.Mutex
	services map[string]*fakeService
	calls    []string
	// before runs ahead of each changing call, outside of the lock.
	before func(ctx context.Context, verb, service string) error
	probes atomic.Int64
}

type fakeService struct {
	running, draining bool
	since             time.Time
	// foreign lets the probe pass though this driver started nothing.
	foreign bool
	// adoptable is a foreign one that Adopt takes over.
	adoptable bool
	// mute lets the probe fail.
	mute     bool
	sessions uint32
	starts   int
	ended    chan struct{}
}

func newFake(services ...string) *fake {
	f := &fake{services: make(map[string]*fakeService)}
	for _, s := range services {
		f.services[s] = &fakeService{}
	}
	return f
}

func (f *fake) do(ctx context.Context, verb, service string, change func(*fakeService) error) error {
	if f.before != nil {
		if err := f.before(ctx, verb, service); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, verb+" "+service)
	s := f.services[service]
	if s == nil {
		return driver.ErrUnknownService
	}
	return change(s)
}

func (f *fake) Ensure(ctx context.Context, service string) error {
	return f.do(ctx, "ensure", service, func(s *fakeService) error {
		if s.foreign || s.adoptable {
			return driver.ErrPortTaken
		}
		if !s.running {
			s.running, s.ended = true, make(chan struct{})
			s.starts++
		}
		s.draining = false
		return nil
	})
}

func (f *fake) Adopt(ctx context.Context, service string) error {
	return f.do(ctx, "adopt", service, func(s *fakeService) error {
		if s.adoptable {
			s.adoptable, s.running, s.ended = false, true, make(chan struct{})
		}
		return nil
	})
}

func (f *fake) Drain(ctx context.Context, service string, bound time.Duration) error {
	err := f.do(ctx, "drain", service, func(s *fakeService) error {
		if !s.draining {
			s.draining, s.since = true, time.Now()
		}
		return nil
	})
	if err != nil {
		return err
	}
	end := time.After(bound)
	for {
		if f.look(service).sessions == 0 {
			return nil
		}
		select {
		case <-end:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (f *fake) Undrain(ctx context.Context, service string) error {
	return f.do(ctx, "undrain", service, func(s *fakeService) error { s.draining = false; return nil })
}

func (f *fake) Remove(ctx context.Context, service string) error {
	return f.do(ctx, "remove", service, func(s *fakeService) error {
		if s.running {
			close(s.ended)
		}
		s.running, s.draining = false, false
		return nil
	})
}

func (f *fake) Observe(_ context.Context, service string) (driver.Observation, error) {
	s := f.look(service)
	o := driver.Observation{Running: s.running, Adoptable: s.adoptable, Draining: s.draining, Sessions: s.sessions}
	if s.running || s.adoptable {
		o.PID = 4711
	}
	if s.draining {
		o.DrainingSince = s.since
	}
	return o, nil
}

func (f *fake) Ended(service string) <-chan struct{} { return f.look(service).ended }

func (f *fake) Close() error { return nil }

func (f *fake) look(service string) fakeService {
	f.mu.Lock()
	defer f.mu.Unlock()
	return *f.services[service]
}

func (f *fake) change(service string, do func(*fakeService)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do(f.services[service])
}

// crash ends a service by itself.
func (f *fake) crash(service string) {
	f.change(service, func(s *fakeService) { s.running = false; close(s.ended) })
}

func (f *fake) said() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.calls, ", ")
}

// probe passes where the service runs, or somebody else's does.
func (f *fake) probe(_ context.Context, e *v1.Endpoint) error {
	// Where time stands still, a loop without a pause would never end.
	if f.probes.Add(1) > 100_000 {
		panic("a service is probed without end")
	}
	s := f.look(e.GetService())
	if (s.running && !s.draining || s.foreign || s.adoptable) && !s.mute {
		return nil
	}
	return probe.ErrRefused
}
