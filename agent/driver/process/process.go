// Package process is a driver that runs each service as a process of the host,
// started by the agent's own config alone. A process is a session of its own, so it
// outlives the agent; its pid and start time are on disk before it may run, so a
// restarted agent adopts it and never starts a second copy. A daemon that something
// else started is taken over as it runs, where the config says how to find it.
//
// It owns its folder and the processes that it started or took over. It never signals
// any other process. It must not know members, assignments or probes. All
// methods are safe for concurrent use. Linux only.
package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"roster/agent/driver"
	v1 "roster/proto/roster/v1"
)

// Service is one service that the driver can run.
type Service struct {
	Name      string
	Endpoints []*v1.Endpoint
	Command   Command
}

// Config says where the driver keeps its folder and what it can run.
type Config struct {
	// Dir holds a folder per service: its record, its log, its working folder.
	Dir string
	// Owner marks the environment of what is started: ROSTER_SERVICE=owner/service.
	Owner    string
	Services []Service
}

// Driver runs processes.
type Driver struct {
	owner    string
	services map[string]*service
	// life ends with Close; the goroutines that wait for ends do too.
	life     context.Context
	end      context.CancelFunc
	watchers sync.WaitGroup
}

var (
	_ driver.Driver  = (*Driver)(nil)
	_ driver.Watcher = (*Driver)(nil)
	_ driver.Adopter = (*Driver)(nil)
)

// New returns a driver that adopts what an earlier one over the same folder left.
// One driver at a time may have a folder.
func New(cfg Config) (*Driver, error) {
	life, end := context.WithCancel(context.Background())
	d := &Driver{owner: cfg.Owner, services: make(map[string]*service), life: life, end: end}
	var faults []error
	for _, c := range cfg.Services {
		s := &service{Service: c, d: d, dir: filepath.Join(cfg.Dir, c.Name), turn: make(chan struct{}, 1)}
		for _, f := range c.Command.Faults() {
			faults = append(faults, fmt.Errorf("process: service %s: %s: %s: %s", c.Name, f.Key, f.Message, f.Mend))
		}
		// Daemons under other users work in it.
		if err := os.MkdirAll(s.dir, 0o755); err != nil { //nolint:gosec // see above
			faults = append(faults, fmt.Errorf("process: service %s: %w", c.Name, err))
		}
		d.services[c.Name] = s
	}
	if err := errors.Join(faults...); err != nil {
		end()
		return nil, err
	}
	for _, s := range d.services {
		s.adopt()
	}
	return d, nil
}

func (d *Driver) find(name string) (*service, error) {
	if d.life.Err() != nil {
		return nil, driver.ErrClosed
	}
	s := d.services[name]
	if s == nil {
		return nil, fmt.Errorf("process: %s: %w", name, driver.ErrUnknownService)
	}
	return s, nil
}

// change runs do while no other change of the service is under way.
func (d *Driver) change(ctx context.Context, verb, name string, do func(*service) error) error {
	s, err := d.find(name)
	if err != nil {
		return err
	}
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return fmt.Errorf("process: %s %s: %w", verb, name, context.Cause(ctx))
	}
	if s.damaged != nil {
		return fmt.Errorf("process: %s %s: %w", verb, name, s.damaged)
	}
	if err := do(s); err != nil {
		return fmt.Errorf("process: %s %s: %w", verb, name, err)
	}
	return nil
}

// Ensure starts the process unless it runs.
func (d *Driver) Ensure(ctx context.Context, name string) error {
	return d.change(ctx, "start", name, func(s *service) error {
		r := s.current()
		if r.alive() {
			return s.undrain(ctx, r)
		}
		if took, err := s.takeOver(); took || err != nil {
			return err
		}
		if err := s.freePort(r); err != nil {
			return err
		}
		r, err := s.start(ctx)
		if err != nil {
			return err
		}
		s.watch(r)
		return nil
	})
}

// Adopt takes over what the pid file names.
func (d *Driver) Adopt(ctx context.Context, name string) error {
	return d.change(ctx, "take over", name, func(s *service) error {
		if s.current().alive() {
			return nil
		}
		_, err := s.takeOver()
		return err
	})
}

// Undrain runs the command that takes a drain back.
func (d *Driver) Undrain(ctx context.Context, name string) error {
	return d.change(ctx, "undrain", name, func(s *service) error {
		if r := s.current(); r.alive() {
			return s.undrain(ctx, r)
		}
		return nil
	})
}

// Drain runs the command that refuses new sessions, then waits.
func (d *Driver) Drain(ctx context.Context, name string, bound time.Duration) error {
	ends := time.Now().Add(bound)
	err := d.change(ctx, "drain", name, func(s *service) error {
		if r := s.current(); r.alive() {
			return s.beginDrain(ctx, r)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := d.services[name].emptied(ctx, ends); err != nil {
		return fmt.Errorf("process: drain %s: %w", name, err)
	}
	return nil
}

// Remove stops the process, and what it left behind in its session.
func (d *Driver) Remove(ctx context.Context, name string) error {
	return d.change(ctx, "stop", name, func(s *service) error { return s.stop(ctx) })
}

// Observe tells whether the process lives.
func (d *Driver) Observe(ctx context.Context, name string) (driver.Observation, error) {
	s, err := d.find(name)
	if err != nil {
		return driver.Observation{}, err
	}
	return s.observe(ctx)
}

// Ended is closed when the process has ended; nil where none runs.
func (d *Driver) Ended(name string) <-chan struct{} {
	s, err := d.find(name)
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.ended:
		return nil
	default:
		return s.ended
	}
}

// Close lets go of every process; they run on.
func (d *Driver) Close() error {
	d.end()
	d.watchers.Wait()
	return nil
}
