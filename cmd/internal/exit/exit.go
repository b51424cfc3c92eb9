// Package exit owns what the program's exit codes mean and how an error is
// told to a person. It knows gRPC's codes and nothing of verbs. It has no
// state and is safe from any goroutine.
package exit

import (
	"errors"

	"roster/client"
)

// The exit codes of every verb except `status --check`, which has the codes of
// monitoring.
const (
	// OK: done.
	OK = client.ExitOK
	// Failed: refused, unreachable, wrong usage.
	Failed = client.ExitError
	// Changes: there is something to change, or a promise is not kept; only
	// with --detailed-exitcode. Of ok-to-stop: no.
	Changes = 2
	// Deadline: --timeout passed first.
	Deadline = client.ExitDeadline
	// NoLeader: the members have no leader.
	NoLeader = client.ExitNoLeader
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

// Code is the exit code of an error: its own, or the one that the client
// library knows for it.
func Code(err error) int {
	var coded *Coded
	if errors.As(err, &coded) {
		return coded.Code
	}
	return client.ExitCode(err)
}

// IsNoLeader says whether a member answered, but knew no leader.
func IsNoLeader(err error) bool { return client.Reason(err) == client.NoLeader }
