// Package problem owns how an error is told over gRPC: a code, a sentence that
// says what to do, and a reason word for programs in google.rpc.ErrorInfo.
//
// It must not know where errors come from. It keeps no state; everything may be
// called concurrently.
package problem

import (
	"fmt"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"roster/client"
	storev1 "roster/proto/roster/store/v1"
)

// New is an error for a caller: a code, a reason word, and a sentence.
func New(code codes.Code, reason Reason, format string, args ...any) error {
	return build(code, string(reason), fmt.Sprintf(format, args...))
}

// FromRefusal is the error of a command that Apply refused; nil for no refusal.
// The state machine's reason words pass as they are.
func FromRefusal(r *storev1.Refusal) error {
	if r == nil {
		return nil
	}
	code := codes.Code(r.GetCode())
	if code == codes.OK || code > codes.Unauthenticated {
		// A refusal that would read as success, or as nothing known, is not one.
		return build(codes.Internal, string(Internal),
			fmt.Sprintf("a command was refused with code %d, which is none: %s", r.GetCode(), r.GetMessage()))
	}
	return build(code, r.GetReason(), r.GetMessage())
}

// Is says whether an error carries the reason word.
func Is(err error, reason Reason) bool {
	return err != nil && client.Reason(err) == string(reason)
}

func build(code codes.Code, reason, sentence string) error {
	s := status.New(code, sentence)
	if reason == "" {
		return s.Err()
	}
	detailed, err := s.WithDetails(&errdetails.ErrorInfo{Reason: reason, Domain: client.Domain})
	if err != nil {
		// Only for code OK, which is no error: a caller's mistake that must show.
		return status.Error(codes.Internal, "an error was made with code OK: "+sentence)
	}
	return detailed.Err()
}
