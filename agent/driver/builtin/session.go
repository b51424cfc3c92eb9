package builtin

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// idle is how long a session may say nothing.
	idle = 30 * time.Minute
	// longestLine bounds what one line of a client may take.
	longestLine = 8 << 10
	// hostname is what the servers call themselves.
	hostname = "builtin.roster.invalid"
)

// session is one connection of a client.
type session struct {
	service  *service
	conn     net.Conn
	mute     bool
	draining atomic.Bool
}

// run speaks the service's protocol until one side ends it.
func (ses *session) run() {
	defer func() {
		_ = ses.conn.Close()
		s := ses.service
		s.d.mu.Lock()
		delete(s.sessions, ses)
		s.notify()
		s.d.mu.Unlock()
	}()
	in := bufio.NewReaderSize(ses.conn, longestLine)
	if ses.mute {
		_, _ = io.Copy(io.Discard, in)
		return
	}
	switch ses.service.name {
	case "imap":
		ses.imap(in)
	case "jmap":
		ses.http(in, jmap)
	case "webdav":
		ses.http(in, webdav)
	case "smtp-inbound", "smtp-outbound", "submission":
		ses.smtp(in, "EHLO")
	case "lmtp":
		ses.smtp(in, "LHLO")
	case "pop3":
		ses.lines(in, "+OK Roster's builtin server\r\n", "QUIT", "+OK bye\r\n", "-ERR not built\r\n")
	case "managesieve":
		ses.lines(in, "\"IMPLEMENTATION\" \"Roster builtin\"\r\nOK\r\n", "LOGOUT", "OK\r\n", "NO\r\n")
	default:
		ses.lines(in, ses.service.name+" Roster's builtin server\r\n", "QUIT", "", "")
	}
}

// drain lets the session know that it should end when it can.
func (ses *session) drain() {
	ses.draining.Store(true)
	if ses.service.name == "jmap" || ses.service.name == "webdav" {
		// Between two requests an HTTP connection has nothing in progress.
		_ = ses.conn.SetReadDeadline(time.Now())
	}
}

func (ses *session) say(format string, args ...any) bool {
	_ = ses.conn.SetWriteDeadline(time.Now().Add(time.Minute))
	_, err := fmt.Fprintf(ses.conn, format, args...)
	return err == nil
}

// line reads one line without its end; false where there is none, or it is too long.
func (ses *session) line(in *bufio.Reader) (string, bool) {
	_ = ses.conn.SetReadDeadline(time.Now().Add(idle))
	raw, err := in.ReadSlice('\n')
	if err != nil {
		return "", false
	}
	return strings.TrimRight(string(raw), "\r\n"), true
}

// lines greets and answers everything but the last command alike.
func (ses *session) lines(in *bufio.Reader, greeting, last, bye, other string) {
	if !ses.say("%s", greeting) {
		return
	}
	for {
		line, ok := ses.line(in)
		if !ok {
			return
		}
		if strings.EqualFold(line, last) {
			ses.say("%s", bye)
			return
		}
		if !ses.say("%s", other) {
			return
		}
	}
}
