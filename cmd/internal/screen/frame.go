package screen

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"roster/cmd/internal/paint"
	"roster/cmd/internal/table"
	"roster/cmd/internal/view"
	"roster/cmd/internal/word"
	v1 "roster/proto/roster/v1"
)

// Frame is what is drawn at one moment.
type Frame struct {
	// Status of the cluster; nil while none was read yet.
	Status *v1.Status
	// Events, oldest first; the newest that fit are drawn.
	Events []*v1.Event
	// Notes stand under the picture, as where the API listens.
	Notes []string
	// Trouble is why the status could not be read anew; empty: it was.
	Trouble string
}

// Size of what a frame is drawn on, in columns and lines.
type Size struct {
	Columns, Lines int
}

// Render is the frame as lines, none of them longer than the size's columns
// and no more of them than its lines.
func Render(frame Frame, size Size, p paint.Paint) []string {
	look := view.Look{Paint: p, Width: size.Columns}
	top := head(frame, look)
	notes := foot(frame, look)

	// The grid comes first, then at least four events, then the rest of them.
	events := min(len(frame.Events), 4)
	room := size.Lines - len(top) - len(notes) - 2
	if events > 0 {
		room -= events + 1
	}
	lines := append(top, grid(frame.Status, look, max(room, 4))...)

	if left := size.Lines - len(lines) - len(notes) - 1; len(frame.Events) > 0 && left > 1 {
		lines = append(lines, rule(look, "events"))
		newest := frame.Events[max(0, len(frame.Events)-min(left-1, mostEvents)):]
		for _, event := range newest {
			lines = append(lines, eventLine(look, event))
		}
	}
	lines = append(lines, notes...)
	lines = lines[:min(len(lines), max(size.Lines, 1))]
	for i, line := range lines {
		lines[i] = table.Cut(line, size.Columns)
	}
	return lines
}

// eventLine is an event in a line; where it is narrow the sentence matters more
// than the kind.
func eventLine(look view.Look, event *v1.Event) string {
	line := " " + look.Paint.Dim(word.Clock(event.GetTime())) + " "
	if look.Width < 110 {
		return line + look.EventStyle(event)("▪") + " " + view.EventText(event)
	}
	return line + " " + view.EventKind(look, event) + " " + view.EventText(event)
}

// mostEvents is how many events are drawn where there is room for more.
const mostEvents = 10

// head is the first word, the topology, what is the matter, and the members.
func head(frame Frame, look view.Look) []string {
	p, s := look.Paint, frame.Status
	if s == nil {
		lines := []string{p.Bold(" ROSTER") + "  " + p.Dim("waiting for the first status")}
		return append(troubled(lines, frame, look), rule(look, ""))
	}
	title := p.Banner(look.StateStyle(s.GetState()), word.State(s.GetState()))
	if topology := s.GetTopology(); topology != nil {
		title += "  " + p.Bold(topology.GetName()) + p.Dim(fmt.Sprintf(" r%d", topology.GetRevision()))
		if s.GetSettled() {
			title += "  " + p.Good("settled")
		} else {
			title += "  " + p.Warn("not settled")
		}
	} else {
		title += "  " + p.Dim("no topology yet")
	}
	if s.GetStale() {
		title += "  " + p.Warn("stale")
	}
	right := s.GetCluster() + " " + word.Clock(s.GetTime())
	lines := []string{" " + justify(title, p.Dim(right), look.Width-2)}

	var members []string
	ordered := slices.Clone(s.GetMembers())
	slices.SortStableFunc(ordered, func(a, b *v1.StatusMember) int { return strings.Compare(a.GetName(), b.GetName()) })
	for _, member := range ordered {
		name := member.GetName()
		if name == "" {
			name = member.GetId()
		}
		switch {
		case member.GetState() == v1.MemberState_MEMBER_STATE_SILENT:
			members = append(members, p.Warn("○ "+name+" "+word.Silent(member.GetSilent())))
		case member.GetLeader():
			members = append(members, p.Note("★ "+name+" "+member.GetAddress()))
		case member.GetVoter():
			members = append(members, p.Dim("● ")+name+p.Dim(" "+member.GetAddress()))
		default:
			members = append(members, p.Warn("◌ "+name+" joining"))
		}
	}
	if len(members) > 0 {
		lines = append(lines, flow(" members ", members, look.Width)...)
	}
	for _, restraint := range view.Restraints(s) {
		for _, part := range table.Wrap(restraint, max(look.Width-2, 20)) {
			lines = append(lines, " "+p.Warn(part))
		}
	}
	if rollout := view.RolloutLine(look, s.GetRollout()); rollout != "" {
		lines = append(lines, p.Dim(" rollout ")+rollout)
	}
	for _, sentence := range firstFew(s.GetSentences(), 4) {
		for i, part := range table.Wrap(word.Sentence(sentence), max(look.Width-4, 20)) {
			lead := "   "
			if i == 0 {
				lead = " • "
			}
			lines = append(lines, look.StateStyle(s.GetState())(lead)+part)
		}
	}
	return append(troubled(lines, frame, look), rule(look, ""))
}

// troubled adds why the status could not be read.
func troubled(lines []string, frame Frame, look view.Look) []string {
	if frame.Trouble == "" {
		return lines
	}
	for _, part := range table.Wrap(frame.Trouble, max(look.Width-2, 20)) {
		lines = append(lines, " "+look.Paint.Bad(part))
	}
	return lines
}

// firstFew keeps a screen from being all sentences.
func firstFew(sentences []string, most int) []string {
	if len(sentences) <= most {
		return sentences
	}
	return append(slices.Clone(sentences[:most]), fmt.Sprintf("%d more: `roster status`", len(sentences)-most))
}

// foot is the legend's end and the notes.
func foot(frame Frame, look view.Look) []string {
	var lines []string
	if len(frame.Notes) > 0 {
		lines = append(lines, rule(look, ""))
	}
	for _, note := range frame.Notes {
		for _, part := range table.Wrap(note, max(look.Width-2, 20)) {
			lines = append(lines, " "+look.Paint.Dim(part))
		}
	}
	return lines
}

// rule is a line across, with a word in it.
func rule(look view.Look, name string) string {
	line := strings.Repeat("─", max(look.Width-2, 0))
	if name != "" {
		line = "─ " + name + " " + strings.Repeat("─", max(look.Width-len(name)-5, 0))
	}
	return " " + look.Paint.Dim(line)
}

// justify puts left and right at both ends of a line; right goes first where
// there is no room.
func justify(left, right string, width int) string {
	space := width - table.Width(left) - table.Width(right)
	if space < 1 {
		return left
	}
	return left + strings.Repeat(" ", space) + right
}

// flow puts items behind a head, in as many lines as they need.
func flow(lead string, items []string, width int) []string {
	var lines []string
	line := lead
	for i, item := range items {
		if i > 0 && table.Width(line)+table.Width(item)+3 > width {
			lines = append(lines, line)
			line = strings.Repeat(" ", table.Width(lead))
		} else if i > 0 {
			line += "   "
		}
		line += item
	}
	return append(lines, line)
}

// services that any node is wanted to serve or a floor is kept for, sorted.
func services(s *v1.Status) []string {
	return slices.Sorted(maps.Keys(s.GetServices()))
}
