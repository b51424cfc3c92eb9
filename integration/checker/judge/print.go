package judge

import (
	"fmt"
	"io"
	"maps"
	"slices"
)

// Print writes the verdict for people.
func (v *Verdict) Print(w io.Writer) error {
	var failed error
	say := func(format string, a ...any) {
		if _, err := fmt.Fprintf(w, format+"\n", a...); err != nil && failed == nil {
			failed = fmt.Errorf("print the verdict: %w", err)
		}
	}
	say("watched %.1f s, %d dials, %d silences by command, %d by fault", v.Seconds, v.Dials, v.Commands, v.Faults)
	for _, service := range slices.Sorted(maps.Keys(v.Lowest)) {
		say("  %-14s lowest answering %d", service, v.Lowest[service])
	}
	for _, d := range v.Dips {
		begun := "no start was seen"
		if d.Begun >= 0 {
			begun = fmt.Sprintf("a start in flight after %.3f s", d.Begun)
		}
		say("  dip of %s: %.3f s from %.3f, lowest %d, floor %d, charged to %s; %s", scope{d.Service, d.Part}, d.To-d.From, d.From, d.Lowest, d.Floor, d.Charged, begun)
	}
	for _, violation := range v.Violations {
		say("VIOLATION %s", violation.Message)
	}
	for _, late := range v.Late {
		say("LATE %s", late.Message)
	}
	for _, u := range v.Unmet {
		say("UNMET %s", u)
	}
	if v.Broken() {
		say("verdict: broken")
	} else {
		say("verdict: held")
	}
	return failed
}
