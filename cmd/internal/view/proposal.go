package view

import (
	"fmt"
	"io"
	"strings"

	"google.golang.org/protobuf/proto"

	"roster/cmd/internal/table"
	"roster/cmd/internal/word"
	v1 "roster/proto/roster/v1"
)

func moves(plan *v1.Plan) (n int) {
	for _, wave := range plan.GetWaves() {
		n += len(wave.GetReseats()) + len(wave.GetMoves())
	}
	return n
}

func planState(state v1.PlanState) string {
	if state == v1.PlanState_PLAN_STATE_OFF {
		return "policy is off"
	}
	return word.Of(state)
}

func (l Look) planStyle(state v1.PlanState) func(string) string {
	switch state {
	case v1.PlanState_PLAN_STATE_APPROVED:
		return l.Paint.Good
	case v1.PlanState_PLAN_STATE_PENDING:
		return l.Paint.Warn
	default:
		return l.Paint.Dim
	}
}

// ProposedPlans is one plan that waits for a word, or got one, a line.
func ProposedPlans(w io.Writer, look Look, plans []*v1.ProposedPlan) error {
	t := look.table("PLAN", "FOR", "STATE", ">STARTS", ">STOPS", ">MOVES", "DECIDED BY")
	for _, p := range plans {
		summary := p.GetPlan().GetSummary()
		decided := word.None
		if p.GetBy() != "" {
			decided = word.By(p.GetBy(), p.GetReason())
		}
		t.Row(p.GetId(), word.Of(p.GetCause()), table.Paint(look.planStyle(p.GetState()), planState(p.GetState())),
			fmt.Sprint(summary.GetStarts()), fmt.Sprint(summary.GetStops()), fmt.Sprint(moves(p.GetPlan())), decided)
	}
	return orNone(w, t, "Nothing is proposed: Roster has nothing to do that policy leaves to you.")
}

// ProposedPlan is what it would do, wave by wave, and what became of it.
func ProposedPlan(w io.Writer, look Look, p *v1.ProposedPlan) error {
	var out strings.Builder
	fmt.Fprintf(&out, "%s  %s, %s\n", look.Paint.Bold("Plan "+p.GetId()), word.Of(p.GetCause()), look.planStyle(p.GetState())(planState(p.GetState())))
	if p.GetBy() != "" {
		fmt.Fprintf(&out, "Decided %s by %s\n", word.Time(p.GetTime()), word.By(p.GetBy(), p.GetReason()))
	}
	out.WriteByte('\n')
	plan := proto.CloneOf(p.GetPlan())
	if plan != nil {
		plan.Basis = "" // it is approved by its id
	}
	planBody(&out, look, &v1.PlanTopologyResponse{Plan: plan}, false)
	switch p.GetState() {
	case v1.PlanState_PLAN_STATE_PENDING:
		fmt.Fprintf(&out, "It waits for you: `roster plan approve %[1]s` or `roster plan reject %[1]s`.\n", p.GetId())
	case v1.PlanState_PLAN_STATE_OFF:
		fmt.Fprintf(&out, "Nobody carries it out: policy.%s is off.\n", word.Of(p.GetCause()))
	}
	return write(w, &out)
}
