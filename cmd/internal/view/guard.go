package view

import (
	"fmt"
	"io"
	"strings"

	"roster/cmd/internal/table"
	"roster/cmd/internal/word"
	v1 "roster/proto/roster/v1"
)

// Restraints is what keeps Roster from acting, in words that fit on the first
// line of status: what, until when, by whom and why.
func Restraints(s *v1.Status) (parts []string) {
	if freezes := s.GetFreezes(); len(freezes) > 0 {
		first := freezes[0]
		text := fmt.Sprintf("%s frozen until %s by %s", first.GetScope(), word.Time(first.GetExpires()), word.By(first.GetBy(), first.GetReason()))
		if more := len(freezes) - 1; more > 0 {
			text += fmt.Sprintf(", and %d more", more)
		}
		parts = append(parts, text)
	}
	if hold := s.GetHold(); hold != nil {
		parts = append(parts, fmt.Sprintf("holds since %s: %d of %d silent", word.Time(hold.GetSince()), hold.GetSilentCount(), hold.GetRegistered()))
	}
	return parts
}

// Freezes is one freeze a line.
func Freezes(w io.Writer, look Look, freezes []*v1.Freeze) error {
	t := look.table("FROZEN", "UNTIL", "SINCE", "BY", "ID", "WHY")
	for _, f := range freezes {
		t.Row(f.GetScope(), table.Paint(look.Paint.Warn, word.Time(f.GetExpires())), word.Time(f.GetSince()), word.Who(f.GetBy()), f.GetId(), f.GetReason())
	}
	return orNone(w, t, "Nothing is frozen.")
}

// Hold is whether Roster holds and why, and whether it may.
func Hold(w io.Writer, look Look, guard *v1.GetGuardResponse) error {
	var out strings.Builder
	hold := guard.GetHold()
	if hold == nil {
		out.WriteString("Roster does not hold.\n")
	} else {
		reason := hold.GetReason()
		if reason == "" {
			reason = fmt.Sprintf("%d of %d nodes are silent", hold.GetSilentCount(), hold.GetRegistered())
		}
		fmt.Fprintf(&out, "%s since %s: %s\n", look.Paint.Bold(look.Paint.Warn("HOLDING")), word.Time(hold.GetSince()), reason)
		does := "Only moves that restore a floor are made."
		if hold.GetSlow() {
			does = "hold_max has passed: one repair of each pool is made at a time."
		}
		look.sentences(&out, "", []string{
			does,
			fmt.Sprintf("Silent when it was judged last, %d of %d: %s.", hold.GetSilentCount(), hold.GetRegistered(), ids(hold.GetSilent())),
			"If they are really lost: `roster hold end --for 1h --reason TEXT`.",
		})
	}
	if o := guard.GetOverride(); o != nil {
		fmt.Fprintf(&out, "No hold begins until %s, by %s.\n", word.Time(o.GetExpires()), word.By(o.GetBy(), o.GetReason()))
	}
	return write(w, &out)
}
