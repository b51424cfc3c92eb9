// Package builtin is a driver whose services are small servers in this process:
// they listen on the endpoints of their service, greet in its protocol, count their
// sessions and drain. It is for `roster dev` and for tests; it stores no mail.
//
// It owns its listeners and sessions. It must not know members, assignments or
// probes. All methods are safe for concurrent use.
package builtin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"roster/agent/driver"
	v1 "roster/proto/roster/v1"
)

// Config says which services the driver can run.
type Config struct {
	// Services with their endpoints; those of one restart group are closed and
	// opened again together whenever one of them starts or stops, as in a daemon
	// whose listeners are fixed at its start.
	Services []*v1.ServiceClaim
}

// Driver runs small servers.
type Driver struct {
	mu       sync.Mutex
	services map[string]*service
	closed   bool
	// running counts the goroutines of listeners and sessions; Close waits.
	running sync.WaitGroup
}

var (
	_ driver.Driver  = (*Driver)(nil)
	_ driver.Watcher = (*Driver)(nil)
)

// New returns a driver that runs nothing yet.
func New(cfg Config) (*Driver, error) {
	d := &Driver{services: make(map[string]*service)}
	var faults []error
	for _, claim := range cfg.Services {
		name := claim.GetName()
		if _, twice := d.services[name]; twice {
			faults = append(faults, fmt.Errorf("builtin: service %s is configured twice", name))
			continue
		}
		if len(claim.GetEndpoints()) == 0 {
			faults = append(faults, fmt.Errorf("builtin: service %s has no endpoint to listen on: give it host and port", name))
		}
		for _, e := range claim.GetEndpoints() {
			if e.GetTls() != v1.Tls_TLS_UNSPECIFIED && e.GetTls() != v1.Tls_TLS_NONE {
				faults = append(faults, fmt.Errorf("builtin: service %s: its small servers speak no TLS: leave tls out", name))
			}
		}
		d.services[name] = newService(d, claim)
	}
	return d, errors.Join(faults...)
}

func (d *Driver) find(service string) (*service, error) {
	if d.closed {
		return nil, driver.ErrClosed
	}
	s := d.services[service]
	if s == nil {
		return nil, fmt.Errorf("builtin: %s: %w", service, driver.ErrUnknownService)
	}
	return s, nil
}

// Ensure opens the service's listeners.
func (d *Driver) Ensure(_ context.Context, service string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, err := d.find(service)
	if err != nil {
		return err
	}
	switch s.state {
	case serving:
		return nil
	case draining:
		return s.undrain()
	}
	if s.failStart != nil {
		return fmt.Errorf("builtin: start %s: %w", service, s.failStart)
	}
	// The new listeners are opened first: a port that is taken must not cost the
	// rest of the group a restart.
	if err := s.open(); err != nil {
		return err
	}
	d.restartOthers(s)
	return nil
}

// Drain closes the listeners and waits for the sessions.
func (d *Driver) Drain(ctx context.Context, service string, bound time.Duration) error {
	d.mu.Lock()
	s, err := d.find(service)
	if err != nil || s.state == stopped {
		d.mu.Unlock()
		return err
	}
	if s.state == serving {
		s.beginDrain()
	}
	d.mu.Unlock()

	timer := time.NewTimer(bound)
	defer timer.Stop()
	for {
		d.mu.Lock()
		state, left, changed := s.state, len(s.sessions), s.changed
		d.mu.Unlock()
		switch {
		case state == serving:
			return fmt.Errorf("builtin: drain %s: it was taken back", service)
		case state == stopped || left == 0:
			return nil
		}
		select {
		case <-changed:
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("builtin: drain %s: %w", service, context.Cause(ctx))
		}
	}
}

// Undrain opens the listeners again.
func (d *Driver) Undrain(_ context.Context, service string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, err := d.find(service)
	if err != nil || s.state != draining {
		return err
	}
	return s.undrain()
}

// Remove closes the listeners and cuts the sessions.
func (d *Driver) Remove(_ context.Context, service string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, err := d.find(service)
	if err != nil || s.state == stopped {
		return err
	}
	s.stop("stopped")
	d.restartOthers(s)
	return nil
}

// Observe tells what listens.
func (d *Driver) Observe(_ context.Context, service string) (driver.Observation, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, err := d.find(service)
	if err != nil {
		return driver.Observation{}, err
	}
	o := driver.Observation{Detail: s.detail, Sessions: uint32(len(s.sessions))} //nolint:gosec // bounded by open files
	if s.state != stopped {
		o.Running, o.PID = true, int64(os.Getpid())
	}
	if s.state == draining {
		o.Draining, o.DrainingSince = true, s.drainingSince
	}
	return o, nil
}

// Ended is closed when the service ends.
func (d *Driver) Ended(service string) <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.services[service]; s != nil && s.state != stopped {
		return s.ended
	}
	return nil
}

// Close closes every listener and cuts every session, without goodbye, and waits
// until all of it is gone.
func (d *Driver) Close() error {
	d.mu.Lock()
	d.closed = true
	for _, s := range d.services {
		s.stop("the agent is gone")
	}
	d.mu.Unlock()
	d.running.Wait()
	return nil
}

// restartOthers closes and opens what else runs in the service's restart group.
func (d *Driver) restartOthers(of *service) {
	if of.group == "" {
		return
	}
	for _, s := range d.services {
		if s == of || s.group != of.group || s.state == stopped {
			continue
		}
		was, since := s.state, s.drainingSince
		s.stop("restarted with " + of.name)
		if err := s.open(); err != nil {
			s.stop(err.Error())
			continue
		}
		if was == draining {
			s.beginDrain()
			s.drainingSince = since
		}
	}
}
