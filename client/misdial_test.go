package client_test

import (
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"roster/client"
	"roster/client/identity"
	v1 "roster/proto/roster/v1"
)

// raftPort listens with a member's certificate and speaks no gRPC.
func raftPort(t *testing.T, f identity.Files) string {
	t.Helper()
	config, err := identity.ServerTLS(f, "", identity.Member)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.(*tls.Conn).HandshakeContext(t.Context())
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

// A member that is dialled in the wrong way does not become right by waiting.
func TestAMemberDialledInTheWrongWayIsToldAtOnceWithTheMend(t *testing.T) {
	a := authority(t, "c")
	member := files(t, a, a, identity.Member, "m1", identity.Issue{})
	with := clientTLS(t, files(t, a, a, identity.User, "x", identity.Issue{}))
	for name, tt := range map[string]struct {
		address string
		tls     *tls.Config
		fault   error
		want    string
		code    codes.Code
	}{
		"plain to TLS":       {secure(t, member).address, nil, client.ErrAsksForCertificate, "the member asks for a certificate: name yours with --ca, --cert, --key", codes.Unauthenticated},
		"TLS to plain":       {start(t).address, with, client.ErrWithoutCertificates, "the member runs without certificates: leave out --ca, --cert and --key", codes.Unauthenticated},
		"TLS to a raft port": {raftPort(t, member), with, client.ErrRaftPort, "that is a member's raft port: use its API address", codes.Unavailable},
		"plain to raft port": {raftPort(t, member), nil, client.ErrRaftPort, "that is a member's raft port: use its API address", codes.Unavailable},
	} {
		c := newClient(t, client.Config{Members: []string{tt.address}, TLS: tt.tls})
		ctx := within(t, time.Hour)
		_, err := get(ctx, c)
		if !errors.Is(err, tt.fault) || ctx.Err() != nil || !strings.Contains(client.Sentence(err), tt.address+": "+tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
		if status.Code(err) != tt.code || client.ExitCode(err) != client.ExitError {
			t.Errorf("%s: code %s, exit %d", name, status.Code(err), client.ExitCode(err))
		}
		// A stream says so, too.
		if err := c.WatchEvents(ctx, &v1.WatchEventsRequest{}, nil); !errors.Is(err, tt.fault) || ctx.Err() != nil {
			t.Errorf("%s: watch: %v", name, err)
		}
	}
}

func TestAMemberDialledInTheWrongWayDoesNotStopACall(t *testing.T) {
	a := authority(t, "c")
	wrong := secure(t, files(t, a, a, identity.Member, "m1", identity.Issue{}))
	right := start(t)
	c := newClient(t, client.Config{Members: []string{wrong.address, right.address}})
	begin(t, c, wrong.address)
	if who, err := get(within(t, patient), c); err != nil || who != right.address {
		t.Fatalf("%s, %v", who, err)
	}
}

// What hangs up and speaks no TLS may be a member that dies: it is tried again.
func TestAPortThatHangsUpIsNotTakenForATLSPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	c := newClient(t, client.Config{Members: []string{l.Addr().String()}})
	_, err = get(within(t, 500*time.Millisecond), c)
	var dial *client.DialError
	if err == nil || errors.As(err, &dial) || status.Code(err) != codes.Unavailable || !strings.Contains(client.Sentence(err), "it hung up, as a raft port does") {
		t.Fatalf("%v", err)
	}
}

func TestACallThatReachesNobodyGivesUpSoonWhereThatIsAsked(t *testing.T) {
	one, two := dead(t), dead(t)
	c := newClient(t, client.Config{Members: []string{one, two}, GiveUp: 200 * time.Millisecond})
	ctx := within(t, time.Hour)
	err := cordon(ctx, c, c.RequestID())
	if err == nil || ctx.Err() != nil || client.ExitCode(err) != client.ExitError || status.Code(err) != codes.Unavailable {
		t.Fatalf("%v, exit %d", err, client.ExitCode(err))
	}
	for _, want := range []string{one + ": ", two + ": ", "connection refused"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	// Somebody answered, if only that no member leads: that is worth the wait.
	a := start(t)
	a.does(noLeader)
	c = newClient(t, client.Config{Members: []string{a.address, one}, GiveUp: time.Millisecond})
	for wait := time.Second; ; wait *= 4 { // a busy machine is given longer
		err = cordon(within(t, wait), c, c.RequestID())
		if client.ExitCode(err) != client.ExitNoLeader {
			t.Fatalf("%v after %d calls", err, len(a.called()))
		}
		if len(a.called()) >= 3 {
			break
		}
		if wait > patient {
			t.Fatalf("%v after %d calls", err, len(a.called()))
		}
	}
}

func TestASentenceKeepsItsBracketsAndItsAddresses(t *testing.T) {
	a, twin := authority(t, "c"), authority(t, "c")
	m := secure(t, files(t, a, a, identity.Member, "m1", identity.Issue{}))
	c := newClient(t, client.Config{Members: []string{m.address}, TLS: clientTLS(t, files(t, twin, a, identity.User, "x", identity.Issue{}))})
	_, err := get(within(t, patient), c)
	got := client.Sentence(err)
	if !strings.HasPrefix(got, "no member answered: "+m.address+": ") || !strings.HasSuffix(got, " (remote error: tls: unknown certificate authority)") {
		t.Fatal(got)
	}
}
