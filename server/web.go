package server

import (
	"context"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"roster/client/identity"
	"roster/server/http"
	"roster/server/rpc"
	"roster/server/status"
)

// web is a member's HTTP port and the gRPC server in memory that answers it.
type web struct {
	inner  *grpc.Server
	memory *bufconn.Listener
	conn   *grpc.ClientConn
	port   *http.Server
}

const webBuffer = 64 << 10

// openWeb opens the HTTP port, where the configuration asks for one.
func (m *Member) openWeb(services rpc.Services) (err error) {
	if m.cfg.HTTPListen == "" {
		return nil
	}
	config := http.Config{
		Listen: m.cfg.HTTPListen, ClusterName: m.identity.ClusterName, Collect: m.figures, Ready: m.notReady, Logger: m.log,
	}
	if m.cfg.secure() {
		if config.TLS, err = identity.WebTLS(m.cfg.TLS, m.identity.ClusterName); err != nil {
			return err
		}
	} else if err := onlyLoopback(m.cfg.HTTPListen); err != nil {
		return err
	}
	w := &web{memory: bufconn.Listen(webBuffer)}
	w.inner = rpc.NewServer(rpc.ServerConfig{
		Secure: m.cfg.secure(), Inner: true, ClusterName: m.identity.ClusterName, Machine: m.machine, Logger: m.log,
	})
	rpc.Register(w.inner, services)
	w.conn, err = grpc.NewClient("passthrough:///memory",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return w.memory.DialContext(ctx) }),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		return fmt.Errorf("reach the API in memory: %w", err)
	}
	config.API = w.conn
	if w.port, err = http.New(config); err != nil {
		_ = w.conn.Close() // nothing was called
		return err
	}
	m.web = w
	return nil
}

// serveWeb answers on the HTTP port until ctx ends.
func (m *Member) serveWeb(ctx context.Context) error {
	w := m.web
	if w == nil {
		<-ctx.Done()
		return nil
	}
	served := make(chan error, 1)
	go func() { served <- w.inner.Serve(w.memory) }()
	err := w.port.Run(ctx)
	_ = w.conn.Close() // nobody calls any more
	w.inner.Stop()
	if failed := <-served; failed != nil && err == nil {
		err = fmt.Errorf("serve the API in memory: %w", failed)
	}
	return err
}

func (w *web) close() {
	if w != nil {
		_ = w.port.Close() // nothing was served
		_ = w.conn.Close() // nothing was called
	}
}

// HTTPAddress is where the HTTP port is; empty: there is none.
func (m *Member) HTTPAddress() string {
	if m.web == nil {
		return ""
	}
	return m.web.port.Address()
}

// notReady says why the member cannot answer for the cluster.
func (m *Member) notReady() string {
	if !m.gate.HasLeader() {
		return "this member knows no leader: it answers with what it knew last"
	}
	return ""
}

// figures are what the metrics show. Nobody is asked.
func (m *Member) figures() http.Figures {
	leader, _ := m.raft.Leader()
	voters := map[string]bool{}
	for _, id := range m.raft.Voters() {
		voters[id] = true
	}
	state := m.machine.State()
	return http.Figures{
		Status: m.sums.Compute(status.Input{
			State: state, Effective: m.cfg.Timings.Over(state.Effective()), Survival: m.outlook.Of(state), Now: time.Now(), Leader: leader, AnsweredBy: m.identity.ID, Stale: true, Term: m.raft.Term(), Voters: voters,
		}),
		Member: m.identity.Name, Version: m.cfg.Version, Leads: leader == m.identity.ID, Sessions: len(m.hub.Sessions()), Applied: state.Index(),
	}
}
