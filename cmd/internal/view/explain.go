package view

import (
	"fmt"
	"io"
	"strings"

	"roster/cmd/internal/table"
	"roster/cmd/internal/word"
	v1 "roster/proto/roster/v1"
)

// Explain is why a service is on a node, or why it is not.
func Explain(w io.Writer, look Look, service, node string, r *v1.ExplainResponse) error {
	var out strings.Builder
	head := look.Paint.Warn("not wanted there")
	switch {
	case r.GetBorrowed():
		head = look.Paint.Good("wanted there, borrowed for pool " + word.Or(r.GetPool()))
	case r.GetWanted():
		head = look.Paint.Good("wanted there, for pool " + word.Or(r.GetPool()))
	}
	fmt.Fprintf(&out, "%s %s\n", look.Paint.Bold(service+" on "+node+":"), head)
	for _, line := range []struct{ lead, text string }{{"Why: ", r.GetReason()}, {"Now: ", r.GetPresent()}} {
		if line.text == "" {
			continue
		}
		parts := []string{line.text}
		if look.Width > 30 {
			parts = table.Wrap(line.text, look.Width-2-len(line.lead))
		}
		for i, part := range parts {
			lead := look.Paint.Dim(line.lead)
			if i > 0 {
				lead = strings.Repeat(" ", len(line.lead))
			}
			out.WriteString("  " + lead + part + "\n")
		}
	}
	t := look.table("NOT FOR POOL", "BECAUSE")
	t.Indent = "  "
	for _, a := range r.GetAlternatives() {
		t.Row(a.GetPool(), a.GetReason())
	}
	section(&out, t)
	return write(w, &out)
}
