package agent

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"roster/client/identity"
	"roster/integration/await"
	v1 "roster/proto/roster/v1"
)

// authority issues every certificate of these tests.
func authority(t *testing.T) *identity.Authority {
	t.Helper()
	a, err := identity.NewAuthority("test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// issued writes a certificate with a new authority of its own.
func issued(t *testing.T, role, name string) (ca, cert, key string) {
	t.Helper()
	f := issuedBy(t, authority(t), role, name)
	return f.CA, f.Cert, f.Key
}

func issuedBy(t *testing.T, a *identity.Authority, role, name string) identity.Files {
	t.Helper()
	dir := t.TempDir()
	f := identity.Files{CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	c, err := a.Issue(identity.Role(role), name, identity.Issue{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Save(f.Cert, f.Key); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.CA, a.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

// listenTLS is a member on a real socket.
func listenTLS(t *testing.T, files identity.Files) (*member, string) {
	t.Helper()
	config, err := identity.ServerTLS(files, "test", identity.Agent)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return memberOn(t, l, grpc.Creds(credentials.NewTLS(config))), l.Addr().String()
}

func memberOn(t *testing.T, l net.Listener, options ...grpc.ServerOption) *member {
	m := &member{
		server: grpc.NewServer(options...), stopped: make(chan struct{}),
		cluster: clusterA, epoch: 1, heartbeat: 50 * time.Millisecond, changed: make(chan struct{}),
	}
	v1.RegisterAgentServiceServer(m.server, m)
	go func() { defer close(m.stopped); _ = m.server.Serve(l) }()
	t.Cleanup(m.stop)
	return m
}

// wait polls in real time.
func wait(t *testing.T, what string, holds func() bool) {
	t.Helper()
	await.True(t, 20*time.Second, what, holds)
}

func TestMembersAreReachedByTLSAndOnlyTheClustersOwn(t *testing.T) {
	ours, theirs := authority(t), authority(t)
	m, address := listenTLS(t, issuedBy(t, ours, "member", "m1"))
	impostor, other := listenTLS(t, issuedBy(t, theirs, "member", "m1"))
	r := newRig(t, "imap")
	r.cfg.Dial, r.cfg.Members, r.cfg.TLS = nil, []string{address, other}, issuedBy(t, ours, "agent", "node-1")
	m.tell(set(7, "imap", serving))
	impostor.tell(set(99))
	r.start()
	wait(t, "imap serves", func() bool {
		h := m.last()
		return len(h.GetReports()) == 1 && h.GetReports()[0].GetState() == isServing
	})
	if len(impostor.greeted()) != 0 {
		t.Fatal("said hello to a member of another authority")
	}
	_, err := r.agent.open(context.Background(), other)
	if err == nil || !strings.Contains(err.Error(), other) {
		t.Fatalf("open: %v", err)
	}
}

func TestTheBuiltinDriverServesOnRealSockets(t *testing.T) {
	ours := authority(t)
	m, address := listenTLS(t, issuedBy(t, ours, "member", "m1"))
	services := []string{"imap", "jmap", "webdav", "smtp-inbound", "smtp-outbound"}
	cfg := newRig(t).cfg
	cfg.Dial, cfg.Probe, cfg.Drivers = nil, nil, nil
	cfg.Members, cfg.TLS = []string{address}, issuedBy(t, ours, "agent", "node-1")
	var wants []any
	for _, s := range services {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		_ = l.Close()
		cfg.Claims.Services = append(cfg.Claims.Services, &v1.ServiceClaim{
			Name: s, Driver: DriverBuiltin, RestartGroup: "mail", Endpoints: []*v1.Endpoint{{Host: "127.0.0.1", Port: uint32(port)}},
		})
		wants = append(wants, s, serving)
	}
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	all := func(state v1.ServiceState, generation uint64) func() bool {
		return func() bool {
			h := m.last()
			for _, r := range h.GetReports() {
				if r.GetState() != state {
					return false
				}
			}
			return h.GetGeneration() == generation && len(h.GetReports()) == len(services)
		}
	}
	m.tell(set(7, wants...))
	wait(t, "everything serves", all(isServing, 7))
	m.tell(set(8))
	wait(t, "nothing runs", all(isStopped, 8))
	m.tell(set(9, wants...))
	wait(t, "everything serves again", all(isServing, 9))
}
