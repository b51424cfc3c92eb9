package builtin

import (
	"bufio"
	"strings"
)

const capabilities = "IMAP4rev1 AUTH=PLAIN"

// imap speaks the few commands of RFC 9051 that a probe and a login need; any name
// and password will do, and there is no mailbox.
func (ses *session) imap(in *bufio.Reader) {
	ok := ses.say("* OK [CAPABILITY %s] Roster's builtin server\r\n", capabilities)
	for ok {
		line, more := ses.line(in)
		if !more {
			return
		}
		tag, rest, _ := strings.Cut(line, " ")
		if tag == "" {
			ok = ses.say("* BAD a tag is missing\r\n")
			continue
		}
		word, _, _ := strings.Cut(rest, " ")
		switch strings.ToUpper(word) {
		case "CAPABILITY":
			ok = ses.say("* CAPABILITY %s\r\n%s OK done\r\n", capabilities, tag)
		case "NOOP":
			ok = ses.say("%s OK done\r\n", tag)
		case "LOGIN":
			ok = ses.say("%s OK [CAPABILITY %s] logged in\r\n", tag, capabilities)
		case "LOGOUT":
			ses.say("* BYE see you\r\n%s OK done\r\n", tag)
			return
		default:
			ok = ses.say("%s BAD not built\r\n", tag)
		}
	}
}
