package view

import (
	"fmt"
	"io"
	"strings"

	"roster/cmd/internal/table"
	"roster/cmd/internal/word"
	v1 "roster/proto/roster/v1"
)

// Simulate is what follows from losses, stage by stage.
func Simulate(w io.Writer, look Look, r *v1.SimulateResponse, wide bool) error {
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n", look.Paint.Bold("If "+lost(r.GetLoss())))
	if r.GetHold() != "" {
		look.sentences(&out, "", []string{look.Paint.Warn("Roster would hold: ") + r.GetHold()})
	}
	for i, stage := range r.GetStages() {
		title := stage.GetTitle()
		if d := stage.GetAfter(); d != nil && d.AsDuration() > 0 {
			title += ", " + word.Lasting(d.AsDuration()) + " after the loss"
		}
		fmt.Fprintf(&out, "\n%s\n", look.Paint.Bold(fmt.Sprintf("%d. %s", i+1, title)))
		waves(&out, look, "  ", stage.GetWaves(), wide)
		look.sentences(&out, "  ", stage.GetWaiting())
		out.WriteString(stageReady(look, stage).String())
	}
	if loss := r.GetLoss(); len(loss.GetServices()) > 0 {
		out.WriteString("\n" + look.Paint.Bold("What it comes down to") + "\n")
		t := look.table("SERVICE", ">READY AT ONCE", ">RECOVERED", ">FLOOR", "")
		t.Indent = "  "
		for _, s := range loss.GetServices() {
			t.Row(Where(s.GetService(), s.GetPart()), table.Paint(look.kept(s.GetReady(), min(s.GetBefore()+s.GetFloor(), 1)), fmt.Sprint(s.GetReady())),
				table.Paint(look.kept(s.GetRecovered(), s.GetFloor()), fmt.Sprint(s.GetRecovered())), fmt.Sprint(s.GetFloor()), verdict(s))
		}
		out.WriteString(t.String())
		for _, mend := range loss.GetMends() {
			look.sentences(&out, "  ", []string{"mend: " + mend})
		}
	}
	return write(w, &out)
}

// lost says what fails, with its verb.
func lost(l *v1.Loss) string {
	kind := map[v1.LossKind]string{v1.LossKind_LOSS_KIND_ZONE: "zone", v1.LossKind_LOSS_KIND_REGION: "region", v1.LossKind_LOSS_KIND_MEMBERS: "member"}[l.GetKind()]
	names := make([]string, len(l.GetLost()))
	for i, name := range l.GetLost() {
		switch {
		case kind != "":
			name = kind + " " + name
		case l.GetKind() == v1.LossKind_LOSS_KIND_UNSPECIFIED:
			name = strings.Replace(strings.TrimPrefix(name, "node:"), ":", " ", 1)
		}
		names[i] = name
	}
	switch n := len(names); n {
	case 0:
		return "nothing fails"
	case 1:
		return names[0] + " fails"
	default:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1] + " fail"
	}
}

func stageReady(look Look, stage *v1.Stage) *table.Table {
	t := look.table("SERVICE", ">READY", ">FLOOR")
	t.Indent = "  "
	for _, s := range stage.GetServices() {
		t.Row(Where(s.GetService(), s.GetPart()), table.Paint(look.kept(s.GetReady(), s.GetFloor()), fmt.Sprint(s.GetReady())), fmt.Sprint(s.GetFloor()))
	}
	return t
}

func (l Look) kept(ready, floor uint32) func(string) string {
	if ready < floor {
		return l.Paint.Bad
	}
	return l.Paint.Good
}

func verdict(s *v1.ServiceLoss) string {
	switch {
	case s.GetRecovered() < s.GetFloor():
		return "fatal"
	case silenced(s) && s.GetPart() == "":
		return "fatal at once"
	default:
		return ""
	}
}
