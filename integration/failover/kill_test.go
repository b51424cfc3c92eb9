package failover

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"roster/integration/cluster"
	"roster/integration/require"
	v1 "roster/proto/roster/v1"
)

var models = []string{"service-specific", "weighted", "paired", "geographic", "unified", "mixed"}

// kills takes a cluster through the models: in each, one node that serves webdav
// is killed and brought back, then both, where there are only two.
func kills(t *testing.T, models []string) {
	nodes := hosts(t)
	s := newSite(t, nodes)
	var floors map[string]int
	for _, model := range models {
		file := s.file(model, nil)
		if s.watcher != nil {
			// What the next one asks for is kept once it was reached.
			s.watcher.Floors(lower(floors, map[string]int{"imap": 1, "jmap": 1, "webdav": 1, "smtp-inbound": 1, "smtp-outbound": 1}))
			s.watcher.Applied(model)
		}
		status := s.apply(model, file)
		floors = floorsOf(status)
		if s.watcher == nil {
			s.watch(nodes)
		}
		s.watcher.Floors(floors)
		s.watcher.Expect(model, status.Ready())
		s.watcher.Repair(true)
		before, baseline := s.mustDuties(), status.Ready()
		webdav := carriers(before, "webdav")
		if len(webdav) < 2 {
			t.Fatalf("%s: webdav is served by %v", model, webdav)
		}
		s.killOne(model, before, baseline, webdav[0])
		if len(webdav) == 2 {
			s.killBoth(model, before, baseline, webdav)
		}
	}
	s.verdict()
}

// killOne: where floors hold without the node and no node is free, nothing
// moves, however long it is away, and nothing moves when it returns.
func (s *site) killOne(model string, before []duty, baseline map[string]int, victim string) {
	s.t.Helper()
	began := time.Now()
	s.kill(model+": one node killed", victim)
	status := s.untilState("down", victim)
	s.t.Logf("%s: %s killed, down after %.1f s (down_after %s)", model, victim, time.Since(began).Seconds(), downAfter)
	if err := floorsKept(status); err != nil {
		s.t.Errorf("%s without %s: %v", model, victim, err)
	}
	if status.State != "degraded" {
		s.t.Errorf("%s without %s: state %s", model, victim, status.State)
	}
	cluster.Quiet(s.t, replaceAfter+2*time.Second-time.Since(began), model+" without "+victim, func() error { return s.same(before, nil) })
	s.revive(victim)
	s.Until(bound, model+" whole again", readyAgain(baseline))
	s.watcher.Healed(victim)
	if err := s.same(before, nil); err != nil {
		s.t.Errorf("%s after %s returned: %v", model, victim, err)
	}
}

// killBoth: the floor is mended by borrowing as soon as they are down; nothing
// else moves; it is given back when they have returned.
func (s *site) killBoth(model string, before []duty, baseline map[string]int, victims []string) {
	s.t.Helper()
	began := time.Now()
	from := s.Newest()
	s.kill(model+": both carriers of webdav killed", victims...)
	s.untilState("down", victims...)
	down := time.Since(began)
	borrowed := func(d duty) bool { return d.borrowed && d.service == "webdav" && !slices.Contains(victims, d.node) }
	s.Until(bound, model+": webdav is served elsewhere", floorsKept)
	s.t.Logf("%s: %s killed, down after %.1f s, webdav ready elsewhere after %.1f s (goal: down_after %s and 2 s)",
		model, strings.Join(victims, " and "), down.Seconds(), time.Since(began).Seconds(), downAfter)
	var lender string
	for _, d := range s.mustDuties() {
		if borrowed(d) {
			lender = d.node
		}
	}
	if lender == "" {
		s.t.Fatalf("%s: nobody borrowed webdav: %+v", model, s.mustDuties())
	}
	onlyLoan := func() error {
		return s.same(before, func(d duty) bool { return borrowed(d) && d.node == lender })
	}
	// Past replace_after no node is free for their seats: they stay open, the
	// loan stays where it is.
	cluster.Quiet(s.t, replaceAfter+2*time.Second-time.Since(began), model+" without "+strings.Join(victims, " and "), onlyLoan)
	status, err := s.Status()
	if err == nil {
		err = floorsKept(status)
	}
	if err != nil {
		s.t.Errorf("%s past replace_after: %v", model, err)
	}
	s.revive(victims...)
	s.watcher.Healed(victims...)
	s.Until(bound, model+" whole again", readyAgain(baseline))
	cluster.Until(s.t, bound, model+": webdav is given back", func() error { return s.same(before, nil) })
	if starts := s.events.Since(from, "assignment.start"); len(starts) > 0 {
		s.t.Logf("%s: %d starts: %+v", model, len(starts), starts)
	}
}

func TestFloorsAreMendedWhenNodesDieInServiceSpecificAndMixed(t *testing.T) {
	kills(t, []string{"service-specific", "mixed"})
}

