package wire

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// window is how much may be under way in one direction.
const window = 256 << 10

// pipe is a connection with its two ends.
type pipe struct {
	net     *Net
	between [2]string

	mu   sync.Mutex
	cut  bool
	ends [2]*end
}

// end is one end of a connection.
type end struct {
	pipe  *pipe
	other *end
	local *net.TCPAddr

	// Below: the pipe's mutex.
	news   *sync.Cond
	in     []byte // what came and was not read
	closed bool
	read   deadline
	write  deadline
}

type deadline struct {
	at    time.Time
	timer *time.Timer
}

func newPipe(n *Net, between [2]string, near, far *net.TCPAddr) (*end, *end) {
	p := &pipe{net: n, between: between}
	a, b := &end{pipe: p, local: near}, &end{pipe: p, local: far}
	a.other, b.other = b, a
	a.news, b.news = sync.NewCond(&p.mu), sync.NewCond(&p.mu)
	p.ends = [2]*end{a, b}
	return a, b
}

func (p *pipe) setCut(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = cut
	for _, e := range p.ends {
		e.news.Broadcast()
	}
}

// Read implements net.Conn.
func (e *end) Read(b []byte) (int, error) {
	e.pipe.mu.Lock()
	defer e.pipe.mu.Unlock()
	for {
		switch {
		case e.closed:
			return 0, net.ErrClosed
		case e.read.passed():
			return 0, os.ErrDeadlineExceeded
		case e.pipe.cut:
		case len(e.in) > 0:
			n := copy(b, e.in)
			if e.in = e.in[n:]; len(e.in) == 0 {
				e.in = nil
			}
			e.other.news.Broadcast()
			return n, nil
		case e.other.closed:
			return 0, io.EOF
		}
		e.news.Wait()
	}
}

// Write implements net.Conn.
func (e *end) Write(b []byte) (n int, err error) {
	e.pipe.mu.Lock()
	defer e.pipe.mu.Unlock()
	for {
		switch {
		case e.closed:
			return n, net.ErrClosed
		case e.write.passed():
			return n, os.ErrDeadlineExceeded
		case !e.pipe.cut && e.other.closed:
			return n, syscall.EPIPE
		case len(e.other.in) < window:
			part := b[n:min(len(b), n+window-len(e.other.in))]
			e.other.in = append(e.other.in, part...)
			e.other.news.Broadcast()
			if n += len(part); n == len(b) {
				return n, nil
			}
		}
		e.news.Wait()
	}
}

// Close implements net.Conn. The other side learns of it once the way is open.
func (e *end) Close() error {
	e.pipe.mu.Lock()
	e.closed = true
	e.read.stop()
	e.write.stop()
	both := e.other.closed
	e.news.Broadcast()
	e.other.news.Broadcast()
	e.pipe.mu.Unlock()
	if both {
		e.pipe.net.mu.Lock()
		delete(e.pipe.net.pipes, e.pipe)
		e.pipe.net.mu.Unlock()
	}
	return nil
}

// LocalAddr implements net.Conn.
func (e *end) LocalAddr() net.Addr { return e.local }

// RemoteAddr implements net.Conn.
func (e *end) RemoteAddr() net.Addr { return e.other.local }

// SetDeadline implements net.Conn.
func (e *end) SetDeadline(t time.Time) error {
	e.pipe.mu.Lock()
	defer e.pipe.mu.Unlock()
	e.set(&e.read, t)
	e.set(&e.write, t)
	return nil
}

// SetReadDeadline implements net.Conn.
func (e *end) SetReadDeadline(t time.Time) error {
	e.pipe.mu.Lock()
	defer e.pipe.mu.Unlock()
	e.set(&e.read, t)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (e *end) SetWriteDeadline(t time.Time) error {
	e.pipe.mu.Lock()
	defer e.pipe.mu.Unlock()
	e.set(&e.write, t)
	return nil
}

func (e *end) set(d *deadline, t time.Time) {
	d.stop()
	if d.at = t; t.IsZero() || e.closed {
		return
	}
	d.timer = time.AfterFunc(time.Until(t), func() {
		e.pipe.mu.Lock()
		defer e.pipe.mu.Unlock()
		e.news.Broadcast()
	})
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
