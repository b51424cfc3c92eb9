package server

import (
	"context"
	"errors"
	"net"
	"sync"

	"google.golang.org/grpc/test/bufconn"

	"roster/server/raftnode"
)

// wires is the network of a cluster in virtual time: Raft's transport and gRPC's
// connections in memory. A link that is cut is a black hole, as a dead switch
// leaves it: nothing breaks, what was sent arrives once it is mended.
type wires struct {
	raft *raftnode.Memory

	mu        sync.Mutex
	listeners map[string]*bufconn.Listener // by address
	names     map[string]string            // of who listens, by address
	links     map[[2]string]*link
	conns     map[*wire]bool
}

// link is the way between two names.
type link struct {
	open chan struct{} // closed while it is
	cut  bool
}

func newWires() *wires {
	return &wires{
		raft: raftnode.NewMemory(), listeners: map[string]*bufconn.Listener{}, names: map[string]string{},
		links: map[[2]string]*link{}, conns: map[*wire]bool{},
	}
}

func pair(a, b string) [2]string {
	if a > b {
		a, b = b, a
	}
	return [2]string{a, b}
}

func (w *wires) link(a, b string) *link {
	l := w.links[pair(a, b)]
	if l == nil {
		l = &link{open: make(chan struct{})}
		close(l.open)
		w.links[pair(a, b)] = l
	}
	return l
}

func (w *wires) opened(a, b string) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.link(a, b).open
}

// cut cuts the way between two names, or mends it.
func (w *wires) cut(a, b string, cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.link(a, b)
	switch {
	case cut && !l.cut:
		l.open = make(chan struct{})
	case !cut && l.cut:
		close(l.open)
	}
	l.cut = cut
}

var errNobodyListens = errors.New("connection refused")

// memory is the network as one member sees it.
func (w *wires) memory(name string) *memory {
	return &memory{
		raft: w.raft,
		listen: func(address string) (net.Listener, error) {
			l := bufconn.Listen(256 << 10)
			w.mu.Lock()
			defer w.mu.Unlock()
			w.listeners[address], w.names[address] = l, name
			return listener{l}, nil
		},
		dial: w.dialler(name),
	}
}

// dialler connects a name with whoever listens.
func (w *wires) dialler(from string) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, address string) (net.Conn, error) {
		w.mu.Lock()
		l, to := w.listeners[address], w.names[address]
		w.mu.Unlock()
		if l == nil {
			return nil, errNobodyListens
		}
		select {
		case <-w.opened(from, to):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		conn, err := l.DialContext(ctx)
		if err != nil {
			return nil, err
		}
		c := &wire{Conn: conn, wires: w, from: from, to: to, gone: make(chan struct{})}
		w.mu.Lock()
		w.conns[c] = true
		w.mu.Unlock()
		return c, nil
	}
}

// fall ends every connection of a name, as the end of a process does.
func (w *wires) fall(name string) {
	w.mu.Lock()
	var ends []*wire
	for c := range w.conns {
		if c.from == name || c.to == name {
			ends = append(ends, c)
		}
	}
	for address, who := range w.names {
		if who == name {
			delete(w.listeners, address)
			delete(w.names, address)
		}
	}
	w.mu.Unlock()
	for _, c := range ends {
		_ = c.Close() // it may be closed already
	}
}

// wire is the dialling end of a connection: both ways pass through it.
type wire struct {
	net.Conn
	wires    *wires
	from, to string
	once     sync.Once
	gone     chan struct{}
}

func (c *wire) wait() error {
	select {
	case <-c.wires.opened(c.from, c.to):
		return nil
	case <-c.gone:
		return net.ErrClosed
	}
}

func (c *wire) Write(p []byte) (int, error) {
	if err := c.wait(); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

func (c *wire) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if waited := c.wait(); waited != nil && err == nil {
		return n, waited
	}
	return n, err
}

func (c *wire) Close() error {
	c.once.Do(func() {
		close(c.gone)
		c.wires.mu.Lock()
		delete(c.wires.conns, c)
		c.wires.mu.Unlock()
	})
	return c.Conn.Close()
}

func (c *wire) RemoteAddr() net.Addr { return loopbackAddress }

var loopbackAddress = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}

// listener says of whoever comes that it comes over loopback.
type listener struct{ *bufconn.Listener }

func (l listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return accepted{conn}, nil
}

type accepted struct{ net.Conn }

func (accepted) RemoteAddr() net.Addr { return loopbackAddress }
