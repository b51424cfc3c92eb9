// Package session opens an IMAP connection and keeps it open, as a mail client does:
// as long as it is there, a drain waits for it. It knows an address and nothing of
// the cluster. A Session is for one goroutine.
package session

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// answerWithin is far more than a server on this machine needs.
const answerWithin = 20 * time.Second

// Session is an open IMAP connection.
type Session struct {
	conn net.Conn
	in   *bufio.Reader
	tag  int
}

// Open connects and reads the greeting.
func Open(t testing.TB, address string) *Session {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, answerWithin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // closed with the test
	s := &Session{conn: conn, in: bufio.NewReader(conn)}
	if _, err := s.in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return s
}

// Lives asks something of the server and wants an answer.
func (s *Session) Lives() error {
	s.tag++
	tag := fmt.Sprintf("a%d", s.tag)
	if err := s.conn.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(s.conn, "%s NOOP\r\n", tag); err != nil {
		return err
	}
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			return fmt.Errorf("the session ended: %w", err)
		}
		if strings.HasPrefix(line, "* BYE") {
			return fmt.Errorf("the session ended: %q", line)
		}
		if strings.HasPrefix(line, tag+" ") {
			return nil
		}
	}
}

// End hangs up.
func (s *Session) End() { _ = s.conn.Close() } // nothing is under way
