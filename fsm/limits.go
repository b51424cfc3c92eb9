package fsm

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// limits bound what is kept. They are part of the schema: the same on every
// member, or states differ. Only tests use others.
type limits struct {
	events, eventBytes  int
	revisions, requests int
	nodes, members      int
	freezes             int
}

var standardLimits = limits{
	events: 100_000, eventBytes: 64 << 20,
	revisions: 100, requests: 128 << 10,
	nodes: 20_000, members: 32,
	freezes: 256,
}

// Bounds on single records.
const (
	maxName        = 63
	maxIdentity    = 253
	maxLabels      = 64
	maxLabelValue  = 128
	maxServices    = 64
	maxEndpoints   = 16
	maxHost        = 253
	maxPath        = 1024
	maxCapacity    = 1_000_000
	maxText        = 512
	maxSource      = 1 << 20
	maxNodesInWave = 20_000
	maxMovesInPlan = 50_000
	maxSilent      = 100
	maxTroubles    = maxServices
	// How far back events are looked through for one that was told already.
	maxNotesSeen = 1000
	// Epochs and generations that agents and operators name; far beyond any real
	// one, and far from the end of their type.
	maxVersion = 1 << 60
)

// Bounds on how long an operator's word counts.
const (
	minRestraint    = time.Second
	maxFreeze       = 30 * 24 * time.Hour
	maxDrain        = 30 * 24 * time.Hour
	maxOverride     = 24 * time.Hour
	defaultOverride = time.Hour
	// clockSlack is how far the clock of whoever names a time may be off.
	clockSlack = 5 * time.Minute
)

// checkMemberName holds for what members are called: visible ASCII, so that no
// two look alike.
func checkMemberName(what, name string) error {
	if name == "" || len(name) > maxIdentity {
		return fmt.Errorf("%s has %d characters; give it 1 to %d", what, len(name), maxIdentity)
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c > '~' {
			return fmt.Errorf("%s %q: use visible ASCII characters only", what, name)
		}
	}
	return nil
}

// checkText holds for sentences and values: printable, not too long.
func checkText(what, text string, most int) error {
	if len(text) > most {
		return fmt.Errorf("%s has %d bytes; at most %d", what, len(text), most)
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("%s %q has an unprintable character; take it out", what, text)
		}
	}
	return nil
}

// reservedLabels are seen as labels already, from fields of the node.
var reservedLabels = map[string]bool{"region": true, "zone": true, "id": true}

func checkLabel(key, value string) error {
	if reservedLabels[strings.ToLower(key)] {
		return fmt.Errorf("label %q: every node has that one already; set the node's %s itself", key, strings.ToLower(key))
	}
	ok := key != "" && len(key) <= maxName
	for i, c := range []byte(key) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		ok = ok && (letter || i > 0 && (c >= '0' && c <= '9' || strings.IndexByte("-_./", c) >= 0))
	}
	if !ok {
		return fmt.Errorf("label %.80q: a label has letters, digits, `-`, `_`, `.` and `/`, begins with a letter, and has at most %d characters", key, maxName)
	}
	if value == "" {
		return fmt.Errorf("label %q is empty; give it a value", key)
	}
	return checkText(fmt.Sprintf("value of label %q", key), value, maxLabelValue)
}

// printable is the part of a text from a host's own file that is safe to show.
func printable(text string) string {
	return clip(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text))
}

// clip shortens what agents say for people, at a rune's boundary.
func clip(text string) string {
	if len(text) <= maxText {
		return text
	}
	cut := maxText
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut]
}
