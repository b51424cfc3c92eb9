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

// Command says how one service is run. Each argv is run as it stands, without a
// shell; the first word is a program's path or is found in PATH.
type Command struct {
	// Argv runs the service in the foreground. Required.
	Argv []string
	// Env is added to PATH, HOME, LANG and TZ of the agent; nothing else of the
	// agent's environment is passed on.
	Env map[string]string
	// Prepare are run one after the other before each start.
	Prepare [][]string
	// Drain refuses new sessions; empty: nothing refuses them, the driver only
	// waits. May run twice.
	Drain []string
	// Undrain takes Drain back. Required where Drain is given. May run twice.
	Undrain []string
	// Active prints the number of sessions; empty: established connections on
	// the service's ports are counted.
	Active []string
	// Stop ends the service; empty: StopSignal is sent.
	Stop []string
	// StopSignal is a name such as TERM (default), INT, QUIT, WINCH.
	StopSignal string
	// KillAfter bounds a stop; then everything that is left of the service's
	// process session is killed. Default 30s.
	KillAfter time.Duration
}

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
