package identity

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"roster/integration/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// echo is a TLS listener that sends back one byte on each connection, and the
// result of each handshake on the channel.
type handshake struct {
	caller Identity
	err    error
}

func echo(t *testing.T, config *tls.Config) (string, <-chan handshake) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan handshake, 16)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s := tls.Server(conn, config)
			var h handshake
			if h.err = s.Handshake(); h.err == nil {
				h.caller, h.err = FromTLS(s.ConnectionState())
				_, _ = s.Write([]byte{1}) // the client says what it saw
			}
			_ = s.Close()
			results <- h
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String(), results
}

// call connects and reads the byte.
func call(t *testing.T, address string, config *tls.Config) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = io.ReadFull(conn, make([]byte, 1))
	return err
}

func server(t *testing.T, files Files, cluster string, roles ...Role) *tls.Config {
	t.Helper()
	c, err := ServerTLS(files, cluster, roles...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func caller(t *testing.T, files Files, cluster string) *tls.Config {
	t.Helper()
	c, err := ClientTLS(files, cluster)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
