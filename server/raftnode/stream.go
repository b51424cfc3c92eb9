package raftnode

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// handshakeWait bounds how long a peer may take to prove who it is.
	handshakeWait = 5 * time.Second
	// handshakesAtOnce bounds how many may try at the same time; more wait in
	// the kernel's queue.
	handshakesAtOnce = 32
)

// stream is the Raft port: it accepts and dials connections, with mutual TLS
// where certificates were given. A connection is handed to raft only after its
// peer proved to be a member.
type stream struct {
	listener net.Listener
	// advertised is where other members reach this port.
	advertised     string
	server, client *tls.Config
	verify         func(tls.ConnectionState) error
	// lineage is this member's own, strange says whether a member was removed,
	// and turnedAway is told why a connection was not made.
	lineage    func() lineage
	strange    func(member string) bool
	turnedAway func(address string, err error)
	logger     *slog.Logger

	accepted chan net.Conn
	// closing ends handshakes and dials.
	closing context.Context
	close   context.CancelFunc
	loops   sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

var _ raft.StreamLayer = (*stream)(nil)

// listen opens the Raft port.
func listen(address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%w: %s: another process listens there: stop it, or give this member another raft address", ErrPortInUse, address)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on raft address: %w", err)
	}
	return listener, nil
}

func newStream(cfg Config, listener net.Listener, n *Node) *stream {
	s := &stream{
		lineage: n.lineage, strange: n.strange, turnedAway: n.turnedAway,
		listener: listener, advertised: cfg.Identity.RaftAddress,
		server: cfg.ServerTLS, client: cfg.ClientTLS, verify: cfg.VerifyPeer, logger: cfg.Logger,
		accepted: make(chan net.Conn), conns: map[net.Conn]struct{}{},
	}
	s.closing, s.close = context.WithCancel(context.Background())
	s.loops.Add(1)
	go s.acceptLoop()
	return s
}

func (s *stream) acceptLoop() {
	defer s.loops.Done()
	slots := make(chan struct{}, handshakesAtOnce)
	for {
		select {
		case slots <- struct{}{}:
		case <-s.closing.Done():
			return
		}
		conn, err := s.listener.Accept()
		if err != nil {
			<-slots
			if s.closing.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			s.logger.Warn("accept on raft port", "error", err)
			select {
			case <-time.After(50 * time.Millisecond): // out of descriptors, perhaps
			case <-s.closing.Done():
				return
			}
			continue
		}
		s.loops.Add(1)
		go func() {
			defer s.loops.Done()
			defer func() { <-slots }()
			s.admit(conn)
		}()
	}
}

// admit lets a connection in once its peer proved who it is.
func (s *stream) admit(conn net.Conn) {
	tracked := s.track(conn)
	proven, err := s.prove(tracked, s.server, tls.Server)
	if err == nil {
		err = s.lineage().answer(proven, handshakeWait, s.strange)
	}
	if err != nil {
		s.logger.Warn("connection refused on raft port", "remote", conn.RemoteAddr().String(), "error", err)
		_ = tracked.Close()
		return
	}
	select {
	case s.accepted <- proven:
	case <-s.closing.Done():
		_ = proven.Close()
	}
}

// prove does the handshake and asks the hook whether the peer is a member.
func (s *stream) prove(conn net.Conn, config *tls.Config, side func(net.Conn, *tls.Config) *tls.Conn) (net.Conn, error) {
	if config == nil {
		return conn, nil
	}
	ctx, cancel := context.WithTimeout(s.closing, handshakeWait)
	defer cancel()
	secure := side(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("handshake: %w", err)
	}
	if s.verify != nil {
		if err := s.verify(secure.ConnectionState()); err != nil {
			return nil, fmt.Errorf("peer is not accepted: %w", err)
		}
	}
	return secure, nil
}

// Accept gives raft the next connection of a member.
func (s *stream) Accept() (net.Conn, error) {
	select {
	case conn := <-s.accepted:
		return conn, nil
	case <-s.closing.Done():
		return nil, net.ErrClosed
	}
}

// Dial connects to another member.
func (s *stream) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	if s.client == nil && !isLoopback(string(address)) {
		return nil, fmt.Errorf("dial member at %s: %w", address, ErrNotLoopback)
	}
	ctx, cancel := context.WithTimeout(s.closing, timeout)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", string(address))
	if err != nil {
		return nil, fmt.Errorf("dial member at %s: %w", address, err)
	}
	tracked := s.track(conn)
	proven, err := s.prove(tracked, s.client, tls.Client)
	if err == nil {
		err = s.lineage().greet(proven, min(timeout, handshakeWait))
	}
	if err != nil {
		_ = tracked.Close()
		s.turnedAway(string(address), err)
		return nil, fmt.Errorf("dial member at %s: %w", address, err)
	}
	return proven, nil
}

// Addr is the address that raft tells to the others.
func (s *stream) Addr() net.Addr { return advertisedAddr(s.advertised) }

// Close closes the port and every connection, also those that raft's transport
// would leave open, and waits for handshakes to end.
func (s *stream) Close() error {
	s.close()
	err := s.listener.Close()
	s.mu.Lock()
	for conn := range s.conns {
		_ = conn.Close()
	}
	s.mu.Unlock()
	s.loops.Wait()
	return err
}

// track remembers a connection until it is closed.
func (s *stream) track(conn net.Conn) net.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[conn] = struct{}{}
	if s.closing.Err() != nil {
		_ = conn.Close()
	}
	return &trackedConn{Conn: conn, stream: s}
}

type trackedConn struct {
	net.Conn
	stream *stream
}

func (c *trackedConn) Close() error {
	c.stream.mu.Lock()
	delete(c.stream.conns, c.Conn)
	c.stream.mu.Unlock()
	return c.Conn.Close()
}

// advertisedAddr is an address as text.
type advertisedAddr string

func (advertisedAddr) Network() string  { return "tcp" }
func (a advertisedAddr) String() string { return string(a) }

// isLoopback tells whether an address can only be reached on this host.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// resolver answers raft's question for a member's address on each dial: the
// newest that is known, else the one in raft's own configuration.
type resolver struct{ node *Node }

// ServerAddr implements raft.ServerAddressProvider.
func (r resolver) ServerAddr(id raft.ServerID) (raft.ServerAddress, error) {
	if ask := r.node.cfg.ResolvePeer; ask != nil {
		if address := ask(string(id)); address != "" {
			return raft.ServerAddress(address), nil
		}
	}
	if server, ok := r.node.server(string(id)); ok {
		return raft.ServerAddress(server.Address), nil
	}
	return "", fmt.Errorf("%w: %s has no address", ErrUnknownMember, id)
}
