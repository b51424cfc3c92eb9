package probe

import (
	"fmt"
	"strings"

	v1 "roster/proto/roster/v1"
)

// imap expects `* OK` or `* PREAUTH` (RFC 9051 §7.1).
func (c *conversation) imap() error {
	greeting, err := c.line()
	if err != nil {
		return err
	}
	if !strings.HasPrefix(greeting, "* OK") && !strings.HasPrefix(greeting, "* PREAUTH") {
		return unexpected(greeting)
	}
	if c.endpoint.GetTls() == v1.Tls_TLS_STARTTLS {
		if err := c.say("p0 STARTTLS"); err != nil {
			return err
		}
		for {
			answer, err := c.line()
			if err != nil {
				return err
			}
			if strings.HasPrefix(answer, "* ") && !strings.HasPrefix(answer, "* BYE") {
				continue
			}
			if !strings.HasPrefix(answer, "p0 OK") {
				return fmt.Errorf("STARTTLS: %w", unexpected(answer))
			}
			break
		}
		if err := c.handshake(); err != nil {
			return err
		}
	}
	c.leave("p1 LOGOUT")
	return nil
}

// smtp expects 220 and, for STARTTLS, goes as far as the handshake (RFC 3207).
func (c *conversation) smtp(hello string) error {
	if err := c.reply("220"); err != nil {
		return err
	}
	if c.endpoint.GetTls() == v1.Tls_TLS_STARTTLS {
		if err := c.ask(hello+" probe.roster.invalid", "250"); err != nil {
			return err
		}
		if err := c.ask("STARTTLS", "220"); err != nil {
			return err
		}
		if err := c.handshake(); err != nil {
			return err
		}
	}
	c.leave("QUIT")
	return nil
}

func (c *conversation) ask(line, code string) error {
	if err := c.say(line); err != nil {
		return err
	}
	if err := c.reply(code); err != nil {
		return fmt.Errorf("%s: %w", strings.Fields(line)[0], err)
	}
	return nil
}

// reply reads one reply of one or more lines.
func (c *conversation) reply(code string) error {
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		if !strings.HasPrefix(line, code) {
			return unexpected(line)
		}
		if len(line) == len(code) || line[len(code)] != '-' {
			return nil
		}
	}
}

// pop3 expects +OK (RFC 1939, STLS: RFC 2595).
func (c *conversation) pop3() error {
	if err := c.reply("+OK"); err != nil {
		return err
	}
	if c.endpoint.GetTls() == v1.Tls_TLS_STARTTLS {
		if err := c.ask("STLS", "+OK"); err != nil {
			return err
		}
		if err := c.handshake(); err != nil {
			return err
		}
	}
	c.leave("QUIT")
	return nil
}

// managesieve expects capabilities and OK (RFC 5804 §1.7).
func (c *conversation) managesieve() error {
	if err := c.sieveOK(); err != nil {
		return err
	}
	if c.endpoint.GetTls() == v1.Tls_TLS_STARTTLS {
		if err := c.say("STARTTLS"); err != nil {
			return err
		}
		if err := c.sieveOK(); err != nil {
			return fmt.Errorf("STARTTLS: %w", err)
		}
		if err := c.handshake(); err != nil {
			return err
		}
	}
	c.leave("LOGOUT")
	return nil
}

func (c *conversation) sieveOK() error {
	for range 100 {
		line, err := c.line()
		if err != nil {
			return err
		}
		if strings.HasPrefix(strings.ToUpper(line), "OK") {
			return nil
		}
		if !strings.HasPrefix(line, `"`) {
			return unexpected(line)
		}
	}
	return fmt.Errorf("%w: capabilities without end", ErrAnswer)
}
