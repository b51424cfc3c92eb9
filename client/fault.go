package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// NoLeader is the reason word of an answer of a member that knows no leader.
// Every other word belongs to the server; see docs/api.md.
const NoLeader = "NO_LEADER"

// ErrUnknownOutcome says that a write may or may not have been done.
var ErrUnknownOutcome = errors.New("it is not known whether the change was made")

// Fault is why one member did not do a call.
type Fault struct {
	Address string
	Err     error
}

// UnansweredError says that no member did a call, with the reason of each.
type UnansweredError struct {
	// Faults has one entry per address, in the order in which they were asked.
	Faults []Fault
	// Cause is why it was given up: the end of the context, or nil where trying
	// again could not help.
	Cause error
	// Unknown: a member may have begun to make the change. errors.Is finds
	// ErrUnknownOutcome then.
	Unknown bool
}

// Error lists the addresses and their reasons.
func (e *UnansweredError) Error() string {
	var b strings.Builder
	if e.noLeader() != nil {
		b.WriteString("the cluster has no leader")
	} else {
		b.WriteString("no member answered")
	}
	if e.Cause != nil {
		b.WriteString(" before " + ending(e.Cause))
	}
	for i, f := range e.Faults {
		sep := "; "
		if i == 0 {
			sep = ": "
		}
		b.WriteString(sep + f.Address + ": " + Sentence(f.Err))
	}
	if e.Unknown {
		b.WriteString("; " + ErrUnknownOutcome.Error() + ", and under the same request id it may be tried again")
	}
	return b.String()
}

// Unwrap gives the end of the context and the faults to errors.Is and As.
func (e *UnansweredError) Unwrap() []error {
	var out []error
	if e.Cause != nil {
		out = append(out, e.Cause)
	}
	if e.Unknown {
		out = append(out, ErrUnknownOutcome)
	}
	for _, f := range e.Faults {
		out = append(out, f.Err)
	}
	return out
}

// GRPCStatus is UNAVAILABLE, with the reason NO_LEADER where a member said so;
// UNAUTHENTICATED where trust was missing everywhere; DEADLINE_EXCEEDED where a
// member that could be reached stayed silent.
func (e *UnansweredError) GRPCStatus() *status.Status {
	switch {
	case e.noLeader() != nil:
		s := status.New(codes.Unavailable, e.Error())
		if with, err := s.WithDetails(&errdetails.ErrorInfo{Reason: NoLeader, Domain: Domain}); err == nil {
			return with
		}
		return s
	case e.all(distrustful):
		return status.New(codes.Unauthenticated, e.Error())
	case errors.Is(e.Cause, context.Canceled):
		return status.New(codes.Canceled, e.Error())
	case errors.Is(e.Cause, context.DeadlineExceeded) && !e.Unreachable():
		return status.New(codes.DeadlineExceeded, e.Error())
	}
	return status.New(codes.Unavailable, e.Error())
}

// Unreachable says whether no address had a member that took the call. The
// deadline then ended the trying, but it is not what is wrong.
func (e *UnansweredError) Unreachable() bool {
	return e.all(func(err error) bool { return status.Code(err) == codes.Unavailable })
}

func (e *UnansweredError) all(is func(error) bool) bool {
	return len(e.Faults) > 0 && !slices.ContainsFunc(e.Faults, func(f Fault) bool { return !is(f.Err) })
}

func (e *UnansweredError) noLeader() error {
	for _, f := range e.Faults {
		if Reason(f.Err) == NoLeader {
			return f.Err
		}
	}
	return nil
}

// UnknownOutcomeError says that a write without a request id broke off after it
// may have reached a member, so that it was not made again.
type UnknownOutcomeError struct {
	Member string
	Err    error
}

func (e *UnknownOutcomeError) Error() string {
	return fmt.Sprintf("%s: member %s: %s", ErrUnknownOutcome, e.Member, Sentence(e.Err))
}

// Unwrap matches ErrUnknownOutcome and the member's error.
func (e *UnknownOutcomeError) Unwrap() []error { return []error{ErrUnknownOutcome, e.Err} }

// GRPCStatus is UNKNOWN: UNAVAILABLE would invite to try again.
func (e *UnknownOutcomeError) GRPCStatus() *status.Status {
	return status.New(codes.Unknown, e.Error())
}

// faultList collects the newest fault of each member.
type faultList struct {
	list []Fault
	// write: the call changes something.
	write bool
	// maybe: a member may have begun to do it.
	maybe bool
}

// note takes a fault; sent: the request may have reached the member.
func (f *faultList) note(address string, err error, sent bool) {
	if f.write && sent && Reason(err) != NoLeader {
		f.maybe = true
	}
	for i := range f.list {
		if f.list[i].Address == address {
			f.list[i].Err = err
			return
		}
	}
	f.list = append(f.list, Fault{Address: address, Err: err})
}

// leaderless says whether a member knew no leader.
func (f *faultList) leaderless() bool {
	return slices.ContainsFunc(f.list, func(one Fault) bool { return Reason(one.Err) == NoLeader })
}

func (f *faultList) error(cause error) error {
	return &UnansweredError{Faults: f.list, Cause: cause, Unknown: f.maybe}
}

// hopeless says whether every member failed for want of trust or was dialled in
// the wrong way, which trying again does not mend.
func (f *faultList) hopeless(members []*member) bool {
	for _, m := range members {
		if !slices.ContainsFunc(f.list, func(one Fault) bool {
			return one.Address == m.address && (distrustful(one.Err) || misdialled(one.Err))
		}) {
			return false
		}
	}
	return true
}
