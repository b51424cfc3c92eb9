package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// connected is two hosts, and a connection between them.
func connected(t *testing.T) (n *Net, near, far net.Conn) {
	t.Helper()
	n = New()
	a, b := n.Host("a"), n.Host("b")
	l, err := b.Listen(b.Address(80))
	must(t, err)
	near, err = a.Dial(t.Context(), b.Address(80))
	must(t, err)
	far, err = l.Accept()
	must(t, err)
	must(t, l.Close())
	return n, near, far
}

func TestWhatIsSentOverAWayThatIsCutArrivesOnceItIsMended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, near, far := connected(t)
		n.Cut("a", "b", true)
		_, err := near.Write([]byte("hello"))
		must(t, err)
		must(t, near.Close())
		began := time.Now()
		time.AfterFunc(time.Hour, func() { n.Cut("b", "a", false) })
		got, err := io.ReadAll(far)
		if err != nil || string(got) != "hello" || time.Since(began) != time.Hour {
			t.Errorf("%q, %v, after %s", got, err, time.Since(began))
		}
		must(t, far.Close())
		if len(n.pipes) != 0 {
			t.Error("a connection that is over is remembered")
		}
	})
}

func TestAReaderWaitsNoLongerThanItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, near, far := connected(t)
		began := time.Now()
		must(t, far.SetReadDeadline(began.Add(time.Minute)))
		if _, err := far.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != time.Minute {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		must(t, near.Close())
		must(t, far.Close())
	})
}

func TestAWriterIsStoppedByAFullWindowAndByACloseOnTheOtherSide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, near, far := connected(t)
		time.AfterFunc(time.Second, func() { _ = far.Close() })
		if n, err := near.Write(make([]byte, window+1)); n != window || !errors.Is(err, syscall.EPIPE) {
			t.Errorf("%d, %v", n, err)
		}
		must(t, near.Close())
	})
}

func TestDialling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New()
		a, b := n.Host("a"), n.Host("b")
		if _, err := a.Dial(t.Context(), b.Address(80)); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("where nobody listens: %v", err)
		}
		l, err := b.Listen(b.Address(80))
		must(t, err)
		if _, err := b.Listen(b.Address(80)); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("where somebody listens: %v", err)
		}
		n.Cut("a", "b", true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := a.Dial(ctx, b.Address(80)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("over a way that is cut: %v", err)
		}
		time.AfterFunc(time.Minute, func() { n.Cut("a", "b", false) })
		conn, err := a.Dial(t.Context(), b.Address(80))
		must(t, err)
		// Nobody accepts it: the end of the listener ends it, too.
		must(t, l.Close())
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("hung up on: %v", err)
		}
		must(t, conn.Close())
	})
}
