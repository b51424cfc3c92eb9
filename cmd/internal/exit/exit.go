// Package exit owns what the program's exit codes mean and how an error is
// told to a person. It knows gRPC's codes and nothing of verbs. It has no
// state and is safe from any goroutine.
package exit

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"roster/client"
)

// The exit codes of every verb except `status --check`, which has the codes of
// monitoring.
const (
	// OK: done.
	OK = 0
	// Failed: refused, unreachable, wrong usage.
	Failed = 1
	// Changes: there is something to change, or a promise is not kept; only
	// with --detailed-exitcode.
	Changes = 2
	// Deadline: --timeout passed first.
	Deadline = 3
	// NoLeader: the members have no leader.
	NoLeader = 4
)

// Coded is an error that ends the program with a code of its own. Err may be
// nil: everything was said already.
type Coded struct {
	Code int
	Err  error
}

// Error is the wrapped error's text.
func (c *Coded) Error() string {
	if c.Err == nil {
		return ""
	}
	return c.Err.Error()
}

// Unwrap gives the wrapped error.
func (c *Coded) Unwrap() error { return c.Err }

// With gives err the exit code.
func With(code int, err error) error { return &Coded{Code: code, Err: err} }

// Quiet ends the program with the code and says nothing more.
func Quiet(code int) error { return &Coded{Code: code} }

// Code is the exit code of an error.
func Code(err error) int {
	var coded *Coded
	var unanswered *client.UnansweredError
	switch {
	case err == nil:
		return OK
	case errors.As(err, &coded):
		return coded.Code
	case IsNoLeader(err):
		return NoLeader
	case errors.As(err, &unanswered) && unreachable(unanswered):
		// The deadline ended the trying, but it is not what is wrong.
		return Failed
	case errors.Is(err, context.DeadlineExceeded), status.Code(err) == codes.DeadlineExceeded:
		return Deadline
	default:
		return Failed
	}
}

// unreachable says whether no address had a member that took the call: one
// that took it and stayed silent is another fault.
func unreachable(err *client.UnansweredError) bool {
	for _, fault := range err.Faults {
		if status.Code(fault.Err) != codes.Unavailable {
			return false
		}
	}
	return len(err.Faults) > 0
}

// IsNoLeader says whether a member answered, but knew no leader.
func IsNoLeader(err error) bool { return client.Reason(err) == client.NoLeader }
