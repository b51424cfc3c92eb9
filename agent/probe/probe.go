// Package probe asks a service whether it serves, in the service's own protocol, and
// ends politely, so that neither a ban list nor a log suffers. It owns the protocols'
// greetings; it must not know drivers, assignments or members. Checks keep no state
// and may run concurrently.
package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	v1 "roster/proto/roster/v1"
)

// Why a check failed.
var (
	// ErrRefused: nothing listens there.
	ErrRefused = errors.New("connection refused")
	// ErrTimeout: no answer in time.
	ErrTimeout = errors.New("no answer in time")
	// ErrAnswer: something answers, but not as this service does.
	ErrAnswer = errors.New("unexpected answer")
)

const (
	// Timeout bounds a check whose context has no earlier deadline.
	Timeout = 5 * time.Second
	// goodbye bounds the polite end, after the verdict is known.
	goodbye = time.Second
	// longestLine bounds one line of a server.
	longestLine = 16 << 10
)

// Check returns nil where the endpoint's service greets as it should.
func Check(ctx context.Context, endpoint *v1.Endpoint) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	address := net.JoinHostPort(endpoint.GetHost(), strconv.FormatUint(uint64(endpoint.GetPort()), 10))
	var dialer net.Dialer
	raw, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("probe %s at %s: %w", endpoint.GetService(), address, classify(err))
	}
	c := &conversation{conn: raw, in: bufio.NewReaderSize(raw, longestLine), endpoint: endpoint, address: address}
	defer func() { _ = c.conn.Close() }()
	// The context's end is the connection's end, whatever the protocol waits for.
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	if endpoint.GetTls() == v1.Tls_TLS_IMPLICIT {
		err = c.handshake()
	}
	if err == nil {
		err = c.talk()
	}
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w (%w)", ErrTimeout, context.Cause(ctx))
		}
		return fmt.Errorf("probe %s at %s: %w", endpoint.GetService(), address, classify(err))
	}
	return nil
}

// conversation is one check under way.
type conversation struct {
	conn     net.Conn
	in       *bufio.Reader
	endpoint *v1.Endpoint
	address  string
}

func (c *conversation) talk() error {
	switch c.endpoint.GetService() {
	case "imap":
		return c.imap()
	case "jmap":
		return c.jmap()
	case "webdav":
		return c.webdav()
	case "smtp-inbound", "smtp-outbound", "submission":
		return c.smtp("EHLO")
	case "lmtp":
		return c.smtp("LHLO")
	case "pop3":
		return c.pop3()
	case "managesieve":
		return c.managesieve()
	}
	// Of a service that the operator named nothing is known but that it listens.
	return nil
}

// handshake begins TLS. Certificates are not verified: the question is whether the
// port speaks its protocol, not who speaks it; a mail host's certificate names what
// clients dial, seldom the address that the agent uses; and nothing secret is sent.
func (c *conversation) handshake() error {
	t := tls.Client(c.conn, &tls.Config{
		ServerName:         serverName(c.endpoint.GetHost()),
		InsecureSkipVerify: true, //nolint:gosec // see above
	})
	if err := t.Handshake(); err != nil {
		if timeout(err) {
			return err
		}
		return fmt.Errorf("TLS handshake: %w", fmt.Errorf("%w (%w)", ErrAnswer, classify(err)))
	}
	c.conn, c.in = t, bufio.NewReaderSize(t, longestLine)
	return nil
}

// serverName is the host as SNI may carry it: a name, never an address.
func serverName(host string) string {
	if net.ParseIP(host) != nil {
		return ""
	}
	return host
}

func (c *conversation) line() (string, error) {
	raw, err := c.in.ReadSlice('\n')
	if err != nil {
		if errors.Is(err, bufio.ErrBufferFull) {
			return "", fmt.Errorf("%w: a line without end", ErrAnswer)
		}
		if len(raw) == 0 && !timeout(err) {
			return "", fmt.Errorf("%w: it closed the connection", ErrAnswer)
		}
		return "", err
	}
	return strings.TrimRight(string(raw), "\r\n"), nil
}

func (c *conversation) say(line string) error {
	_, err := c.conn.Write([]byte(line + "\r\n"))
	return err
}

// leave says the last word and waits shortly for the answer. The verdict is known,
// so errors mean nothing any more.
func (c *conversation) leave(word string) {
	_ = c.conn.SetDeadline(time.Now().Add(goodbye))
	if c.say(word) != nil {
		return
	}
	for range 8 {
		if _, err := c.line(); err != nil {
			return
		}
	}
}

func unexpected(got string) error {
	const most = 120
	if len(got) > most {
		got = got[:most] + "…"
	}
	return fmt.Errorf("%w: %q", ErrAnswer, got)
}

func timeout(err error) bool {
	var n net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &n) && n.Timeout()
}

// classify puts the reason in front of what the system said, less the addresses: a
// reason that names a port of the moment would be news each time.
func classify(err error) error {
	if errors.Is(err, ErrAnswer) || errors.Is(err, ErrTimeout) {
		return err
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = fmt.Errorf("%s: %w", op.Op, op.Err)
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w (%w)", ErrRefused, err)
	case timeout(err):
		return fmt.Errorf("%w (%w)", ErrTimeout, err)
	}
	return err
}