func TestFloorsAreMendedWhenNodesDieInEveryModel(t *testing.T) {
	require.Slow(t)
	kills(t, models)
}

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
func TestWithRepairByApprovalNothingMovesUntilTheShownPlanIsApproved(t *testing.T) {
	nodes := hosts(t)
	s := newSite(t, nodes)
	status := s.apply("service-specific", s.file("service-specific", nil))
	s.watch(nodes)
	s.watcher.Floors(floorsOf(status))
	s.watcher.Repair(true)
	before, baseline := s.mustDuties(), status.Ready()
	webdav := carriers(before, "webdav")

	// By itself.
	s.kill("repair: auto", webdav...)
	s.untilState("down", webdav...)
	s.Until(bound, "webdav is served elsewhere", floorsKept)
	var auto []duty
	for _, d := range s.mustDuties() {
		if !slices.Contains(before, d) {
			auto = append(auto, d)
		}
	}
	s.revive(webdav...)
	s.watcher.Healed(webdav...)
	s.Until(bound, "whole again", readyAgain(baseline))
	cluster.Until(t, bound, "webdav is given back", func() error { return s.same(before, nil) })

	// By approval.
	s.watcher.Repair(false)
	s.apply("service-specific", s.file("service-specific", func(top *v1.Topology) { top.Policy.Repair = v1.Automation_AUTOMATION_APPROVE }))
	before = s.mustDuties()
	s.kill("repair: approve", webdav...)
	s.untilState("down", webdav...)
	var shown plans
	cluster.Until(t, bound, "a plan waits", func() error {
		if err := s.JSON(&shown, "plan", "list"); err != nil {
			return err
		}
		if len(shown.Plans) != 1 || shown.Plans[0].State != "pending" || shown.Plans[0].Cause != "repair" {
			return fmt.Errorf("plans: %+v", shown)
		}
		return nil
	})
	cluster.Quiet(t, 4*downAfter, "while the plan waits", func() error { return s.same(before, nil) })
	var planned []duty
	for _, w := range shown.Plans[0].Plan.Waves {
		for _, m := range w.Moves {
			if m.Action != "start" {
				t.Errorf("the plan has a move %+v: only starts mend this", m)
			}
			planned = append(planned, duty{m.Node, m.Service, m.Pool, "serving", m.Borrowed})
		}
	}
	if !slices.Equal(planned, auto) {
		t.Errorf("shown %+v, but by itself it did %+v", planned, auto)
	}
	if r := s.CLI("plan", "approve", "nonsense", "--yes"); r.Code != 1 {
		t.Errorf("approve of a plan that there is not: %s", r)
	}
	s.CLI("plan", "approve", shown.Plans[0].ID, "--yes").OK(t)
	s.Until(bound, "webdav is served elsewhere", floorsKept)
	if err := s.same(before, func(d duty) bool { return slices.Contains(planned, d) }); err != nil {
		t.Errorf("after the approval: %v", err)
	}
	s.revive(webdav...)
	s.watcher.Healed(webdav...)
	s.Until(bound, "whole again", readyAgain(baseline))
	s.verdict()
}

// A node without a seat stands in at once, and only for as long as it must.
func TestAFreeNodeStandsInAndGivesBackOrKeepsTheSeat(t *testing.T) {
	nodes := append(hosts(t), cluster.Builtin(t, "node-11", "a", "a1", services...))
	s := newSite(t, nodes)
	status := s.apply("service-specific", s.file("service-specific", nil))
	s.watch(nodes)
	s.watcher.Floors(floorsOf(status))
	s.watcher.Repair(true)
	before, baseline := s.mustDuties(), status.Ready()
	free := ""
	for _, n := range nodes {
		if !slices.ContainsFunc(before, func(d duty) bool { return d.node == n.ID }) {
			free = n.ID
		}
	}
	victim := carriers(before, "imap")[0]
	standIn := duty{free, "imap", "imap", "serving", true}

	s.kill("a short absence", victim)
	s.untilState("down", victim)
	cluster.Until(t, bound, free+" stands in", func() error { return s.same(append(slices.Clone(before), standIn), nil) })
	s.revive(victim)
	s.watcher.Healed(victim)
	cluster.Until(t, bound, free+" is free again", func() error { return s.same(before, nil) })

	s.kill("gone for good", victim)
	s.untilState("down", victim)
	cluster.Until(t, bound, "the seat is "+free+"'s", func() error {
		now, err := s.duties()
		if err != nil {
			return err
		}
		if !slices.Contains(now, duty{free, "imap", "imap", "serving", false}) {
			return fmt.Errorf("assigned: %+v", now)
		}
		return nil
	})
	s.revive(victim)
	s.watcher.Healed(victim)
	s.Until(bound, victim+" is free now", func(status *cluster.Status) error {
		now, err := s.duties()
		if err != nil {
			return err
		}
		if slices.ContainsFunc(now, func(d duty) bool { return d.node == victim }) {
			return fmt.Errorf("assigned: %+v", now)
		}
		return readyAgain(baseline)(status)
	})
	s.verdict()
}
