package view

import (
	"fmt"
	"slices"
	"strings"

	"roster/cmd/internal/table"
	"roster/cmd/internal/word"
	"roster/fsm/placement"
	v1 "roster/proto/roster/v1"
)

// mostMoves is how many moves of a wave are listed one by one before those that
// do the same are told in one line.
const mostMoves = 40

// waves are a plan's waves, one table each.
func waves(out *strings.Builder, look Look, indent string, all []*v1.Wave, wide bool) {
	for i, wave := range all {
		fmt.Fprintf(out, "%s%s\n", indent, look.Paint.Bold(fmt.Sprintf("Wave %d", i+1)))
		switch {
		case wide:
			wideMoves(out, look, indent, slices.Concat(wave.GetReseats(), wave.GetMoves()))
			readyTable(out, look, indent, wave.GetReady())
		default:
			shortMoves(out, look, indent, slices.Concat(wave.GetReseats(), wave.GetMoves()))
			readyLine(out, look, indent, wave)
		}
		out.WriteByte('\n')
	}
}

func shortMoves(out *strings.Builder, look Look, indent string, moves []*v1.Move) {
	t := look.table("ACTION", "SERVICE", "NODE", "POOL", "WHY")
	t.Indent = indent + "  "
	for _, same := range alike(moves) {
		m, nodes := same[0], make([]string, len(same))
		for i, move := range same {
			nodes[i] = move.GetNode()
		}
		why := m.GetReason()
		if len(same) > 1 {
			why += " (and so on: --wide tells of each)"
		}
		t.Row(action(look, m), m.GetService(), Fold(nodes), word.Or(m.GetPool()), why)
	}
	out.WriteString(t.String())
}

// alike groups the moves that differ by their node alone, where there are too
// many to read.
func alike(moves []*v1.Move) (groups [][]*v1.Move) {
	if len(moves) <= mostMoves {
		for _, m := range moves {
			groups = append(groups, []*v1.Move{m})
		}
		return groups
	}
	type kind struct {
		service, pool string
		action        v1.Action
		borrowed      bool
	}
	at := map[kind]int{}
	for _, m := range moves {
		k := kind{m.GetService(), m.GetPool(), m.GetAction(), m.GetBorrowed()}
		i, known := at[k]
		if !known {
			i = len(groups)
			at[k] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], m)
	}
	return groups
}

// Fold is ids in one short text: `node-1 … node-40, 40 nodes`.
func Fold(all []string) string {
	if len(all) == 1 {
		return all[0]
	}
	all = slices.SortedFunc(slices.Values(all), placement.Compare)
	return fmt.Sprintf("%s … %s, %s", all[0], all[len(all)-1], word.Count(len(all), "node"))
}

func wideMoves(out *strings.Builder, look Look, indent string, moves []*v1.Move) {
	t := look.table("ACTION", "SERVICE", "NODE", "POOL", "UP TO", "STEPS", "WAY BACK", "WHY")
	t.Indent = indent + "  "
	for _, m := range moves {
		upTo := word.None
		if d := m.GetDeadline(); d != nil {
			upTo = word.Lasting(d.AsDuration())
		}
		t.Row(action(look, m), m.GetService(), m.GetNode(), word.Or(m.GetPool()), upTo,
			word.Or(strings.Join(m.GetSteps(), "; ")), word.Or(m.GetWayBack()), m.GetReason())
	}
	out.WriteString(t.String())
}

// readyLine is what a wave leaves of the services that it touches.
func readyLine(out *strings.Builder, look Look, indent string, wave *v1.Wave) {
	touched, takes := map[string]bool{}, map[string]bool{}
	for _, m := range wave.GetMoves() {
		touched[m.GetService()] = true
		if m.GetAction() == v1.Action_ACTION_DRAIN || m.GetAction() == v1.Action_ACTION_STOP {
			takes[m.GetService()] = true
		}
	}
	var parts []string
	for _, r := range wave.GetReady() {
		// A part that stays as it is, with nothing taken from it, says nothing new.
		stays := r.GetCommitted() == r.GetSettled() && (r.GetCommitted() > r.GetFloor() || r.GetCommitted() == r.GetFloor() && !takes[r.GetService()])
		if !touched[r.GetService()] || r.GetPart() != "" && stays {
			continue
		}
		count := fmt.Sprint(r.GetCommitted())
		if r.GetSettled() != r.GetCommitted() {
			count += fmt.Sprintf(" → %d", r.GetSettled())
		}
		text := fmt.Sprintf("%s %s (floor %d)", Where(r.GetService(), r.GetPart()), count, r.GetFloor())
		if min(r.GetCommitted(), r.GetSettled()) < r.GetFloor() {
			text = look.Paint.Bad(text)
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		return
	}
	lead := indent + "  ready: "
	lines := flow(parts, max(look.Width-len(lead), 0))
	for i, line := range lines {
		if i > 0 {
			lead = strings.Repeat(" ", len(lead))
		}
		out.WriteString(lead + line + "\n")
	}
}

// flow puts parts with commas into lines of a width; 0: one line.
func flow(parts []string, width int) (lines []string) {
	line := ""
	for i, part := range parts {
		if i < len(parts)-1 {
			part += ","
		}
		switch {
		case line == "":
			line = part
		case width > 0 && table.Width(line)+1+table.Width(part) > width:
			lines = append(lines, line)
			line = part
		default:
			line += " " + part
		}
	}
	return append(lines, line)
}

func readyTable(out *strings.Builder, look Look, indent string, ready []*v1.ReadyCount) {
	t := look.table("READY", ">AT ONCE", ">WHEN DONE", ">FLOOR")
	t.Indent = indent + "  "
	for _, r := range ready {
		style := look.Paint.Good
		if min(r.GetCommitted(), r.GetSettled()) < r.GetFloor() {
			style = look.Paint.Bad
		}
		t.Row(Where(r.GetService(), r.GetPart()), table.Paint(style, fmt.Sprint(r.GetCommitted())),
			table.Paint(style, fmt.Sprint(r.GetSettled())), fmt.Sprint(r.GetFloor()))
	}
	out.WriteString(t.String())
}

// Where is a service, and the part of the nodes that is meant.
func Where(service, part string) string {
	if part == "" {
		return service
	}
	return service + " in " + part
}
