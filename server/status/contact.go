package status

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	v1 "roster/proto/roster/v1"
)

// SilentAfter is how long a member may be quiet before it is called silent:
// longer than a start or an election takes.
const SilentAfter = 3 * time.Second

// Contact is what is known of one member: it answers, or is silent.
type Contact struct {
	Silent bool
	// For how long; 0: that is not known.
	For time.Duration
}

// Heard judges for how long a leader has not heard the others. The leader hears
// itself.
func Heard(leader string, silent map[string]time.Duration) map[string]Contact {
	out := map[string]Contact{leader: {}}
	for id, d := range silent {
		if d >= SilentAfter {
			out[id] = Contact{Silent: true, For: d}
		} else {
			out[id] = Contact{}
		}
	}
	return out
}

// Shown is a member's contact as it is shown.
func Shown(contacts map[string]Contact, id string) (v1.MemberState, *durationpb.Duration) {
	c, known := contacts[id]
	switch {
	case !known:
		return v1.MemberState_MEMBER_STATE_UNSPECIFIED, nil
	case !c.Silent:
		return v1.MemberState_MEMBER_STATE_UP, nil
	case c.For == 0:
		return v1.MemberState_MEMBER_STATE_SILENT, nil
	default:
		return v1.MemberState_MEMBER_STATE_SILENT, durationpb.New(c.For.Truncate(time.Second))
	}
}
