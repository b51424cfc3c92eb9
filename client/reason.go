package client

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"roster/client/identity"
)

// Domain is the domain of Roster's reason words in google.rpc.ErrorInfo.
const Domain = "roster"

// Exit codes of the CLI; see docs/api.md.
const (
	ExitOK       = 0
	ExitError    = 1
	ExitDeadline = 3
	ExitNoLeader = 4
)

// Reason is the word that a member gave for an error, as STALE_REVISION; empty
// where it gave none.
func Reason(err error) string {
	s, ok := status.FromError(err)
	if !ok {
		return ""
	}
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetDomain() == Domain {
			return info.GetReason()
		}
	}
	return ""
}

// ExitCode is the exit code that an error calls for.
func ExitCode(err error) int {
	var unanswered *UnansweredError
	switch {
	case err == nil:
		return ExitOK
	case status.Code(err) == codes.Unavailable && Reason(err) == NoLeader:
		return ExitNoLeader
	case errors.As(err, &unanswered) && unanswered.Unreachable():
		return ExitError
	case errors.Is(err, context.DeadlineExceeded), status.Code(err) == codes.DeadlineExceeded:
		return ExitDeadline
	}
	return ExitError
}

// Sentence is an error for people: a member's own words without gRPC's
// wrapping.
func Sentence(err error) string {
	if err == nil {
		return ""
	}
	var unanswered *UnansweredError
	var unknown *UnknownOutcomeError
	var dial *DialError
	if errors.As(err, &unanswered) || errors.As(err, &unknown) || errors.As(err, &dial) {
		// These are sentences already, and so is what is put before them.
		return err.Error()
	}
	s, ok := status.FromError(err)
	if !ok || s.Code() == codes.OK {
		return err.Error()
	}
	text := s.Message()
	// grpc quotes what it heard from the transport, once per layer.
	for {
		const desc = "connection error: desc = "
		inner, ok := strings.CutPrefix(text, desc)
		if !ok {
			break
		}
		if text, err = strconv.Unquote(inner); err != nil {
			text = inner
		}
	}
	text = strings.TrimPrefix(text, "transport: ")
	text = strings.TrimPrefix(text, "error while dialing: ")
	text = strings.TrimPrefix(text, "Error while dialing: ")
	text = strings.TrimPrefix(text, "authentication handshake failed: ")
	for alert, meaning := range alerts {
		if strings.Contains(text, alert) {
			return meaning + " (" + alert + ")"
		}
	}
	if hungUp(text) {
		return "it hung up, as a raft port does or a member that ends (" + text + ")"
	}
	return text
}

// alerts are what crypto/tls tells of the other side's refusal, and what it
// means here.
var alerts = map[string]string{
	"remote error: tls: bad certificate":                "the member refused this certificate: it is of another cluster, or its role is not accepted there",
	"remote error: tls: unknown certificate authority":  "the member refused this certificate: it was not issued by the cluster's authority",
	"remote error: tls: expired certificate":            "the member refused this certificate: it is not valid now",
	"remote error: tls: certificate required":           "the member asks for a certificate",
	"remote error: tls: protocol version not supported": "the member speaks TLS 1.3 only",
}

// distrustful says whether an error means that one side does not trust the
// other. grpc keeps only the text of what failed in a handshake.
func distrustful(err error) bool {
	text := err.Error()
	for alert := range alerts {
		if strings.Contains(text, alert) {
			return true
		}
	}
	if errors.Is(err, ErrAsksForCertificate) || errors.Is(err, ErrWithoutCertificates) {
		return true
	}
	for _, sentinel := range []error{
		identity.ErrExpired, identity.ErrInvalid, identity.ErrUntrusted,
		identity.ErrWrongCluster, identity.ErrWrongRole, identity.ErrNoCertificate,
	} {
		if strings.Contains(text, sentinel.Error()) {
			return true
		}
	}
	return false
}

// ending says how a context ended.
func ending(cause error) string {
	if errors.Is(cause, context.DeadlineExceeded) {
		return "the deadline"
	}
	return "the call was given up"
}
