// Package word owns how values are put into words for people: enums, states,
// times, counts. It knows the messages and nothing of tables. Pure, safe from
// any goroutine.
package word

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "roster/proto/roster/v1"
)

// None stands for a value that is not there.
const None = "-"

// Of is an enum's value in lower case without its prefix, words apart;
// unspecified is None.
func Of(value protoreflect.Enum) string {
	number := value.Number()
	if number == 0 {
		return None
	}
	described := value.Descriptor().Values().ByNumber(number)
	if described == nil {
		return fmt.Sprint(number)
	}
	name := string(described.Name())
	name = strings.TrimPrefix(name, prefix(string(value.Descriptor().Name())))
	return strings.ReplaceAll(strings.ToLower(name), "_", " ")
}

// prefix is what buf's lint makes every value of an enum begin with.
func prefix(enum string) string {
	var out strings.Builder
	for i, r := range enum {
		if i > 0 && unicode.IsUpper(r) {
			out.WriteByte('_')
		}
		out.WriteRune(unicode.ToUpper(r))
	}
	return out.String() + "_"
}

// State is the first words of status.
func State(state v1.StatusState) string {
	switch state {
	case v1.StatusState_STATUS_STATE_OK:
		return "OK"
	case v1.StatusState_STATUS_STATE_DEGRADED:
		return "DEGRADED, floors kept"
	case v1.StatusState_STATUS_STATE_HOLDING:
		return "HOLDING"
	case v1.StatusState_STATUS_STATE_FROZEN:
		return "FROZEN"
	case v1.StatusState_STATUS_STATE_FLOOR_BROKEN:
		return "FLOOR BROKEN"
	case v1.StatusState_STATUS_STATE_NO_QUORUM:
		return "NO QUORUM, nodes serve on"
	default:
		return "UNKNOWN"
	}
}

// Time is a moment in the reader's own time zone, to the second.
func Time(t *timestamppb.Timestamp) string {
	if t == nil {
		return None
	}
	return t.AsTime().Local().Format(time.DateTime)
}

// Who is a caller for people: the last part of an identity, which is a user's,
// a member's or an agent's name.
func Who(identity string) string {
	if i := strings.LastIndexByte(identity, '/'); i >= 0 && i+1 < len(identity) {
		return identity[i+1:]
	}
	return Or(identity)
}

// By is who did something and why, as `ann: new disk`.
func By(identity, reason string) string {
	if reason == "" {
		return Who(identity)
	}
	return Who(identity) + ": " + reason
}

// Silent is for how long somebody was not heard: `silent 12s`.
func Silent(d *durationpb.Duration) string {
	if d == nil {
		return "silent"
	}
	return "silent " + d.AsDuration().String()
}

// Lasting is a span of time without parts that are nothing: `1h30m`.
func Lasting(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// Clock is a moment of today.
func Clock(t *timestamppb.Timestamp) string {
	if t == nil {
		return "--:--:--"
	}
	return t.AsTime().Local().Format(time.TimeOnly)
}

// Count is a number with its noun: `1 node`, `2 nodes`.
func Count[N ~int | ~uint32 | ~uint64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// List is words with commas; None where there are none.
func List(words []string) string {
	if len(words) == 0 {
		return None
	}
	return strings.Join(words, ", ")
}

// Or is the text, or None where it is empty.
func Or(text string) string {
	if text == "" {
		return None
	}
	return text
}
