package view

import (
	"strings"

	"roster/fsm"
)

// NeedFlag is the flag of apply that says what a plan needs.
func NeedFlag(need string) string { return "--" + strings.ReplaceAll(need, "_", "-") }

// NeedWhy is why a plan needs it.
func NeedWhy(need string) string {
	switch need {
	case fsm.NeedAllowStop:
		return "it removes a service, or stops more than 20 % of the assignments"
	case fsm.NeedAcceptShortage:
		return "today's nodes cannot fill it"
	default:
		return "the members ask for it"
	}
}
