package view

import (
	"fmt"
	"io"
	"strings"

	"roster/cmd/internal/table"
	"roster/cmd/internal/word"
	v1 "roster/proto/roster/v1"
)

// mostLosses is how many losses that cost a service are told one by one.
const mostLosses = 24

// Survive is what every loss would cost: the count by kind, then those that cost
// a service, with their mend.
func Survive(w io.Writer, look Look, r *v1.SurviveResponse) error {
	var out strings.Builder
	verdict := look.Paint.Good("Every loss that was looked at leaves each service a ready node at once, and its floor after failover.")
	switch {
	case len(r.GetUnkept()) > 0:
		verdict = look.Paint.Bad("What `survives` promises is not kept.")
	case len(r.GetFatalAtOnce())+len(r.GetFatal()) > 0:
		verdict = look.Paint.Warn("Some losses cost a service.")
	}
	out.WriteString(look.Paint.Bold(verdict) + "\n")
	look.sentences(&out, "", r.GetUnkept())
	out.WriteByte('\n')
	out.WriteString(lossCounts(look, r).String())
	if n, known := bearable(r.GetLosses()); known {
		fmt.Fprintf(&out, "Without a quorum nodes serve on and nothing is repaired: %s may be lost together.\n", word.Count(n, "member"))
	}
	if r.GetLeftOut() != "" {
		out.WriteString("Left out: " + r.GetLeftOut() + "\n")
	}
	losses(&out, look, "Fatal at once: no node is ready until failover has started one", r.GetFatalAtOnce(), true)
	losses(&out, look, "Fatal: under its floor even after failover and replace_after", r.GetFatal(), false)
	return write(w, &out)
}

// lossKinds are the kinds of losses in the order in which they are told.
var lossKinds = []v1.LossKind{
	v1.LossKind_LOSS_KIND_NODE, v1.LossKind_LOSS_KIND_NODES, v1.LossKind_LOSS_KIND_ZONE, v1.LossKind_LOSS_KIND_REGION, v1.LossKind_LOSS_KIND_MEMBERS,
}

func lossWord(kind v1.LossKind) string {
	switch kind {
	case v1.LossKind_LOSS_KIND_NODE:
		return "one node"
	case v1.LossKind_LOSS_KIND_NODES:
		return "two nodes"
	case v1.LossKind_LOSS_KIND_ZONE:
		return "a zone"
	case v1.LossKind_LOSS_KIND_REGION:
		return "a region"
	case v1.LossKind_LOSS_KIND_MEMBERS:
		return "members"
	default:
		return word.Of(kind)
	}
}

// lossCounts is how many losses of each kind there are, and how many are fatal.
func lossCounts(look Look, r *v1.SurviveResponse) *table.Table {
	count := func(all []*v1.Loss, kind v1.LossKind) (n uint32) {
		each := eachStands(all)
		for _, l := range all {
			switch {
			case l.GetKind() != kind:
			case each && kind != v1.LossKind_LOSS_KIND_MEMBERS:
				n++
			default:
				n += max(l.GetAlike(), 1)
			}
		}
		return n
	}
	t := look.table("LOSS OF", ">CASES", ">FATAL AT ONCE", ">FATAL")
	for _, kind := range lossKinds {
		cases := count(r.GetLosses(), kind)
		if cases == 0 {
			if kind == v1.LossKind_LOSS_KIND_NODES && r.GetLeftOut() != "" {
				t.Row(lossWord(kind), "left out", "", "")
			}
			continue
		}
		row := []any{lossWord(kind), fmt.Sprint(cases)}
		for _, bad := range []uint32{count(r.GetFatalAtOnce(), kind), count(r.GetFatal(), kind)} {
			style := look.Paint.Good
			if bad > 0 {
				style = look.Paint.Bad
			}
			row = append(row, table.Paint(style, fmt.Sprint(bad)))
		}
		t.Row(row...)
	}
	return t
}

// eachStands says whether every loss of nodes stands in a list by itself: then
// those that no rule tells apart stand there as often as there are such.
func eachStands(all []*v1.Loss) bool {
	type figures struct {
		kind  v1.LossKind
		alike uint32
	}
	seen := map[figures]uint32{}
	for _, l := range all {
		if l.GetKind() == v1.LossKind_LOSS_KIND_NODE || l.GetKind() == v1.LossKind_LOSS_KIND_NODES {
			seen[figures{l.GetKind(), l.GetAlike()}]++
		}
	}
	for f, n := range seen {
		if f.alike > 1 && n%f.alike != 0 {
			return false
		}
	}
	return true
}

// bearable is how many members may be lost together.
func bearable(all []*v1.Loss) (n int, known bool) {
	for _, l := range all {
		if l.GetKind() == v1.LossKind_LOSS_KIND_MEMBERS {
			known = true
			if l.GetQuorum() {
				n = max(n, len(l.GetLost()))
			}
		}
	}
	return n, known
}

func losses(out *strings.Builder, look Look, title string, all []*v1.Loss, atOnce bool) {
	if len(all) == 0 {
		return
	}
	out.WriteString("\n" + look.Paint.Bold(title) + "\n")
	each := eachStands(all)
	for i, l := range all {
		if i == mostLosses {
			fmt.Fprintf(out, "  %d more: -o json has them all\n", len(all)-i)
			break
		}
		text := lossName(l)
		if l.GetAlike() > 1 && !each {
			text += fmt.Sprintf(" (one of %d that no rule tells apart)", l.GetAlike())
		}
		if costs := lossCosts(l, atOnce); costs != "" {
			text += ": " + costs
		}
		look.sentences(out, "  ", []string{text})
		for _, mend := range l.GetMends() {
			look.sentences(out, "      ", []string{"mend: " + mend})
		}
	}
}

func lossName(l *v1.Loss) string {
	text := lossWord(l.GetKind()) + " " + strings.Join(l.GetLost(), " and ")
	switch l.GetKind() {
	case v1.LossKind_LOSS_KIND_NODE, v1.LossKind_LOSS_KIND_NODES:
		text = strings.Join(l.GetLost(), " and ")
	case v1.LossKind_LOSS_KIND_ZONE, v1.LossKind_LOSS_KIND_REGION:
		text = strings.TrimPrefix(text, "a ")
	default:
	}
	return text
}

// lossCosts are the services that a loss costs.
func lossCosts(l *v1.Loss, atOnce bool) string {
	if l.GetKind() == v1.LossKind_LOSS_KIND_MEMBERS && !l.GetQuorum() {
		return "no quorum is left; the nodes serve on, and nothing is repaired"
	}
	var parts []string
	for _, s := range l.GetServices() {
		name := Where(s.GetService(), s.GetPart())
		switch {
		case atOnce && silenced(s):
			parts = append(parts, fmt.Sprintf("no %s, %d after failover", name, s.GetRecovered()))
		case !atOnce && s.GetRecovered() < s.GetFloor():
			parts = append(parts, fmt.Sprintf("%s stays at %d of %d", name, s.GetRecovered(), s.GetFloor()))
		}
	}
	return strings.Join(parts, "; ")
}

// silenced: none is ready at once of what was ready before, or has to be.
func silenced(s *v1.ServiceLoss) bool {
	return s.GetReady() == 0 && s.GetBefore()+s.GetFloor() > 0
}
