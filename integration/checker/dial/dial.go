// Package dial asks one address whether it answers in its protocol: it waits
// for the greeting and takes leave politely. It must not know what the answer
// is used for, and it imports no package of Roster: it is the second opinion on
// Roster's own probes.
//
// Once may be called by many goroutines at once.
package dial

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// ErrGreeting means that something answered, but not as the protocol wants.
var ErrGreeting = errors.New("answered, but not as the protocol wants")

// longestLine bounds what a greeting may take.
const longestLine = 4096

// Protocols lists what Once can speak.
func Protocols() []string { return []string{"imap", "jmap", "smtp", "tcp", "webdav"} }

// Once dials address and returns nil if it greeted in its protocol before the
// context's end. The path matters to jmap and webdav only; empty is their usual
// one.
func Once(ctx context.Context, protocol, address, path string) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close() }() // the answer is known by then
	if until, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(until); err != nil {
			return fmt.Errorf("set the deadline: %w", err)
		}
	}
	switch protocol {
	case "imap":
		return lines(conn, "* OK", "a LOGOUT\r\n")
	case "smtp":
		return lines(conn, "220", "QUIT\r\n")
	case "jmap":
		return jmap(conn, address, path)
	case "webdav":
		return webdav(conn, address, path)
	case "tcp":
		return nil
	default:
		return fmt.Errorf("unknown protocol %q", protocol)
	}
}

// lines is a protocol whose server speaks first, line by line. The goodbye is
// read to its end, so that the server sees a client that left in order.
func lines(conn net.Conn, greeting, goodbye string) error {
	reader := bufio.NewReaderSize(io.LimitReader(conn, longestLine), 512)
	line, err := reader.ReadString('\n')
	if err != nil {
		return fmt.Errorf("read the greeting: %w", err)
	}
	if !strings.HasPrefix(line, greeting) {
		return fmt.Errorf("%w: wanted %q, got %q", ErrGreeting, greeting, strings.TrimSpace(line))
	}
	if _, err := io.WriteString(conn, goodbye); err != nil {
		return nil // it greeted; that it left first is its own affair
	}
	_, _ = io.Copy(io.Discard, reader)
	return nil
}

// jmap asks for the session resource; a server that wants a login first is a
// server that answers (RFC 8620, section 2).
func jmap(conn net.Conn, address, path string) error {
	if path == "" {
		path = "/.well-known/jmap"
	}
	response, err := ask(conn, http.MethodGet, address, path)
	if err != nil {
		return err
	}
	switch code := response.StatusCode; {
	case code == http.StatusOK, code == http.StatusUnauthorized, code >= 300 && code < 400:
		return nil
	default:
		return fmt.Errorf("%w: GET %s gave %s", ErrGreeting, path, response.Status)
	}
}

// webdav asks for the options; the DAV header is what makes it WebDAV (RFC
// 4918, section 10.1).
func webdav(conn net.Conn, address, path string) error {
	if path == "" {
		path = "/"
	}
	response, err := ask(conn, http.MethodOptions, address, path)
	if err != nil {
		return err
	}
	if response.Header.Get("DAV") == "" && response.StatusCode != http.StatusUnauthorized {
		return fmt.Errorf("%w: OPTIONS %s gave %s without a DAV header", ErrGreeting, path, response.Status)
	}
	return nil
}

func ask(conn net.Conn, method, address, path string) (*http.Response, error) {
	request, err := http.NewRequest(method, "http://"+address+path, nil)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	request.Close = true
	if err := request.Write(conn); err != nil {
		return nil, fmt.Errorf("send the request: %w", err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), request)
	if err != nil {
		return nil, fmt.Errorf("read the response: %w", err)
	}
	_ = response.Body.Close() // the head was all that was wanted
	return response, nil
}

// Within is Once with a bound of its own.
func Within(ctx context.Context, bound time.Duration, protocol, address, path string) error {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	return Once(ctx, protocol, address, path)
}
