package topology

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
)

// units of a duration, the longest first, in milliseconds. A file has no finer
// ones, and no days: a day is not always 24 hours.
var units = []struct {
	name   string
	millis int64
}{{"h", 3_600_000}, {"m", 60_000}, {"s", 1_000}, {"ms", 1}}

// maxMillis is the longest duration that is read: about eleven years. Rules
// bound each key far below it; this keeps the arithmetic far from overflow.
const maxMillis = 100_000 * 3_600_000

func (r *reader) duration(n ast.Node) (v protoreflect.Value, ok bool) {
	w, ok := r.take(n, "a duration, as 90s or 1h30m")
	if !ok {
		return v, false
	}
	if millis, ok := parseMillis(w.text); ok {
		return protoreflect.ValueOfMessage(fromMillis(millis).ProtoReflect()), true
	}
	message, mend := durationFault(w.text)
	r.refuse(ruleDuration, w.at, message, mend)
	return v, false
}

// parseMillis reads whole numbers with a unit each, longer units first.
func parseMillis(text string) (int64, bool) {
	total := int64(0)
	next := 0 // the first unit that may still follow
	if text == "" {
		return 0, false
	}
	for text != "" {
		digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
		value, err := strconv.ParseInt(text[:digits], 10, 64)
		if err != nil || (digits > 1 && text[0] == '0') {
			return 0, false
		}
		text = text[digits:]
		letters := len(text) - len(strings.TrimLeft(text, "hms"))
		found := false
		for i := next; i < len(units) && !found; i++ {
			if units[i].name == text[:letters] {
				if value > maxMillis/units[i].millis {
					return 0, false
				}
				total += value * units[i].millis
				next, found = i+1, true
			}
		}
		if !found || total > maxMillis {
			return 0, false
		}
		text = text[letters:]
	}
	return total, true
}

// durationFault says what is wrong with a text that is no duration.
func durationFault(text string) (message, mend string) {
	message = fmt.Sprintf("this takes a duration, as 90s or 1h30m, not %s", show(text))
	mend = "write whole numbers with the units h, m, s and ms, longer ones first"
	bare := strings.ToLower(strings.ReplaceAll(text, " ", ""))
	if _, ok := parseMillis(bare); ok {
		return message, fmt.Sprintf("write %s", bare)
	}
	if wholeNumber.MatchString(text) && !strings.HasPrefix(text, "-") {
		return fmt.Sprintf("a duration needs a unit: %s", shorten(text)), fmt.Sprintf("write %ss for seconds, or %sm for minutes", shorten(text), shorten(text))
	}
	if strings.HasPrefix(text, "-") {
		return message, "a duration is never negative"
	}
	if days, found := strings.CutSuffix(bare, "d"); found {
		if n, err := strconv.ParseInt(days, 10, 16); err == nil && n > 0 {
			return message, fmt.Sprintf("write %dh: days are not read", n*24)
		}
	}
	for _, u := range units {
		digits, found := strings.CutSuffix(bare, u.name)
		if f, err := strconv.ParseFloat(digits, 64); found && err == nil && f > 0 && f < 100_000 && strings.Contains(digits, ".") {
			return message, fmt.Sprintf("write %s: whole numbers only", formatDuration(fromMillis(int64(f*float64(u.millis)))))
		}
	}
	return message, mend
}

func fromMillis(millis int64) *durationpb.Duration {
	return &durationpb.Duration{Seconds: millis / 1000, Nanos: int32(millis % 1000 * 1_000_000)}
}

// toMillis returns a duration that a file can say; ok is false where it cannot:
// negative, finer than a millisecond, or too long.
func toMillis(d *durationpb.Duration) (millis int64, ok bool) {
	if d.GetSeconds() < 0 || d.GetNanos() < 0 || d.GetNanos() >= 1e9 || d.GetNanos()%1_000_000 != 0 || d.GetSeconds() > maxMillis/1000 {
		return 0, false
	}
	return d.GetSeconds()*1000 + int64(d.GetNanos()/1_000_000), true
}

// formatDuration writes a duration as a file says it.
func formatDuration(d *durationpb.Duration) string {
	rest, _ := toMillis(d)
	if rest == 0 {
		return "0s"
	}
	var b strings.Builder
	for _, u := range units {
		if n := rest / u.millis; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			rest -= n * u.millis
		}
	}
	return b.String()
}
