package client

import (
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// MaxMessage bounds a message in either direction: the records of ten thousand
// nodes and room to grow.
const MaxMessage = 64 << 20

// connectWithin bounds one attempt to connect, handshake included. It decides
// how long an address that swallows packets keeps a call from the next one.
const connectWithin = 3 * time.Second

// member is one address and its connection, opened by the first call.
type member struct {
	address string
	client  *Client

	mu   sync.Mutex
	conn *grpc.ClientConn
	// done is set when the connection must not be opened any more.
	done bool
	// calls in progress; a retired member is closed by its last one.
	calls   int
	retired bool
}

func newMember(address string, c *Client) *member {
	return &member{address: address, client: c}
}

// acquire hands out the connection for one call; release gives it back.
func (m *member) acquire() (*grpc.ClientConn, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.done {
		return nil, ErrClosed
	}
	if m.conn == nil {
		conn, err := grpc.NewClient("passthrough:///"+m.address, m.client.dialOptions()...)
		if err != nil {
			return nil, err
		}
		m.conn = conn
	}
	m.calls++
	return m.conn, nil
}

func (m *member) release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls--
	if m.retired && m.calls == 0 {
		_ = m.closeLocked()
	}
}

// retire closes the connection once no call uses it.
func (m *member) retire() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.retired = true
	if m.calls == 0 {
		_ = m.closeLocked()
	}
}

func (m *member) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.closeLocked()
}

func (m *member) closeLocked() error {
	m.done = true
	if m.conn == nil {
		return nil
	}
	conn := m.conn
	m.conn = nil
	return conn.Close()
}

func (c *Client) dialOptions() []grpc.DialOption {
	creds := insecure.NewCredentials()
	if c.config.TLS != nil {
		creds = credentials.NewTLS(c.config.TLS)
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: 10 * time.Second, Timeout: 5 * time.Second, PermitWithoutStream: true,
		}),
		// Small: another member is at hand, and this one may be back any moment.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.5, MaxDelay: time.Second},
			MinConnectTimeout: connectWithin,
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxMessage), grpc.MaxCallSendMsgSize(MaxMessage)),
		grpc.WithStatsHandler(Sent{}),
		grpc.WithDisableServiceConfig(),
		grpc.WithNoProxy(),
		// Retries are ours: they know which writes are safe.
		grpc.WithDisableRetry(),
	}
	if c.config.Dial != nil {
		options = append(options, grpc.WithContextDialer(c.config.Dial))
	}
	if c.config.Lean {
		options = append(options,
			grpc.WithStaticStreamWindowSize(64<<10), grpc.WithStaticConnWindowSize(64<<10),
			grpc.WithReadBufferSize(4<<10), grpc.WithWriteBufferSize(4<<10))
	}
	return options
}
