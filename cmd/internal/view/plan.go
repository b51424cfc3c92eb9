package view

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"roster/cmd/internal/table"
	"roster/cmd/internal/word"
	v1 "roster/proto/roster/v1"
)

// Plan is what a plan would do, wave by wave: before it what it breaks and what
// differs in the topology, after it what it comes down to.
func Plan(w io.Writer, look Look, response *v1.PlanTopologyResponse) error {
	var out strings.Builder
	planBody(&out, look, response, false)
	return write(w, &out)
}

// WidePlan is Plan with the steps, the deadline and the way back of every move,
// and what every step leaves ready.
func WidePlan(w io.Writer, look Look, response *v1.PlanTopologyResponse) error {
	var out strings.Builder
	planBody(&out, look, response, true)
	return write(w, &out)
}

func planBody(out *strings.Builder, look Look, response *v1.PlanTopologyResponse, wide bool) {
	plan := response.GetPlan()
	gaps(out, look, plan.GetGaps())
	if len(response.GetChanges()) > 0 {
		out.WriteString(look.Paint.Bold("Topology") + "\n")
		changes(out, look, response.GetChanges())
		out.WriteByte('\n')
	}
	waves(out, look, "", plan.GetWaves(), wide)
	conflicts(out, look, plan.GetConflicts())
	for _, shortage := range plan.GetShortages() {
		lead := "Short: "
		if waiting(shortage) {
			lead = "Waiting: "
		}
		out.WriteString(look.Paint.Warn(lead) + Shortage(shortage) + "\n")
	}
	for _, notice := range plan.GetNotices() {
		out.WriteString(look.Paint.Warn("Mind: ") + notice + "\n")
	}
	spreads(out, look, plan.GetSpreads())
	if unkept := plan.GetUnkept(); len(unkept) > 0 {
		out.WriteString(look.Paint.Bad("What it promises and would not keep:") + "\n")
		look.sentences(out, "  ", unkept)
	}
	out.WriteString(planSummary(look, response) + "\n")
	for _, need := range plan.GetNeeds() {
		out.WriteString(look.Paint.Warn("Apply needs "+NeedFlag(need)) + ": " + NeedWhy(need) + ".\n")
	}
	if len(plan.GetUnkept()) > 0 {
		out.WriteString(look.Paint.Bad("Apply refuses it") + ": it would not keep what it promises.\n")
	}
}

func action(look Look, move *v1.Move) table.Styled {
	switch a := move.GetAction(); a {
	case v1.Action_ACTION_START:
		if move.GetBorrowed() {
			return table.Paint(look.Paint.Good, "+ borrow")
		}
		return table.Paint(look.Paint.Good, "+ start")
	case v1.Action_ACTION_DRAIN:
		return table.Paint(look.Paint.Warn, "~ drain")
	case v1.Action_ACTION_STOP:
		return table.Paint(look.Paint.Bad, "- stop")
	case v1.Action_ACTION_UNDRAIN:
		return table.Paint(look.Paint.Good, "+ undrain")
	case v1.Action_ACTION_RESEAT:
		if move.GetBorrowed() {
			return table.Paint(nil, "= unseat")
		}
		return table.Paint(nil, "= reseat")
	default:
		return table.Paint(nil, word.Of(a))
	}
}

// waiting: it is what a plan comes to a halt at, and no pool or service is
// short.
func waiting(s *v1.Shortage) bool { return s.GetPool() == "" && s.GetService() == "" }

// Shortage is a shortage in a sentence.
func Shortage(s *v1.Shortage) string {
	// The placement's own sentence names the pool and the numbers already.
	if says := strings.TrimPrefix(s.GetReason(), "pool "+s.GetPool()+" "); waiting(s) || s.GetPool() != "" && (strings.HasPrefix(says, "wants ") || strings.HasPrefix(says, "names ")) {
		return s.GetReason()
	}
	what := "pool " + s.GetPool()
	if s.GetPool() == "" {
		what = "service " + Where(s.GetService(), s.GetPart())
	}
	text := fmt.Sprintf("%s gets %d of %d nodes", what, s.GetGot(), s.GetWanted())
	if s.GetReason() != "" {
		text += ": " + s.GetReason()
	}
	return text
}

func planSummary(look Look, response *v1.PlanTopologyResponse) string {
	plan := response.GetPlan()
	if len(plan.GetWaves()) == 0 {
		if len(response.GetChanges()) == 0 {
			return "Nothing to change."
		}
		return "Nothing starts, nothing stops."
	}
	summary := plan.GetSummary()
	text := fmt.Sprintf("%s, %s, in %s. ", word.Count(summary.GetStarts(), "start"), word.Count(summary.GetStops(), "stop"),
		word.Count(len(plan.GetWaves()), "wave"))
	if plan.GetGapless() {
		text += look.Paint.Good("No service falls below its floor.")
	} else {
		text += look.Paint.Bad("A service falls below its floor on the way.")
	}
	if lowest := plan.GetLowestReady(); len(lowest) > 0 {
		var parts []string
		for _, service := range slices.Sorted(maps.Keys(lowest)) {
			parts = append(parts, fmt.Sprintf("%s %d", service, lowest[service]))
		}
		text += "\nFewest ready on the way: " + strings.Join(parts, ", ") + "."
	}
	if plan.GetBasis() != "" {
		text += "\n" + look.Paint.Dim("Basis: "+plan.GetBasis())
	}
	return text
}

// Changes is what differs between two topologies.
func Changes(w io.Writer, look Look, all []*v1.TopologyChange) error {
	var out strings.Builder
	if len(all) == 0 {
		out.WriteString("No difference.\n")
	}
	changes(&out, look, all)
	return write(w, &out)
}

func changes(out *strings.Builder, look Look, all []*v1.TopologyChange) {
	for _, change := range all {
		before, after := change.GetBefore(), change.GetAfter()
		switch {
		case before == "":
			fmt.Fprintf(out, "  %s\n", look.Paint.Good("+ "+change.GetPath()+": "+after))
		case after == "":
			fmt.Fprintf(out, "  %s\n", look.Paint.Bad("- "+change.GetPath()+": "+before))
		default:
			fmt.Fprintf(out, "  %s\n", look.Paint.Warn("~ "+change.GetPath()+": "+before+" → "+after))
		}
	}
}
