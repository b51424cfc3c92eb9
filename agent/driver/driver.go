// Package driver is the contract between an agent and whatever runs services on
// a host. It owns the interface and the errors that ask something of the caller;
// it must not know members, assignments or probes.
//
// A driver makes one service true on one host. Every method is idempotent and may
// be called again after any error. Methods of different services may run at the
// same time; for one service the agent calls one changing method at a time, and a
// Drain ends when its context does. Observe may be called at any time.
package driver

import (
	"context"
	"errors"
	"time"
)

// Driver runs services.
type Driver interface {
	// Ensure makes the service run and accept sessions: it starts what does not
	// run, takes back a drain, and leaves alone what already serves; what it may
	// take over (see Adopter) it takes over. It does not wait until the service
	// answers; a probe finds that out.
	Ensure(ctx context.Context, service string) error

	// Drain refuses new sessions and returns when none is left, when bound has
	// passed (sessions may then be left), or with ctx's error. What does not run
	// is drained already. A bound of 0 only refuses new sessions.
	Drain(ctx context.Context, service string, bound time.Duration) error

	// Undrain accepts sessions again. What does not run, or was not drained, is
	// left as it is.
	Undrain(ctx context.Context, service string) error

	// Remove stops the service; sessions that are left end. It touches only what
	// this driver started, now or in an earlier life over the same folder.
	Remove(ctx context.Context, service string) error

	// Observe tells what is true now.
	Observe(ctx context.Context, service string) (Observation, error)

	// Close lets go of the services. What can outlive this process runs on.
	Close() error
}

// Watcher is a driver that notices by itself when a service ends.
type Watcher interface {
	// Ended returns a channel that is closed when what runs now has ended; nil
	// where nothing runs.
	Ended(service string) <-chan struct{}
}

// Adopter is a driver that can take over a service that something else started.
type Adopter interface {
	// Adopt makes what runs this driver's own, to be drained and stopped like what
	// it started. It starts, stops and changes nothing of the service. Where
	// nothing runs, or it is this driver's own already, it does nothing.
	Adopt(ctx context.Context, service string) error
}

// Observation is what a driver sees of one service.
type Observation struct {
	// Running is true where something runs that this driver started or took over.
	Running bool
	// Adoptable is true where something runs that this driver did not start, and
	// that Adopt would take over. Running is false then.
	Adoptable bool
	// Draining is true from the begin of a drain until it is taken back.
	Draining bool
	// DrainingSince is when the drain began, by this host's clock.
	DrainingSince time.Time
	// PID is the process that serves, or that could be taken over; 0 where that is
	// not known.
	PID int64
	// Sessions counts sessions in progress, where the driver can.
	Sessions uint32
	// Detail says more, for people: how it ended, what is odd about it.
	Detail string
}

// Fault is one thing that is wrong with a service's part of the config.
type Fault struct{ Key, Message, Mend string }

// Errors that a caller tells apart. Each is wrapped with the service and with what
// to do about it.
var (
	// ErrUnknownService: the driver was not configured for this service.
	ErrUnknownService = errors.New("service is not in this agent's config")
	// ErrPortTaken: something that this driver did not start answers where the
	// service should. It is left alone.
	ErrPortTaken = errors.New("something that Roster did not start answers there")
	// ErrClosed: the driver was closed.
	ErrClosed = errors.New("driver is closed")
)
