package probe_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"roster/agent/probe"
	"roster/client/identity"
	"roster/integration/leak"
	v1 "roster/proto/roster/v1"
)

func TestMain(m *testing.M) { leak.Main(m) }

// step is a line that the server says, or one that it waits for.
type step struct{ say, hear string }

// script is a server for one connection; starttls begins TLS after that many steps.
type script struct {
	steps    []step
	starttls int
	implicit bool
}

// played is what a server heard, once its connection has ended.
type played struct {
	endpoint *v1.Endpoint
	heard    chan []string
}

func play(t *testing.T, service string, way v1.Tls, s script) *played {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &played{
		endpoint: &v1.Endpoint{Service: service, Host: "127.0.0.1", Port: uint32(l.Addr().(*net.TCPAddr).Port), Tls: way},
		heard:    make(chan []string, 1),
	}
	secure := &tls.Config{Certificates: []tls.Certificate{certificate(t)}}
	go func() {
		var heard []string
		defer func() { p.heard <- heard }()
		conn, err := l.Accept()
		_ = l.Close()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		if s.implicit {
			conn = tls.Server(conn, secure)
		}
		in := bufio.NewReader(conn)
		for i, step := range s.steps {
			if s.starttls > 0 && i == s.starttls {
				conn = tls.Server(conn, secure)
				in = bufio.NewReader(conn)
			}
			if step.say != "" {
				_, _ = fmt.Fprintf(conn, "%s\r\n", step.say)
				continue
			}
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			heard = append(heard, strings.TrimSpace(line))
			if !strings.HasPrefix(line, step.hear) {
				return
			}
			for step.hear == "GET" || step.hear == "OPTIONS" {
				if line, err = in.ReadString('\n'); err != nil || strings.TrimSpace(line) == "" {
					break
				}
			}
		}
	}()
	t.Cleanup(func() { _ = l.Close() })
	return p
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	a, err := identity.NewAuthority("test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	c, err := a.Issue(identity.Member, "any", identity.Issue{})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(c.CertPEM, c.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func say(line string) step  { return step{say: line} }
func hear(line string) step { return step{hear: line} }

func TestAServiceThatGreetsPassesAndHearsAPoliteEnd(t *testing.T) {
	const none, starttls, implicit = v1.Tls_TLS_NONE, v1.Tls_TLS_STARTTLS, v1.Tls_TLS_IMPLICIT
	for name, c := range map[string]struct {
		service string
		way     v1.Tls
		script  script
		last    string
	}{
		"imap":               {"imap", none, script{steps: []step{say("* OK ready"), hear("p1 LOGOUT"), say("* BYE"), say("p1 OK")}}, "p1 LOGOUT"},
		"imap, known client": {"imap", none, script{steps: []step{say("* PREAUTH welcome"), hear("p1 LOGOUT")}}, "p1 LOGOUT"},
		"imap, STARTTLS": {"imap", starttls, script{starttls: 4, steps: []step{
			say("* OK ready"), hear("p0 STARTTLS"), say("* CAPABILITY IMAP4rev1"), say("p0 OK go on"), hear("p1 LOGOUT"), say("p1 OK"),
		}}, "p1 LOGOUT"},
		"imap, TLS": {"imap", implicit, script{implicit: true, steps: []step{say("* OK ready"), hear("p1 LOGOUT"), say("p1 OK")}}, "p1 LOGOUT"},
		"smtp":      {"smtp-inbound", none, script{steps: []step{say("220-mx"), say("220 ready"), hear("QUIT"), say("221 bye")}}, "QUIT"},
		"smtp, STARTTLS": {"submission", starttls, script{starttls: 6, steps: []step{
			say("220 ready"), hear("EHLO "), say("250-mx"), say("250 STARTTLS"), hear("STARTTLS"), say("220 go on"), hear("QUIT"), say("221 bye"),
		}}, "QUIT"},
		"smtp, TLS": {"smtp-outbound", implicit, script{implicit: true, steps: []step{say("220 ready"), hear("QUIT")}}, "QUIT"},
		"lmtp":      {"lmtp", none, script{steps: []step{say("220 ready"), hear("QUIT")}}, "QUIT"},
		"pop3":      {"pop3", none, script{steps: []step{say("+OK ready"), hear("QUIT"), say("+OK")}}, "QUIT"},
		"pop3, STLS": {"pop3", starttls, script{starttls: 3, steps: []step{
			say("+OK ready"), hear("STLS"), say("+OK"), hear("QUIT"),
		}}, "QUIT"},
		"managesieve": {"managesieve", none, script{steps: []step{say(`"IMPLEMENTATION" "x"`), say("OK"), hear("LOGOUT"), say("OK")}}, "LOGOUT"},
		"managesieve, STARTTLS": {"managesieve", starttls, script{starttls: 4, steps: []step{
			say(`"STARTTLS"`), say("OK"), hear("STARTTLS"), say("OK"), hear("LOGOUT"),
		}}, "LOGOUT"},
		"jmap that asks who":    {"jmap", none, script{steps: []step{hear("GET"), say("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n")}}, "GET /.well-known/jmap HTTP/1.1"},
		"jmap that shows a way": {"jmap", none, script{steps: []step{hear("GET"), say("HTTP/1.1 301 Moved\r\nLocation: /jmap\r\nContent-Length: 0\r\n")}}, "GET /.well-known/jmap HTTP/1.1"},
		"jmap over TLS":         {"jmap", implicit, script{implicit: true, steps: []step{hear("GET"), say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")}}, "GET /.well-known/jmap HTTP/1.1"},
		"webdav":                {"webdav", none, script{steps: []step{hear("OPTIONS"), say("HTTP/1.1 200 OK\r\nDAV: 1, 2\r\nContent-Length: 0\r\n")}}, "OPTIONS / HTTP/1.1"},
	} {
		t.Run(name, func(t *testing.T) {
			p := play(t, c.service, c.way, c.script)
			if err := probe.Check(t.Context(), p.endpoint); err != nil {
				t.Fatal(err)
			}
			heard := <-p.heard
			if len(heard) == 0 || heard[len(heard)-1] != c.last {
				t.Fatalf("the server heard %q", heard)
			}
		})
	}
}

func TestWhateverElseAnswersFails(t *testing.T) {
	for name, c := range map[string]struct {
		service string
		way     v1.Tls
		steps   []step
	}{
		"imap that says goodbye":           {"imap", v1.Tls_TLS_NONE, []step{say("* BYE too many")}},
		"imap that is smtp":                {"imap", v1.Tls_TLS_NONE, []step{say("220 mx ready")}},
		"imap that hangs up":               {"imap", v1.Tls_TLS_NONE, nil},
		"imap without STARTTLS":            {"imap", v1.Tls_TLS_STARTTLS, []step{say("* OK"), hear("p0 STARTTLS"), say("p0 BAD")}},
		"imap without TLS":                 {"imap", v1.Tls_TLS_IMPLICIT, []step{say("* OK")}},
		"smtp that drains":                 {"smtp-inbound", v1.Tls_TLS_NONE, []step{say("421 4.3.2 draining")}},
		"smtp that refuses all":            {"smtp-inbound", v1.Tls_TLS_NONE, []step{say("554 no service")}},
		"smtp without STARTTLS":            {"submission", v1.Tls_TLS_STARTTLS, []step{say("220 x"), hear("EHLO"), say("250 x"), hear("STARTTLS"), say("502 no")}},
		"pop3 that refuses":                {"pop3", v1.Tls_TLS_NONE, []step{say("-ERR no")}},
		"managesieve that refuses":         {"managesieve", v1.Tls_TLS_NONE, []step{say("NO")}},
		"jmap that is not there":           {"jmap", v1.Tls_TLS_NONE, []step{hear("GET"), say("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n")}},
		"jmap that is broken":              {"jmap", v1.Tls_TLS_NONE, []step{hear("GET"), say("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n")}},
		"jmap that is no HTTP":             {"jmap", v1.Tls_TLS_NONE, []step{say("* OK imap"), say("* OK imap")}},
		"webdav without its header":        {"webdav", v1.Tls_TLS_NONE, []step{hear("OPTIONS"), say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n")}},
		"imap with a line without any end": {"imap", v1.Tls_TLS_NONE, []step{say(strings.Repeat("* OK ", 10_000))}},
	} {
		t.Run(name, func(t *testing.T) {
			p := play(t, c.service, c.way, script{steps: c.steps})
			err := probe.Check(t.Context(), p.endpoint)
			if !errors.Is(err, probe.ErrAnswer) || errors.Is(err, probe.ErrRefused) || errors.Is(err, probe.ErrTimeout) {
				t.Fatalf("check: %v", err)
			}
			if !strings.Contains(err.Error(), c.service) || len(err.Error()) > 500 {
				t.Fatalf("check: %v", err)
			}
			<-p.heard
		})
	}
}

func TestNothingThatListensIsToldFromNoAnswer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &v1.Endpoint{Service: "imap", Host: "127.0.0.1", Port: uint32(l.Addr().(*net.TCPAddr).Port)}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := probe.Check(ctx, e); !errors.Is(err, probe.ErrTimeout) || errors.Is(err, probe.ErrRefused) {
		t.Fatalf("check of a server that says nothing: %v", err)
	}
	_ = l.Close()
	if err := probe.Check(t.Context(), e); !errors.Is(err, probe.ErrRefused) || errors.Is(err, probe.ErrTimeout) {
		t.Fatalf("check of a closed port: %v", err)
	}
}

func TestAServiceThatTheOperatorNamedNeedsOnlyListen(t *testing.T) {
	p := play(t, "chat", v1.Tls_TLS_NONE, script{})
	if err := probe.Check(t.Context(), p.endpoint); err != nil {
		t.Fatal(err)
	}
	<-p.heard
}

func TestAPathIsAskedFor(t *testing.T) {
	p := play(t, "webdav", v1.Tls_TLS_NONE, script{steps: []step{hear("OPTIONS"), say("HTTP/1.1 200 OK\r\nDAV: 1\r\nContent-Length: 0\r\n")}})
	p.endpoint.Path = "/dav/cal"
	if err := probe.Check(t.Context(), p.endpoint); err != nil {
		t.Fatal(err)
	}
	if heard := <-p.heard; heard[0] != "OPTIONS /dav/cal HTTP/1.1" {
		t.Fatalf("the server heard %q", heard)
	}
}
