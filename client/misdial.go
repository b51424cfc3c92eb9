package client

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// What can be wrong with the way a member was dialled. Trying again does not mend
// it.
var (
	// ErrAsksForCertificate: the call came without TLS, the member speaks it.
	ErrAsksForCertificate = errors.New("the member asks for a certificate")
	// ErrWithoutCertificates: the call came with TLS, the member speaks none.
	ErrWithoutCertificates = errors.New("the member runs without certificates")
	// ErrRaftPort: members talk to each other there.
	ErrRaftPort = errors.New("that is a member's raft port")
)

// DialError says that a member was dialled in a way in which it takes no calls.
type DialError struct {
	// Fault is one of the errors above.
	Fault error
	// Err is what the connection failed with.
	Err error
}

// Error says what to do on a command line.
func (e *DialError) Error() string {
	switch {
	case errors.Is(e.Fault, ErrAsksForCertificate):
		return e.Fault.Error() + ": name yours with --ca, --cert, --key"
	case errors.Is(e.Fault, ErrWithoutCertificates):
		return e.Fault.Error() + ": leave out --ca, --cert and --key"
	}
	return e.Fault.Error() + ": use its API address"
}

// Unwrap gives fault and cause to errors.Is.
func (e *DialError) Unwrap() []error { return []error{e.Fault, e.Err} }

// GRPCStatus is UNAVAILABLE: nothing was sent, and another member may be right.
func (e *DialError) GRPCStatus() *status.Status { return status.New(codes.Unavailable, e.Error()) }

// probeWithin bounds the look at a port that hung up.
const probeWithin = time.Second

// Misdialled returns what is wrong with the way in which a member was dialled, as a
// *DialError, or err itself where it was not that. secure: it was dialled with TLS.
// Where the text of err does not settle it, it looks at the port with a TLS
// handshake of its own, that shows nothing. dial is how to get there; nil: TCP.
func Misdialled(ctx context.Context, address string, secure bool, err error, dial func(context.Context, string) (net.Conn, error)) error {
	if status.Code(err) != codes.Unavailable {
		return err
	}
	text := err.Error()
	switch {
	case secure && strings.Contains(text, "missing selected ALPN property"):
		return &DialError{ErrRaftPort, err}
	case secure && strings.Contains(text, "first record does not look like a TLS handshake"):
		return &DialError{ErrWithoutCertificates, err}
	case !secure && hungUp(text):
		if fault := look(ctx, address, dial); fault != nil {
			return &DialError{fault, err}
		}
	}
	return err
}

// hungUp says whether a port took the connection and let go of it before it
// said anything. Which words tell of it depends on who was quicker.
func hungUp(text string) bool {
	for _, words := range []string{"error reading server preface", "broken pipe", "connection reset by peer"} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

// look says hello in TLS; nil where that is not answered.
func look(ctx context.Context, address string, dial func(context.Context, string) (net.Conn, error)) error {
	ctx, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	if dial == nil {
		dial = func(ctx context.Context, address string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		}
	}
	raw, err := dial(ctx, address)
	if err != nil {
		return nil //nolint:nilerr // nothing was found out
	}
	defer func() { _ = raw.Close() }()
	conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}) //nolint:gosec // nothing is sent and nothing believed
	switch err := conn.HandshakeContext(ctx); {
	case err == nil && conn.ConnectionState().NegotiatedProtocol == "h2":
		return ErrAsksForCertificate
	case err == nil:
		return ErrRaftPort
	case strings.Contains(err.Error(), "remote error: tls: "):
		// An alert is an answer in TLS, too.
		return ErrAsksForCertificate
	}
	return nil
}

// misdialled says whether err means that a member was dialled in the wrong way.
func misdialled(err error) bool {
	var d *DialError
	return errors.As(err, &d)
}
