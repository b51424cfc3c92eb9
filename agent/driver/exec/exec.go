// Package exec is a driver that runs each service by the operator's own scripts:
// start, stop and status, and where given drain, undrain and sessions. What the status
// script says is the truth; a small record says which services this driver started or
// took over, so that it stops no other.
//
// It owns its folder. It must not know members, assignments or probes, nor anything of
// the processes behind the scripts. All methods are safe for concurrent use. Linux only.
package exec

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"roster/agent/driver"
	v1 "roster/proto/roster/v1"
)

// Service is one service that the driver can run.
type Service struct {
	Name      string
	Endpoints []*v1.Endpoint
	Scripts   Scripts
}

// Config says where the driver keeps its folder and what it can run.
type Config struct {
	// Dir holds a folder per service: its record, its log, its working folder.
	Dir string
	// Owner marks the environment of the scripts: ROSTER_SERVICE=owner/service.
	Owner    string
	Services []Service
}

// Driver runs scripts.
type Driver struct {
	owner    string
	services map[string]*service
	life     context.Context
	end      context.CancelFunc
}

var (
	_ driver.Driver  = (*Driver)(nil)
	_ driver.Adopter = (*Driver)(nil)
)

// New returns a driver that goes on with what an earlier one over the same folder
// started. One driver at a time may have a folder.
func New(cfg Config) (*Driver, error) {
	life, end := context.WithCancel(context.Background())
	d := &Driver{owner: cfg.Owner, services: make(map[string]*service), life: life, end: end}
	var faults []error
	for _, c := range cfg.Services {
		s := &service{Service: c, d: d, dir: filepath.Join(cfg.Dir, c.Name), turn: make(chan struct{}, 1)}
		for _, f := range c.Scripts.Faults() {
			faults = append(faults, fmt.Errorf("exec: service %s: %s: %s: %s", c.Name, f.Key, f.Message, f.Mend))
		}
		// Daemons under other users work in it.
		if err := os.MkdirAll(s.dir, 0o755); err != nil { //nolint:gosec // see above
			faults = append(faults, fmt.Errorf("exec: service %s: %w", c.Name, err))
		}
		var err error
		if s.record, err = readRecord(s.dir); err != nil {
			faults = append(faults, fmt.Errorf("exec: service %s: %w", c.Name, err))
		}
		d.services[c.Name] = s
	}
	if err := errors.Join(faults...); err != nil {
		end()
		return nil, err
	}
	return d, nil
}

func (d *Driver) find(name string) (*service, error) {
	if d.life.Err() != nil {
		return nil, driver.ErrClosed
	}
	s := d.services[name]
	if s == nil {
		return nil, fmt.Errorf("exec: %s: %w", name, driver.ErrUnknownService)
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
		return fmt.Errorf("exec: %s %s: %w", verb, name, context.Cause(ctx))
	}
	if err := do(s); err != nil {
		return fmt.Errorf("exec: %s %s: %w", verb, name, err)
	}
	return nil
}

// Ensure runs the start script unless the status script says that the service runs.
func (d *Driver) Ensure(ctx context.Context, name string) error {
	return d.change(ctx, "start", name, func(s *service) error {
		running, _, err := s.status(ctx)
		switch {
		case err != nil:
			return err
		case running:
			if err := s.own(); err != nil {
				return err
			}
			return s.undrain(ctx)
		}
		if err := s.portFree(); err != nil {
			return err
		}
		return s.start(ctx)
	})
}

// Adopt makes what runs this driver's own.
func (d *Driver) Adopt(ctx context.Context, name string) error {
	return d.change(ctx, "take over", name, func(s *service) error {
		running, _, err := s.status(ctx)
		if err != nil || !running {
			return err
		}
		return s.own()
	})
}

// Undrain runs the script that takes a drain back.
func (d *Driver) Undrain(ctx context.Context, name string) error {
	return d.change(ctx, "undrain", name, func(s *service) error { return s.undrain(ctx) })
}

// Drain runs the script that refuses new sessions, then waits.
func (d *Driver) Drain(ctx context.Context, name string, bound time.Duration) error {
	ends := time.Now().Add(bound)
	runs := false
	err := d.change(ctx, "drain", name, func(s *service) (err error) {
		if runs, err = s.mine(ctx); err != nil || !runs {
			return err
		}
		return s.drain(ctx)
	})
	if err != nil || !runs {
		return err
	}
	if err := d.services[name].emptied(ctx, ends); err != nil {
		return fmt.Errorf("exec: drain %s: %w", name, err)
	}
	return nil
}

// Remove runs the stop script, where this driver started the service or took it over.
func (d *Driver) Remove(ctx context.Context, name string) error {
	return d.change(ctx, "stop", name, func(s *service) error { return s.stop(ctx) })
}

// Observe tells what the status script says.
func (d *Driver) Observe(ctx context.Context, name string) (driver.Observation, error) {
	s, err := d.find(name)
	if err != nil {
		return driver.Observation{}, err
	}
	o, err := s.observe(ctx)
	if err != nil {
		return o, fmt.Errorf("exec: look at %s: %w", name, err)
	}
	return o, nil
}

// Close lets go of every service; they run on.
func (d *Driver) Close() error {
	d.end()
	return nil
}
