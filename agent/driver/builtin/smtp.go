package builtin

import (
	"bufio"
	"strings"
)

// smtp accepts mail and throws it away (RFC 5321). A transaction in progress ends as
// it began; while the service drains no new one begins.
func (ses *session) smtp(in *bufio.Reader, hello string) {
	ok := ses.say("220 %s ESMTP Roster's builtin server\r\n", hostname)
	mail, rcpt := false, false
	for ok {
		line, more := ses.line(in)
		if !more {
			return
		}
		word, _, _ := strings.Cut(line, " ")
		switch word = strings.ToUpper(word); word {
		case hello:
			mail, rcpt = false, false
			ok = ses.say("250-%s\r\n250 8BITMIME\r\n", hostname)
		case "HELO":
			mail, rcpt = false, false
			ok = ses.say("250 %s\r\n", hostname)
		case "MAIL":
			if ses.draining.Load() {
				ses.say("421 4.3.2 %s is draining, try again\r\n", hostname)
				return
			}
			mail, rcpt = true, false
			ok = ses.say("250 2.1.0 ok\r\n")
		case "RCPT":
			if !mail {
				ok = ses.say("503 5.5.1 MAIL first\r\n")
				continue
			}
			rcpt = true
			ok = ses.say("250 2.1.5 ok\r\n")
		case "DATA":
			if !rcpt {
				ok = ses.say("503 5.5.1 RCPT first\r\n")
				continue
			}
			mail, rcpt = false, false
			ok = ses.say("354 go on\r\n") && ses.data(in) && ses.say("250 2.0.0 taken and thrown away\r\n")
		case "RSET":
			mail, rcpt = false, false
			ok = ses.say("250 2.0.0 ok\r\n")
		case "NOOP":
			ok = ses.say("250 2.0.0 ok\r\n")
		case "QUIT":
			ses.say("221 2.0.0 bye\r\n")
			return
		default:
			ok = ses.say("500 5.5.2 not built\r\n")
		}
	}
}

// data reads up to the line with a dot alone.
func (ses *session) data(in *bufio.Reader) bool {
	for {
		line, more := ses.line(in)
		if !more || line == "." {
			return more
		}
	}
}
