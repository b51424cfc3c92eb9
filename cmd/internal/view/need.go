package view

import (
	"strings"

	"roster/fsm"
)

// NeedAcceptGap is what an apply has to say where floors are broken on the way, in
// the words of its request.
const NeedAcceptGap = "accept_gap"

// NeedFlag is the flag of apply that says what a plan needs.
func NeedFlag(need string) string { return "--" + strings.ReplaceAll(need, "_", "-") }

// NeedWhy is why a plan needs it.
func NeedWhy(need string) string {
	switch need {
	case fsm.NeedAllowStop:
		return "it removes a service, or stops more than 20 % of the assignments"
	case fsm.NeedAcceptShortage:
		return "today's nodes cannot fill it"
	case NeedAcceptGap:
		return "a floor is broken on the way, in whatever order its pools are changed"
	default:
		return "the members ask for it"
	}
}
