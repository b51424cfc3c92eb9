package agent

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"roster/client/identity"
)

// text is a log to look at while it is written.
type text struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *text) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.all.Write(p) }
func (l *text) said() string                { l.mu.Lock(); defer l.mu.Unlock(); return l.all.String() }

func TestAMemberDialledInTheWrongWayIsLoggedWithTheMendForTheConfig(t *testing.T) {
	ours := authority(t)
	files := issuedBy(t, ours, "member", "m1")
	_, secure := listenTLS(t, files)
	config, err := identity.ServerTLS(files, "test", identity.Member)
	if err != nil {
		t.Fatal(err)
	}
	raft, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = raft.Close() }()
	go func() {
		for {
			conn, err := raft.Accept()
			if err != nil {
				return
			}
			_ = conn.(*tls.Conn).HandshakeContext(context.Background())
			_ = conn.Close()
		}
	}()
	plain, plainAddress := listenPlain(t)
	defer plain.stop()
	for _, tt := range []struct {
		name, address, want string
		tls                 bool
	}{
		{"plain to TLS", secure, "the member asks for certificates: add `tls:`", false},
		{"TLS to plain", plainAddress, "the member runs without certificates: take `tls:` out", true},
		{"plain to a raft port", raft.Addr().String(), "that is a member's raft port: use its API address", false},
		{"TLS to a raft port", raft.Addr().String(), "that is a member's raft port: use its API address", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, "imap")
			log := &text{}
			r.cfg.Dial, r.cfg.Members = nil, []string{tt.address}
			r.cfg.Logger = slog.New(slog.NewTextHandler(log, nil))
			if tt.tls {
				r.cfg.TLS = issuedBy(t, ours, "agent", "node-1")
			}
			r.start()
			wait(t, "it is told", func() bool { return strings.Contains(log.said(), "member "+tt.address+": "+tt.want) })
			if strings.Contains(log.said(), "rpc error") {
				t.Fatal(log.said())
			}
		})
	}
}

// listenPlain is a member on a real socket, without certificates.
func listenPlain(t *testing.T) (*member, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return memberOn(t, l), l.Addr().String()
}

func TestTheLogHasTheMembersWordsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		log := &text{}
		r.cfg.Logger = slog.New(slog.NewTextHandler(log, nil))
		r.net.member(t, "127.0.0.1:1").refuse = status.Error(codes.AlreadyExists, "node-1 is in use")
		r.start()
		r.settle("it is told", func() bool { return strings.Contains(log.said(), "member 127.0.0.1:1: node-1 is in use") })
		if said := log.said(); strings.Contains(said, "rpc error") || strings.Contains(said, "desc =") {
			t.Fatal(said)
		}
		err := &memberError{"member a", status.Error(codes.AlreadyExists, "in use")}
		if status.Code(err) != codes.AlreadyExists || !refused(errors.Join(err)) {
			t.Fatal("the code is lost")
		}
	})
}
