package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"roster/client/identity"
	"roster/fsm"
	"roster/fsm/whatif"
	"roster/server/outlook"
	"roster/server/raftnode"
	"roster/server/rebalance"
	"roster/server/rpc"
	"roster/server/session"
	"roster/server/status"
)

// ErrWithoutCertificates refuses a member that has run with certificates and is
// started without.
var ErrWithoutCertificates = errors.New("certificates are missing")

// Member is one control-plane server.
type Member struct {
	cfg      Config
	log      *slog.Logger
	identity raftnode.Identity
	machine  *fsm.Machine
	raft     *raftnode.Node
	peers    *rpc.Peers
	gate     *rpc.Gate
	hub      *session.Hub
	peer     *rpc.Peer
	loop     *rebalance.Loop
	grpc     *grpc.Server
	listener net.Listener
	web      *web // nil: no HTTP port
	sums     status.Cache
	outlook  *outlook.Outlook

	abandoned atomic.Bool
}

// New opens a member's data folder and its ports; it serves nothing before Run.
// A port or a folder in use is an error here.
func New(cfg Config) (*Member, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	id, err := raftnode.Load(cfg.Dir)
	if err != nil {
		return nil, err
	}
	m := &Member{cfg: cfg, identity: id, machine: fsm.New(), log: cfg.Logger.With("member", id.Name)}
	if err := m.open(); err != nil {
		m.giveBack()
		return nil, err
	}
	return m, nil
}

// open makes the rooms from the bottom up.
func (m *Member) open() error {
	certs, err := m.certificates()
	if err != nil {
		return err
	}
	address := firstOf(m.cfg.Listen, m.identity.Address)
	if !m.cfg.secure() {
		if m.identity.Certificates {
			return fmt.Errorf("member %s of cluster %s: %w: it has run with some, and without them nobody would have to prove who they are; name them with --ca, --cert and --key. (Where the whole cluster shall go without, on loopback, delete the line `certificates` in %s on every member)",
				m.identity.Name, m.identity.ClusterName, ErrWithoutCertificates, filepath.Join(m.cfg.Dir, "member.json"))
		}
		for _, a := range []string{address, firstOf(m.cfg.RaftListen, m.identity.RaftAddress)} {
			if err := onlyLoopback(a); err != nil {
				return err
			}
		}
	}
	network := m.network()
	// Before the port: where this very member runs already, its data folder is in
	// use, which says more than that a port is.
	m.raft, err = raftnode.Open(raftnode.Config{
		Dir: m.cfg.Dir, Identity: m.identity, Machine: m.machine, Bind: m.cfg.RaftListen,
		ServerTLS: certs.raft, ClientTLS: certs.client, VerifyPeer: m.onlyMembers,
		ResolvePeer: m.raftAddress, Logger: m.log, Version: m.cfg.Version, Memory: network.raft,
	})
	if err != nil {
		return err
	}
	if m.cfg.secure() {
		if err := m.raft.RememberCertificates(); err != nil {
			return err
		}
	}
	if m.listener, err = network.listen(address); err != nil {
		return fmt.Errorf("listen for agents and clients on %s: %w: is another member running, or the port taken? (--listen)", address, err)
	}
	m.peers = rpc.NewPeers(certs.client)
	m.peers.Dial = network.dial
	m.gate = rpc.NewGate(m.identity.ID, m.raft, m.machine, m.peers)
	m.hub, err = session.New(session.Config{
		Machine: m.machine, Proposer: m.gate, HasLeader: m.gate.HasLeader, Fresh: m.gate.Fresh,
		Heartbeat: m.cfg.Heartbeat, Handshakes: m.cfg.Handshakes, Logger: m.log,
	})
	if err != nil {
		return err
	}
	m.loop = rebalance.New(rebalance.Config{
		Machine: m.machine, Proposer: rpc.Local{Raft: m.raft}, Caller: m.uri(), Now: m.raft.Time, Timings: m.cfg.Timings, Quiet: m.cfg.Quiet, Logger: m.log,
		Tick: min(500*time.Millisecond, m.hub.Heartbeat()/2),
	})
	m.outlook = outlook.New(outlook.Config{Machine: m.machine, Cluster: m.hypothetical, Voters: m.raft.Voters, Logger: m.log})
	m.peer = &rpc.Peer{Raft: m.raft}
	m.grpc = rpc.NewServer(rpc.ServerConfig{
		TLS: certs.api, ClusterName: m.identity.ClusterName, Machine: m.machine, Logger: m.log,
	})
	services := rpc.Services{
		Self: m.identity.ID, Name: m.identity.Name, Gate: m.gate, Machine: m.machine, Raft: m.raft, Peers: m.peers, Hub: m.hub, Peer: m.peer, Timed: m.cfg.Timings.Over,
		Desk: rpc.NewDesk(), Survival: m.outlook.Of,
	}
	rpc.Register(m.grpc, services)
	return m.openWeb(services)
}

