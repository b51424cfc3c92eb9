package rpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/fsm/placement"
	"roster/fsm/topology"
	"roster/server/rpc/auth"
	"roster/server/rpc/problem"
)

// proposal is a topology that is not in force, or that is: what it says, the file
// as it was written, and the file's name.
type proposal struct {
	topology *v1.Topology
	source   []byte
	fileName string
}

// needAcceptGap is what an apply has to say where floors cannot be kept on the
// way; see fsm.Needs for the others.
const needAcceptGap = "accept_gap"

// planFor is the real planner on the real state, under another topology. What is
// shown, what is applied and what is only asked about are planned by it.
func planFor(state *fsm.State, p proposal) (*v1.Plan, error) {
	now := timeOf(state)
	wanted := p.topology
	if wanted == inForce(state) {
		wanted = nil // what is still to be done
	}
	plan, err := fsm.Hypothetical(state, state.Effective(), now).Plan(wanted)
	if err != nil {
		return nil, planFault(err)
	}
	plan.Basis = state.Basis(p.topology)
	plan.Revision = state.Topology().GetRevision()
	topology.Lines(p.fileName, p.source).Mark(plan.GetConflicts())
	if plan.Needs, err = needs(state, p, plan, now); err != nil {
		return nil, err
	}
	return plan, nil
}

func planFault(err error) error {
	if errors.Is(err, placement.ErrImpossible) {
		return problem.New(codes.FailedPrecondition, problem.Conflict, "%s", err.Error())
	}
	return toStatus(err)
}

func needs(state *fsm.State, p proposal, plan *v1.Plan, now time.Time) ([]string, error) {
	if sameAsInForce(state, p) {
		return nil, nil
	}
	effective := topology.Effective(p.topology)
	target, err := placement.Place(fsm.Placement(state, effective, now))
	if err != nil {
		return nil, planFault(err)
	}
	words := fsm.Needs(state, p.topology, p.source, effective, target)
	if len(plan.GetGaps()) > 0 {
		words = append(words, needAcceptGap)
	}
	return words, nil
}

// sameAsInForce: applying it makes no revision.
func sameAsInForce(state *fsm.State, p proposal) bool {
	force := state.Topology()
	return proto.Equal(force.GetTopology(), p.topology) && bytes.Equal(force.GetSource(), p.source)
}

// foreseen refuses what only a plan can tell, before it is proposed: a shortage
// with the rules that it comes from, floors that cannot be kept on the way, and
// promises that would not be kept. Apply runs no plans. What it refuses for other
// reasons is left to it, and so is a request that was answered before: the plan
// is another one by now.
func foreseen(ctx context.Context, state *fsm.State, requestID string, c *storev1.ApplyTopology, p proposal) error {
	if state.Answered(auth.Caller(ctx).URI(), requestID) != nil || sameAsInForce(state, p) || outdated(state, c, p) {
		return nil
	}
	plan, err := planFor(state, p)
	switch {
	case err != nil:
		return err
	case slices.Contains(plan.GetNeeds(), fsm.NeedAcceptShortage) && !c.GetAcceptShortage():
		return problem.New(codes.FailedPrecondition, problem.Shortage, "today's nodes cannot fill it: %s; %s, or use --accept-shortage",
			strings.TrimRight(shortageSentence(p.fileName, plan), "."), fsm.ShortageMend(state, topology.Effective(p.topology), timeOf(state)))
	case len(plan.GetUnkept()) > 0:
		return problem.New(codes.FailedPrecondition, problem.Survives, "it promises under `survives` what would not be true: %s; mend that, or promise less",
			strings.TrimRight(first(plan.GetUnkept(), "; "), "."))
	case len(plan.GetGaps()) > 0 && !c.GetAcceptGap():
		return problem.New(codes.FailedPrecondition, problem.NeedsAcceptGap, "floors cannot be kept on the way: %s; `roster topology plan` shows each step, and if that is meant, it needs --accept-gap",
			strings.TrimRight(gapSentence(plan), "."))
	}
	return nil
}

// outdated: it was decided on another state, which Apply says best.
func outdated(state *fsm.State, c *storev1.ApplyTopology, p proposal) bool {
	return c.ExpectedRevision != nil && c.GetExpectedRevision() != state.Topology().GetRevision() ||
		c.GetBasis() != "" && c.GetBasis() != state.Basis(p.topology)
}

// mostNamed bounds what one refusal names; the plan has it all.
const mostNamed = 3

func first(sentences []string, between string) string {
	if n := len(sentences); n > mostNamed {
		return fmt.Sprintf("%s%sand %d more", strings.Join(sentences[:mostNamed], between), between, n-mostNamed)
	}
	return strings.Join(sentences, between)
}

// shortageSentence says which rules are in each other's way, where that is known,
// else what is short.
func shortageSentence(file string, plan *v1.Plan) string {
	var sentences []string
	for _, c := range plan.GetConflicts() {
		var rules []string
		for _, r := range c.GetRules() {
			rules = append(rules, ruleWords(file, r))
		}
		sentences = append(sentences, fmt.Sprintf("%s (%s)", strings.TrimRight(c.GetReason(), "."), strings.Join(rules, "; ")))
	}
	if len(sentences) == 0 {
		for _, s := range plan.GetShortages() {
			sentences = append(sentences, strings.TrimRight(s.GetReason(), "."))
		}
	}
	return first(sentences, "; ")
}

// ruleWords is a rule with the place where it stands: `imap.yaml:4: …`.
func ruleWords(file string, r *v1.Rule) string {
	switch {
	case r.GetLine() != 0 && file != "":
		return fmt.Sprintf("%s:%d: %s: %s", file, r.GetLine(), r.GetPath(), r.GetText())
	case r.GetLine() != 0:
		return fmt.Sprintf("line %d: %s: %s", r.GetLine(), r.GetPath(), r.GetText())
	case r.GetPath() != "":
		return r.GetPath() + ": " + r.GetText()
	}
	return r.GetText()
}

func gapSentence(plan *v1.Plan) string {
	var sentences []string
	for _, g := range plan.GetGaps() {
		where := ""
		if g.GetPart() != "" {
			where = " in " + g.GetPart()
		}
		sentences = append(sentences, fmt.Sprintf("wave %d leaves %s %d ready%s, under its floor of %d: %s", g.GetWave(), g.GetService(), g.GetReady(), where, g.GetFloor(), strings.TrimRight(g.GetReason(), ".")))
	}
	return first(sentences, "; ")
}

func firstSource(given, kept []byte) []byte {
	if len(given) > 0 {
		return given
	}
	return kept
}
