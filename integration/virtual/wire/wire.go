// Package wire is a network in memory for tests in virtual time, where real
// sockets would stop the clock. It owns hosts, what listens on them, connections
// and cuts between hosts. A cut is a black hole, as a dead switch leaves it:
// nothing breaks, and what was sent arrives once it is mended. It knows nothing of
// what is said. Everything is safe for concurrent use; one mutex guards it all,
// and nothing blocks under it but on its own condition.
package wire

import (
	"context"
	"fmt"
	"net"
	"sync"
	"syscall"
)

// Net is a network.
type Net struct {
	mu        sync.Mutex
	hosts     map[string]net.IP // by name
	names     map[string]string // by IP
	listeners map[string]*listener
	cuts      map[[2]string]bool
	pipes     map[*pipe]bool
	// mended is closed, and made anew, when a cut is mended.
	mended chan struct{}
	port   int
}

// New makes a network without hosts.
func New() *Net {
	return &Net{
		hosts: map[string]net.IP{}, names: map[string]string{}, listeners: map[string]*listener{},
		cuts: map[[2]string]bool{}, pipes: map[*pipe]bool{}, mended: make(chan struct{}), port: 20000,
	}
}

// Host is one host, which has a loopback address of its own.
type Host struct {
	net  *Net
	name string
	ip   net.IP
}

// Host makes a host.
func (n *Net) Host(name string) *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	ip := net.IPv4(127, 1, byte(len(n.hosts)/250), byte(len(n.hosts)%250+1))
	n.hosts[name], n.names[ip.String()] = ip, name
	return &Host{net: n, name: name, ip: ip}
}

// Address is one of the host's, with a port.
func (h *Host) Address(port int) string { return fmt.Sprintf("%s:%d", h.ip, port) }

func pair(a, b string) [2]string {
	if a > b {
		a, b = b, a
	}
	return [2]string{a, b}
}

// Cut cuts the way between two hosts, or mends it.
func (n *Net) Cut(a, b string, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cuts[pair(a, b)] == cut {
		return
	}
	n.cuts[pair(a, b)] = cut
	for p := range n.pipes {
		if p.between == pair(a, b) {
			p.setCut(cut)
		}
	}
	if !cut {
		close(n.mended)
		n.mended = make(chan struct{})
	}
}

// IsCut says whether the way between two hosts is cut.
func (n *Net) IsCut(a, b string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cuts[pair(a, b)]
}

// backlog is how many connections may wait to be accepted.
const backlog = 64

type listener struct {
	net     *Net
	address *net.TCPAddr
	accepts chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

// Listen listens on an address of the host.
func (h *Host) Listen(address string) (net.Listener, error) {
	tcp, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, err
	}
	l := &listener{net: h.net, address: tcp, accepts: make(chan net.Conn, backlog), closed: make(chan struct{})}
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	if h.net.listeners[tcp.String()] != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, syscall.EADDRINUSE)
	}
	h.net.listeners[tcp.String()] = l
	return l, nil
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accepts:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Who waits to be accepted is hung up on.
func (l *listener) Close() error {
	l.once.Do(func() {
		l.net.mu.Lock()
		delete(l.net.listeners, l.address.String())
		close(l.closed)
		l.net.mu.Unlock()
		for {
			select {
			case c := <-l.accepts:
				_ = c.Close() // nobody has it
			default:
				return
			}
		}
	})
	return nil
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return l.address }

// Dial connects the host to who listens at an address. Over a way that is cut it
// waits until the context ends.
func (h *Host) Dial(ctx context.Context, address string) (net.Conn, error) {
	for {
		conn, mended, err := h.try(address)
		if mended == nil {
			return conn, err
		}
		select {
		case <-mended:
		case <-ctx.Done():
			return nil, fmt.Errorf("dial %s: %w", address, ctx.Err())
		}
	}
}

// try dials; a channel means that the way is cut until it is closed.
func (h *Host) try(address string) (net.Conn, <-chan struct{}, error) {
	n := h.net
	tcp, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	to := n.names[tcp.IP.String()]
	between := pair(h.name, to)
	if n.cuts[between] {
		return nil, n.mended, nil
	}
	l := n.listeners[tcp.String()]
	if l == nil {
		return nil, nil, fmt.Errorf("dial %s: %w", address, syscall.ECONNREFUSED)
	}
	n.port++
	near, far := newPipe(n, between, &net.TCPAddr{IP: h.ip, Port: n.port}, l.address)
	select {
	case l.accepts <- far:
	default:
		return nil, nil, fmt.Errorf("dial %s: too many wait: %w", address, syscall.ECONNREFUSED)
	}
	n.pipes[near.pipe] = true
	return near, nil, nil
}
