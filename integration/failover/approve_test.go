package failover

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"roster/integration/cluster"
	"roster/integration/require"
	"roster/integration/site"
	v1 "roster/proto/roster/v1"
)

// plans is what a test reads of `roster plan list -o json`.
type plans struct {
	Plans []struct {
		ID    string `json:"id"`
		Cause string `json:"cause"`
		State string `json:"state"`
		Plan  struct {
			Waves []struct {
				Moves []move `json:"moves"`
			} `json:"waves"`
		} `json:"plan"`
	} `json:"plans"`
}

type move struct {
	Service  string `json:"service"`
	Node     string `json:"node"`
	Action   string `json:"action"`
	Pool     string `json:"pool"`
	Borrowed bool   `json:"borrowed"`
}

// The plan that waits for approval is the one that is carried out without:
// both ways from the same cluster, side by side.
func byApproval(t *testing.T, model string) {
	t.Helper()
	nodes := site.Hosts(t)
	s := newSite(t, nodes)
	status := s.Apply(model, s.TopologyFile(model, nil))
	s.Watch(nodes)
	s.Watcher.Floors(site.FloorsOf(status))
	s.Watcher.Repair(true)
	before, baseline := s.MustDuties(), status.Ready()
	webdav := site.Carriers(before, "webdav")

	// By itself.
	s.KillAgents("repair: auto", webdav...)
	s.UntilState("down", webdav...)
	s.Until(site.Bound, "webdav is served elsewhere", site.FloorsKept)
	var auto []site.Duty
	for _, d := range s.MustDuties() {
		if !slices.Contains(before, d) {
			auto = append(auto, d)
		}
	}
	s.Revive(webdav...)
	s.Watcher.Healed(webdav...)
	s.Until(site.Bound, "whole again", site.ReadyAgain(baseline))
	cluster.Until(t, site.Bound, "webdav is given back", func() error { return s.Same(before, nil) })

	// By approval.
	s.Watcher.Repair(false)
	s.Apply(model, s.TopologyFile(model, func(top *v1.Topology) { top.Policy.Repair = v1.Automation_AUTOMATION_APPROVE }))
	before = s.MustDuties()
	s.KillAgents("repair: approve", webdav...)
	s.UntilState("down", webdav...)
	var shown plans
	cluster.Until(t, site.Bound, "a plan waits", func() error {
		if err := s.JSON(&shown, "plan", "list"); err != nil {
			return err
		}
		if len(shown.Plans) != 1 || shown.Plans[0].State != "pending" || shown.Plans[0].Cause != "repair" {
			return fmt.Errorf("plans: %+v", shown)
		}
		return nil
	})
	cluster.Quiet(t, 4*site.DownAfter, "while the plan waits", func() error { return s.Same(before, nil) })
	var planned []site.Duty
	for _, w := range shown.Plans[0].Plan.Waves {
		for _, m := range w.Moves {
			if m.Action != "start" {
				t.Errorf("the plan has a move %+v: only starts mend this", m)
			}
			planned = append(planned, site.Duty{Node: m.Node, Service: m.Service, Pool: m.Pool, Wanted: "serving", Borrowed: m.Borrowed})
		}
	}
	inOrder := func(a, b site.Duty) int { return strings.Compare(a.Node+"/"+a.Service, b.Node+"/"+b.Service) }
	slices.SortFunc(planned, inOrder)
	slices.SortFunc(auto, inOrder)
	if !slices.Equal(planned, auto) {
		t.Errorf("shown %+v, but by itself it did %+v", planned, auto)
	}
	if r := s.CLI("plan", "approve", "nonsense", "--yes"); r.Code != 1 {
		t.Errorf("approve of a plan that there is not: %s", r)
	}
	s.CLI("plan", "approve", shown.Plans[0].ID, "--yes").OK(t)
	s.Until(site.Bound, "webdav is served elsewhere", site.FloorsKept)
	if err := s.Same(before, func(d site.Duty) bool { return slices.Contains(planned, d) }); err != nil {
		t.Errorf("after the approval: %v", err)
	}
	s.Revive(webdav...)
	s.Watcher.Healed(webdav...)
	s.Until(site.Bound, "whole again", site.ReadyAgain(baseline))
	s.Verdict()
}

func TestWithRepairByApprovalNothingMovesUntilTheShownPlanIsApproved(t *testing.T) {
	t.Parallel() // it waits most of the time
	byApproval(t, "service-specific")
}

func TestRepairByApprovalDoesWhatItShowsInTheOtherModels(t *testing.T) {
	require.Slow(t)
	for _, model := range []string{"weighted", "paired", "geographic"} {
		byApproval(t, model)
	}
}
