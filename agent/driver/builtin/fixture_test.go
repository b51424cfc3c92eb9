package builtin_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"testing"
	"time"

	"roster/agent/driver/builtin"
	"roster/agent/probe"
	v1 "roster/proto/roster/v1"
)

// claim is a service on a port that was free a moment ago.
func claim(t *testing.T, name, group string) *v1.ServiceClaim {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	must(t, l.Close())
	return &v1.ServiceClaim{Name: name, RestartGroup: group, Endpoints: []*v1.Endpoint{{Host: "127.0.0.1", Port: uint32(port)}}}
}

func open(t *testing.T, claims ...*v1.ServiceClaim) *builtin.Driver {
	t.Helper()
	d, err := builtin.New(builtin.Config{Services: claims})
	must(t, err)
	return d
}

func closeDriver(t *testing.T, d *builtin.Driver) { must(t, d.Close()) }

func endpoint(c *v1.ServiceClaim) *v1.Endpoint {
	return &v1.Endpoint{Service: c.GetName(), Host: "127.0.0.1", Port: c.GetEndpoints()[0].GetPort()}
}

func check(c *v1.ServiceClaim) error { return probe.Check(context.Background(), endpoint(c)) }

func address(c *v1.ServiceClaim) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(int(c.GetEndpoints()[0].GetPort())))
}

// dial begins a session and reads its first line.
func dial(t *testing.T, c *v1.ServiceClaim) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address(c))
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, err = bufio.NewReader(conn).ReadString('\n')
	must(t, err)
	return conn
}

// cut says that the server ended the session.
func cut(t *testing.T, conn net.Conn) {
	t.Helper()
	_, err := io.Copy(io.Discard, conn)
	var n net.Error
	if errors.As(err, &n) && n.Timeout() {
		t.Fatal("the session lives on")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
