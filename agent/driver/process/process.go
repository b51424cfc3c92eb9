// Package process is a driver that runs each service as a process of the host,
// started by the agent's own config alone. A process is a session of its own, so it
// outlives the agent; its pid and start time are on disk before it may run, so a
// restarted agent adopts it and never starts a second copy.
//
// It owns its folder and the processes that it started. It never signals a process
// that it did not start. It must not know members, assignments or probes. All
// methods are safe for concurrent use. Linux only.
package process

import (
	"context"
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
type Driver struct{}

var _ driver.Driver = (*Driver)(nil)

// New returns a driver that adopts what an earlier one over the same folder left.
func New(cfg Config) (*Driver, error) { return &Driver{}, nil }

func (d *Driver) Ensure(ctx context.Context, service string) error { return nil }

func (d *Driver) Drain(ctx context.Context, service string, bound time.Duration) error { return nil }

func (d *Driver) Undrain(ctx context.Context, service string) error { return nil }

func (d *Driver) Remove(ctx context.Context, service string) error { return nil }

func (d *Driver) Observe(ctx context.Context, service string) (driver.Observation, error) {
	return driver.Observation{}, nil
}

// Close lets go of every process; they run on.
func (d *Driver) Close() error { return nil }
