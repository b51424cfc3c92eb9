package daemons

import (
	"context"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"time"
)

// talkBound bounds the answer to one command.
const talkBound = 20 * time.Second

func connect(ctx context.Context, address string) (*textproto.Conn, error) {
	dialer := net.Dialer{Timeout: talkBound}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if err := conn.SetDeadline(time.Now().Add(talkBound)); err != nil {
		_ = conn.Close() // never used
		return nil, fmt.Errorf("set the deadline: %w", err)
	}
	return textproto.NewConn(&patient{conn}), nil
}

// patient gives each command its own time, however long the session lasts.
type patient struct{ net.Conn }

// Write implements net.Conn.
func (p *patient) Write(b []byte) (int, error) {
	if err := p.SetDeadline(time.Now().Add(talkBound)); err != nil {
		return 0, err
	}
	return p.Conn.Write(b)
}

// IMAP is a logged-in session.
type IMAP struct {
	conn *textproto.Conn
	tag  int
}

// Login opens a session, logs in and selects the inbox.
func Login(ctx context.Context, address, user string) (*IMAP, error) {
	conn, err := connect(ctx, address)
	if err != nil {
		return nil, err
	}
	session := &IMAP{conn: conn}
	line, err := conn.ReadLine()
	if err == nil && !strings.HasPrefix(line, "* OK") {
		err = fmt.Errorf("greeting was %q", line)
	}
	if err == nil {
		err = session.Do("LOGIN " + user + " " + Password)
	}
	if err == nil {
		err = session.Do("SELECT INBOX")
	}
	if err != nil {
		_ = conn.Close() // the first error counts
		return nil, fmt.Errorf("log in at %s: %w", address, err)
	}
	return session, nil
}

// Do sends one command and reads to its OK.
func (s *IMAP) Do(command string) error {
	s.tag++
	tag := fmt.Sprintf("t%d", s.tag)
	if err := s.conn.PrintfLine("%s %s", tag, command); err != nil {
		return fmt.Errorf("send %s: %w", command, err)
	}
	for {
		line, err := s.conn.ReadLine()
		if err != nil {
			return fmt.Errorf("answer to %s: %w", command, err)
		}
		if answer, ok := strings.CutPrefix(line, tag+" "); ok {
			if !strings.HasPrefix(answer, "OK") {
				return fmt.Errorf("%s: %s", command, answer)
			}
			return nil
		}
	}
}

// Logout ends the session in order.
func (s *IMAP) Logout() error {
	if err := s.Do("LOGOUT"); err != nil {
		return err
	}
	return s.conn.Close()
}

// SMTP is a session that has said EHLO.
type SMTP struct{ conn *textproto.Conn }

// Greet opens a session.
func Greet(ctx context.Context, address string) (*SMTP, error) {
	conn, err := connect(ctx, address)
	if err != nil {
		return nil, err
	}
	session := &SMTP{conn}
	if _, _, err = conn.ReadResponse(220); err == nil {
		err = session.do(250, "EHLO client.example.test")
	}
	if err != nil {
		_ = conn.Close() // the first error counts
		return nil, fmt.Errorf("greet %s: %w", address, err)
	}
	return session, nil
}

func (s *SMTP) do(code int, line string) error {
	if err := s.conn.PrintfLine("%s", line); err != nil {
		return fmt.Errorf("send %s: %w", line, err)
	}
	if _, _, err := s.conn.ReadResponse(code); err != nil {
		return fmt.Errorf("answer to %s: %w", line, err)
	}
	return nil
}

// Send hands one mail over; nil means that the server took it.
func (s *SMTP) Send(to, subject string) error {
	for _, step := range []struct {
		code int
		line string
	}{{250, "MAIL FROM:<sender@example.org>"}, {250, "RCPT TO:<" + to + ">"}, {354, "DATA"}} {
		if err := s.do(step.code, step.line); err != nil {
			return err
		}
	}
	return s.do(250, "From: sender@example.org\r\nTo: "+to+"\r\nSubject: "+subject+"\r\n\r\nA mail from a test.\r\n.")
}

// Quit ends the session in order.
func (s *SMTP) Quit() error {
	if err := s.do(221, "QUIT"); err != nil {
		return err
	}
	return s.conn.Close()
}

// SendMail is one session with one mail.
func SendMail(ctx context.Context, address, to, subject string) error {
	session, err := Greet(ctx, address)
	if err != nil {
		return err
	}
	if err := session.Send(to, subject); err != nil {
		_ = session.conn.Close() // the first error counts
		return fmt.Errorf("send a mail to %s: %w", address, err)
	}
	return session.Quit()
}

// Closed is nil where nothing listens at address.
func Closed(ctx context.Context, address string) error {
	dialer := net.Dialer{Timeout: 2 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil
	}
	_ = conn.Close() // only whether it opens matters
	return fmt.Errorf("%s is open", address)
}