// hypothetical is the cluster as it is, to be asked what if.
func (m *Member) hypothetical(state *fsm.State) *whatif.Cluster {
	return fsm.Hypothetical(state, m.cfg.Timings.Over(state.Effective()), time.Now())
}

// network is the one that the member speaks over: TCP.
func (m *Member) network() memory {
	if m.cfg.memory != nil {
		return *m.cfg.memory
	}
	return memory{listen: func(address string) (net.Listener, error) { return net.Listen("tcp", address) }}
}

// certificates are the TLS settings of a member's ports; all nil on loopback
// without certificates.
type certificates struct{ api, raft, client *tls.Config }

func (m *Member) certificates() (c certificates, err error) {
	if !m.cfg.secure() {
		return c, nil
	}
	cluster := m.identity.ClusterName
	if err = m.cfg.TLS.CheckMember(cluster, m.identity.Name); err != nil {
		return c, err
	}
	if c.api, err = identity.ServerTLS(m.cfg.TLS, cluster); err != nil {
		return c, err
	}
	// An agent's certificate is from the same authority: it must not speak Raft.
	if c.raft, err = identity.ServerTLS(m.cfg.TLS, cluster, identity.Member); err != nil {
		return c, err
	}
	c.client, err = identity.ClientTLS(m.cfg.TLS, cluster)
	return c, err
}

// onlyMembers accepts a peer of the Raft port.
func (m *Member) onlyMembers(state tls.ConnectionState) error {
	// The chain is verified by then on both sides: by crypto/tls where we listen,
	// by ClientTLS's own check, which leaves no VerifiedChains, where we dial.
	if len(state.PeerCertificates) == 0 {
		return identity.ErrNoCertificate
	}
	peer, err := identity.FromCertificate(state.PeerCertificates[0])
	if err != nil {
		return err
	}
	if peer.Role != identity.Member || peer.Cluster != m.identity.ClusterName {
		return fmt.Errorf("%s must not speak Raft: only members of %s do", peer, m.identity.ClusterName)
	}
	return nil
}

// giveBack closes what New opened before it failed.
func (m *Member) giveBack() {
	m.web.close()
	if m.listener != nil {
		_ = m.listener.Close() // nothing was served
	}
	if m.raft != nil {
		_ = m.raft.Close() // the first error is the one to tell
	}
}

// Abandon ends Run at once and without goodbye, as if the process had died.
func (m *Member) Abandon() {
	m.abandoned.Store(true)
	m.raft.Abandon()
	m.grpc.Stop()
}

func (m *Member) uri() string {
	return identity.Identity{Cluster: m.identity.ClusterName, Role: identity.Member, Name: m.identity.Name}.URI()
}

// raftAddress is the newest known Raft address of a member.
func (m *Member) raftAddress(id string) string {
	return m.machine.State().Member(id).GetRaftAddress()
}

// Address is where agents and clients reach the member.
func (m *Member) Address() string { return m.listener.Addr().String() }

// ID is the member's own id.
func (m *Member) ID() string { return m.identity.ID }

// Leader is the id of the member that leads, if one is known.
func (m *Member) Leader() (string, bool) { return m.raft.Leader() }

// Run serves until ctx ends or the member must stop. A member that leads hands
// its lead over before it goes.
func (m *Member) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	// Raft outlives the rooms above it, so that what they still write while
	// they end is written.
	raftCtx, stopRaft := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRaft()
	raftDone := make(chan error, 1)
	go func() { raftDone <- m.raft.Run(raftCtx) }()

	group.Go(func() error { return m.serve(ctx) })
	group.Go(func() error { return m.serveWeb(ctx) })
	group.Go(func() error { return m.raft.Lead(ctx, m.lead) })
	group.Go(func() error { return m.relay(ctx) })
	group.Go(func() error { return m.introduce(ctx) })
	group.Go(func() error { return m.replace(ctx) })
	group.Go(func() error { return m.outlook.Run(ctx) })
	group.Go(func() error {
		select {
		case <-ctx.Done():
			return nil
		case err := <-raftDone:
			raftDone <- err
			if err == nil {
				err = errors.New("raft ended by itself")
			}
			return err
		}
	})
	err := group.Wait()
	stopRaft()
	raftErr := <-raftDone
	m.peers.Close()
	if m.abandoned.Load() {
		return nil
	}
	for _, err := range []error{raftErr, err} {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return nil
}

// serve answers on the API port until ctx ends.
func (m *Member) serve(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- m.grpc.Serve(m.listener) }()
	select {
	case <-ctx.Done():
		// Sessions never end by themselves: do not wait for them.
		m.grpc.Stop()
		if err := <-failed; err != nil {
			m.log.Debug("serving ended", "error", err)
		}
		return nil
	case err := <-failed:
		if err == nil { // stopped by Abandon
			return context.Canceled
		}
		return fmt.Errorf("serve on %s: %w", m.listener.Addr(), err)
	}
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func onlyLoopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("address %q: %w: write host:port", address, err)
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("address %s is not loopback: without certificates only loopback is accepted; make some with `roster certs` and name them with --ca, --cert, --key", address)
}
