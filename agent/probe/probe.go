// Package probe asks a service whether it serves, in the service's own protocol, and
// ends politely, so that neither a ban list nor a log suffers. It owns the protocols'
// greetings; it must not know drivers, assignments or members. Checks keep no state
// and may run concurrently.
package probe

import (
	"context"
	"errors"

	v1 "roster/proto/roster/v1"
)

// Why a check failed.
var (
	// ErrRefused: nothing listens there.
	ErrRefused = errors.New("connection refused")
	// ErrTimeout: no answer in time.
	ErrTimeout = errors.New("no answer in time")
	// ErrAnswer: something answers, but not as this service does.
	ErrAnswer = errors.New("unexpected answer")
)

// Check returns nil where the endpoint's service greets as it should.
func Check(ctx context.Context, endpoint *v1.Endpoint) error { return nil }
