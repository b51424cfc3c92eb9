package view

import (
	"fmt"
	"strings"

	v1 "roster/proto/roster/v1"
)

// gaps are what a plan breaks on the way; they stand first.
func gaps(out *strings.Builder, look Look, all []*v1.Gap) {
	if len(all) == 0 {
		return
	}
	out.WriteString(look.Paint.Bad("Floors are broken on the way:") + "\n")
	for _, g := range all {
		text := fmt.Sprintf("wave %d leaves %s with %d of %d ready", g.GetWave(), Where(g.GetService(), g.GetPart()), g.GetReady(), g.GetFloor())
		if g.GetReason() != "" {
			text += ": " + g.GetReason()
		}
		look.sentences(out, "  ", []string{text})
	}
	out.WriteString("  Add a node that can run it meanwhile, or lower the floor for the change, or accept it with " + NeedFlag(NeedAcceptGap) + ".\n\n")
}

// conflicts are why today's nodes cannot fill a topology, with the lines that
// are in each other's way.
func conflicts(out *strings.Builder, look Look, all []*v1.Conflict) {
	for _, c := range all {
		out.WriteString(look.Paint.Bad("Conflict: ") + c.GetReason() + "\n")
		t := look.table("LINE", "RULE", "SAYS")
		t.Indent = "  "
		for _, r := range c.GetRules() {
			line := "-"
			if r.GetLine() > 0 {
				line = fmt.Sprint(r.GetLine())
			}
			t.Row(line, r.GetPath(), r.GetText())
		}
		out.WriteString(t.String())
		if len(c.GetRules()) > 1 {
			out.WriteString("  Change any one of them, and the others can be kept.\n")
		}
		out.WriteByte('\n')
	}
}

// spreads are how good a spread is where that is not certain.
func spreads(out *strings.Builder, look Look, all []*v1.SpreadBound) {
	for _, s := range all {
		if s.GetSum() == s.GetBound() {
			fmt.Fprintf(out, "%s pool %s over %s is the best there is.\n", look.Paint.Dim("Spread:"), s.GetPool(), s.GetKey())
			continue
		}
		fmt.Fprintf(out, "%s pool %s over %s has a sum of squares of %d; no choice has less than %d.\n",
			look.Paint.Dim("Spread:"), s.GetPool(), s.GetKey(), s.GetSum(), s.GetBound())
	}
}
