package main

import (
	"errors"
	"fmt"
	"slices"

	"roster/cmd/internal/view"
	"roster/fsm"
	"roster/fsm/placement"
	"roster/fsm/topology"
	"roster/fsm/whatif"
	v1 "roster/proto/roster/v1"
)

// impossible adds what to do to a topology that no nodes could fill.
func impossible(err error) error {
	if errors.Is(err, placement.ErrImpossible) {
		return fmt.Errorf("%w\n  change the topology: no number of nodes helps", err)
	}
	return err
}

// plan is what a member would answer, if there were one.
func (p *paper) plan() (*v1.PlanTopologyResponse, error) {
	c, err := p.begin(p.from)
	if err != nil {
		return nil, err
	}
	plan, err := c.Plan(p.wanted)
	if err != nil {
		return nil, impossible(err)
	}
	p.lines.Mark(plan.GetConflicts())
	plan.Needs = p.needs(c, plan)
	return &v1.PlanTopologyResponse{Plan: plan, Changes: topology.Diff(p.from, p.wanted)}, nil
}

// mostStops is the percentage of the assignments that an apply may stop without
// --allow-stop.
const mostStops = 20

// needs is what an apply of the plan would have to say.
func (p *paper) needs(c *whatif.Cluster, plan *v1.Plan) (needs []string) {
	if len(plan.GetGaps()) > 0 {
		needs = append(needs, view.NeedAcceptGap)
	}
	if slices.ContainsFunc(plan.GetShortages(), func(s *v1.Shortage) bool { return s.GetPool() != "" || s.GetService() != "" }) {
		needs = append(needs, fsm.NeedAcceptShortage)
	}
	if p.removes() || stopsMuch(c.Nodes, plan) {
		needs = append(needs, fsm.NeedAllowStop)
	}
	return needs
}

// removes says whether a service that was placed is placed no more.
func (p *paper) removes() bool {
	for _, pool := range p.from.GetPools() {
		for _, service := range pool.GetServices() {
			if !slices.ContainsFunc(p.wanted.GetPools(), func(w *v1.Pool) bool { return slices.Contains(w.GetServices(), service) }) {
				return true
			}
		}
	}
	return false
}

func stopsMuch(nodes []*v1.Node, plan *v1.Plan) bool {
	serving := 0
	for _, n := range nodes {
		for _, a := range n.GetAssignments() {
			if a.GetWanted() == v1.Wanted_WANTED_SERVING && !a.GetBorrowed() {
				serving++
			}
		}
	}
	stopped := map[[2]string]bool{}
	for _, wave := range plan.GetWaves() {
		for _, m := range wave.GetMoves() {
			at := [2]string{m.GetNode(), m.GetService()}
			switch m.GetAction() {
			case v1.Action_ACTION_DRAIN, v1.Action_ACTION_STOP:
				stopped[at] = true
			case v1.Action_ACTION_START, v1.Action_ACTION_UNDRAIN:
				delete(stopped, at)
			default:
			}
		}
	}
	return len(stopped)*100 > serving*mostStops
}
