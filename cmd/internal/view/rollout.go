package view

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"roster/cmd/internal/word"
	v1 "roster/proto/roster/v1"
)

// mostWaiting is how much of what a rollout waits for is told.
const mostWaiting = 20

// Rollout is the operator's last order and how far it is.
func Rollout(w io.Writer, look Look, r *v1.Rollout) error {
	var out strings.Builder
	if r.GetState() == v1.RolloutState_ROLLOUT_STATE_UNSPECIFIED {
		out.WriteString("Nothing was ordered yet: `roster topology apply -f FILE` does.\n")
		return write(w, &out)
	}
	out.WriteString(look.Paint.Bold("Rollout") + " " + rolloutHead(look, r) + "\n")
	var sentences []string
	if r.GetWalkedBack() != "" {
		sentences = append(sentences, r.GetWalkedBack())
	}
	if r.GetFromRevision() != 0 && r.GetState() != v1.RolloutState_ROLLOUT_STATE_DONE {
		sentences = append(sentences, fmt.Sprintf("It came from revision %d: `roster rollout abort` goes back there.", r.GetFromRevision()))
	}
	sentences = append(sentences, canary(r.GetCanary())...)
	if r.GetAcceptGap() {
		sentences = append(sentences, "Floors may be broken on the way: the operator accepted it.")
	}
	waits := r.GetWaiting()
	if more := len(waits) - mostWaiting; more > 0 {
		waits = append(slices.Clone(waits[:mostWaiting]), fmt.Sprintf("%d more: -o json has them all", more))
	}
	sentences = append(sentences, waits...)
	if r.GetPause() != nil {
		sentences = append(sentences, "`roster rollout resume` lets it go on.")
	}
	look.sentences(&out, "  ", sentences)
	return write(w, &out)
}

// RolloutLine is a rollout in a few words; empty: nothing is under way.
func RolloutLine(look Look, r *v1.Rollout) string {
	switch r.GetState() {
	case v1.RolloutState_ROLLOUT_STATE_UNSPECIFIED, v1.RolloutState_ROLLOUT_STATE_DONE:
		return ""
	default:
		return rolloutHead(look, r)
	}
}

func rolloutHead(look Look, r *v1.Rollout) string {
	style := look.Paint.Note
	text := word.Of(r.GetState())
	switch r.GetState() {
	case v1.RolloutState_ROLLOUT_STATE_DONE:
		style = look.Paint.Good
	case v1.RolloutState_ROLLOUT_STATE_PAUSED:
		style = look.Paint.Warn
		p := r.GetPause()
		by := word.Who(p.GetBy())
		if p.GetBy() == "" {
			by = "Roster"
		}
		text += fmt.Sprintf(" since %s by %s", word.Time(p.GetTime()), by)
		if p.GetReason() != "" {
			text += ": " + p.GetReason()
		}
	case v1.RolloutState_ROLLOUT_STATE_ABORTING:
		style = look.Paint.Warn
		text = "aborting, back to what it began with"
	case v1.RolloutState_ROLLOUT_STATE_CANARY:
		if until := r.GetCanary().GetUntil(); until != nil {
			text += " until " + word.Time(until)
		}
	default:
	}
	text = style(text) + fmt.Sprintf(" · revision %d", r.GetRevision())
	if r.GetStarts()+r.GetStops() > 0 {
		text += fmt.Sprintf(" · %s and %s left", word.Count(r.GetStarts(), "start"), word.Count(r.GetStops(), "stop"))
	}
	return text
}

func canary(c *v1.Canary) (sentences []string) {
	switch {
	case c == nil:
		return nil
	case c.GetFailure() != "":
		return []string{"The canary failed: " + c.GetFailure()}
	case len(c.GetNodes()) == 0:
		return []string{"It begins with a few nodes of each pool, and the rest waits for them."}
	}
	text := "First go " + ids(c.GetNodes())
	switch {
	case c.GetUntil() != nil:
		text += fmt.Sprintf(": well since %s, the rest follows at %s.", word.Time(c.GetWellSince()), word.Time(c.GetUntil()))
	default:
		text += ": the rest follows when they have been well for a while."
	}
	return []string{text}
}

// survival is what the cluster would survive, in a line and those losses that it
// would not.
func survival(look Look, s *v1.Survival) (line string, sentences []string) {
	if s == nil {
		return "", nil
	}
	say := func(ok bool, what string) string {
		if ok {
			return look.Paint.Good("any " + what)
		}
		return look.Paint.Warn("not every " + what)
	}
	line = strings.Join([]string{say(s.GetAnyNode(), "node"), say(s.GetAnyZone(), "zone"), say(s.GetAnyRegion(), "region"), word.Count(s.GetMembers(), "member")}, ", ")
	// Promises that are not kept are among the sentences of the status.
	return line, s.GetFatal()
}
