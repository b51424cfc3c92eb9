// Package builtin is a driver whose services are small servers in this process:
// they listen on the endpoints of their service, greet in its protocol, count their
// sessions and drain. It is for `roster dev` and for tests; it stores no mail.
//
// It owns its listeners and sessions. It must not know members, assignments or
// probes. All methods are safe for concurrent use.
package builtin

import (
	"context"
	"time"

	"roster/agent/driver"
	v1 "roster/proto/roster/v1"
)

// Config says which services the driver can run.
type Config struct {
	// Services with their endpoints; those of one restart group are closed and
	// opened again together whenever one of them starts or stops.
	Services []*v1.ServiceClaim
}

// Driver runs small servers.
type Driver struct{}

var _ driver.Driver = (*Driver)(nil)

// New returns a driver that runs nothing yet.
func New(cfg Config) (*Driver, error) { return &Driver{}, nil }

func (d *Driver) Ensure(ctx context.Context, service string) error { return nil }

func (d *Driver) Drain(ctx context.Context, service string, bound time.Duration) error { return nil }

func (d *Driver) Undrain(ctx context.Context, service string) error { return nil }

func (d *Driver) Remove(ctx context.Context, service string) error { return nil }

func (d *Driver) Observe(ctx context.Context, service string) (driver.Observation, error) {
	return driver.Observation{}, nil
}

// Close closes every listener and cuts every session, without goodbye.
func (d *Driver) Close() error { return nil }

// SetStartDelay lets listeners of a service open that much after its start.
func (d *Driver) SetStartDelay(service string, delay time.Duration) {}

// FailStart lets every start of a service fail with err; nil ends that.
func (d *Driver) FailStart(service string, err error) {}

// Crash ends a service as if its process had died.
func (d *Driver) Crash(service string) {}
