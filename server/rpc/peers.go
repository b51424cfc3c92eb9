package rpc

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	peerv1 "roster/proto/roster/peer/v1"

	"roster/client"
	"roster/server/raftnode"
)

// Peers keeps one connection to each other member's API address.
type Peers struct {
	tls *tls.Config // nil: plain, loopback only
	// Dial stands in for the network, if set before the first use.
	Dial func(ctx context.Context, address string) (net.Conn, error)

	mu       sync.Mutex
	closed   bool
	conns    map[string]*grpc.ClientConn
	couriers map[string]*courier
}

// NewPeers dials with tls, or plainly where it is nil.
func NewPeers(tls *tls.Config) *Peers {
	return &Peers{tls: tls, conns: map[string]*grpc.ClientConn{}, couriers: map[string]*courier{}}
}

// Conn returns the connection to an address; dialling happens behind it.
func (p *Peers) Conn(address string) (*grpc.ClientConn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, raftnode.ErrStopping
	}
	if c := p.conns[address]; c != nil {
		return c, nil
	}
	creds := insecure.NewCredentials()
	if p.tls != nil {
		creds = credentials.NewTLS(p.tls)
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second, PermitWithoutStream: true}),
		// A member that comes back must be reached within an election's time.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: 2 * time.Second,
		}),
		grpc.WithStatsHandler(client.Sent{}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64 << 20)),
	}
	if p.Dial != nil {
		options = append(options, grpc.WithContextDialer(p.Dial))
	}
	c, err := grpc.NewClient("passthrough:///"+address, options...)
	if err != nil {
		return nil, fmt.Errorf("dial member at %s: %w", address, err)
	}
	p.conns[address] = c
	return c, nil
}

// courier returns the client of the member at an address whose proposals travel
// together.
func (p *Peers) courier(address string) (peerv1.PeerServiceClient, error) {
	conn, err := p.Conn(address)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.couriers[address] == nil {
		p.couriers[address] = &courier{PeerServiceClient: peerv1.NewPeerServiceClient(conn)}
	}
	return p.couriers[address], nil
}

// Close ends every connection, and makes no more.
func (p *Peers) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close() // the only error is that it is closed already
	}
	p.conns, p.closed = nil, true
}
