package failover

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"roster/integration/cluster"
	"roster/integration/require"
	"roster/integration/site"
)

var models = []string{"service-specific", "weighted", "paired", "geographic", "unified", "mixed"}

// kills takes a cluster through the models: in each, one node that serves webdav
// is killed and brought back, then both, where there are only two.
func kills(t *testing.T, models []string) {
	nodes := site.Hosts(t)
	s := newSite(t, nodes)
	var floors map[string]int
	for _, model := range models {
		file := s.TopologyFile(model, nil)
		if s.Watcher != nil {
			// What the next one asks for is kept once it was reached.
			s.Watcher.Floors(site.Lower(floors, map[string]int{"imap": 1, "jmap": 1, "webdav": 1, "smtp-inbound": 1, "smtp-outbound": 1}))
			s.Watcher.Applied(model)
		}
		status := s.Apply(model, file)
		floors = site.FloorsOf(status)
		if s.Watcher == nil {
			s.Watch(nodes)
		}
		s.Watcher.Floors(floors)
		s.Watcher.Expect(model, status.Ready())
		s.Watcher.Repair(true)
		before, baseline := s.MustDuties(), status.Ready()
		webdav := site.Carriers(before, "webdav")
		if len(webdav) < 2 {
			t.Fatalf("%s: webdav is served by %v", model, webdav)
		}
		s.killOne(model, before, baseline, webdav[0])
		if len(webdav) == 2 {
			s.killBoth(model, before, baseline, webdav)
		}
	}
	s.Verdict()
}

// killOne: where floors hold without the node and no node is free, nothing
// moves, however long it is away, and nothing moves when it returns.
func (s *scene) killOne(model string, before []site.Duty, baseline map[string]int, victim string) {
	s.t.Helper()
	began := time.Now()
	s.KillAgents(model+": one node killed", victim)
	status := s.UntilState("down", victim)
	s.t.Logf("%s: %s killed, down after %.1f s (down_after %s)", model, victim, time.Since(began).Seconds(), site.DownAfter)
	if err := site.FloorsKept(status); err != nil {
		s.t.Errorf("%s without %s: %v", model, victim, err)
	}
	if status.State != "degraded" {
		s.t.Errorf("%s without %s: state %s", model, victim, status.State)
	}
	cluster.Quiet(s.t, site.ReplaceAfter+2*time.Second-time.Since(began), model+" without "+victim, func() error { return s.Same(before, nil) })
	s.Revive(victim)
	s.Until(site.Bound, model+" whole again", site.ReadyAgain(baseline))
	s.Watcher.Healed(victim)
	if err := s.Same(before, nil); err != nil {
		s.t.Errorf("%s after %s returned: %v", model, victim, err)
	}
}

// killBoth: the floor is mended by borrowing as soon as they are down; nothing
// else moves; it is given back when they have returned.
func (s *scene) killBoth(model string, before []site.Duty, baseline map[string]int, victims []string) {
	s.t.Helper()
	began := time.Now()
	from := s.Newest()
	s.KillAgents(model+": both carriers of webdav killed", victims...)
	s.UntilState("down", victims...)
	down := time.Since(began)
	// Whatever was served by these two alone: webdav, and what shares their pool.
	borrowed := func(d site.Duty) bool {
		return d.Borrowed && !slices.Contains(victims, d.Node) && !slices.ContainsFunc(site.Carriers(before, d.Service), func(id string) bool {
			return !slices.Contains(victims, id)
		})
	}
	s.Until(site.Bound, model+": webdav is served elsewhere", site.FloorsKept)
	s.t.Logf("%s: %s killed, down after %.1f s, webdav ready elsewhere after %.1f s (goal: down_after %s and 2 s)",
		model, strings.Join(victims, " and "), down.Seconds(), time.Since(began).Seconds(), site.DownAfter)
	loans := map[string]site.Duty{}
	for _, d := range s.MustDuties() {
		if _, twice := loans[d.Service]; borrowed(d) && twice {
			s.t.Errorf("%s: %s is borrowed twice: %+v", model, d.Service, s.MustDuties())
		} else if borrowed(d) {
			loans[d.Service] = d
		}
	}
	if loans["webdav"].Node == "" {
		s.t.Fatalf("%s: nobody borrowed webdav: %+v", model, s.MustDuties())
	}
	onlyLoan := func() error {
		return s.Same(before, func(d site.Duty) bool { return loans[d.Service] == d })
	}
	// Past replace_after no node is free for their seats: they stay open, the
	// loan stays where it is.
	cluster.Quiet(s.t, site.ReplaceAfter+2*time.Second-time.Since(began), model+" without "+strings.Join(victims, " and "), onlyLoan)
	status, err := s.Status()
	if err == nil {
		err = site.FloorsKept(status)
	}
	if err != nil {
		s.t.Errorf("%s past replace_after: %v", model, err)
	}
	s.Revive(victims...)
	s.Watcher.Healed(victims...)
	s.Until(site.Bound, model+" whole again", site.ReadyAgain(baseline))
	cluster.Until(s.t, site.Bound, model+": what was borrowed is given back", func() error { return s.Same(before, nil) })
	if starts := s.Events.Since(from, "assignment.start"); len(starts) > 0 {
		s.t.Logf("%s: %d starts: %+v", model, len(starts), starts)
	}
}

func TestFloorsAreMendedWhenNodesDieInServiceSpecificAndMixed(t *testing.T) {
	t.Parallel() // it waits most of the time
	kills(t, []string{"service-specific", "mixed"})
}

func TestFloorsAreMendedWhenNodesDieInEveryModel(t *testing.T) {
	t.Parallel() // it waits most of the time
	require.Slow(t)
	// A cluster for each: nodes that die again and again are waited for longer.
	for _, model := range models {
		t.Run(model, func(t *testing.T) { kills(t, []string{model}) })
	}
}

// A node without a seat stands in at once, and only for as long as it must.
func TestAFreeNodeStandsInAndGivesBackOrKeepsTheSeat(t *testing.T) {
	t.Parallel() // it waits most of the time
	nodes := append(site.Hosts(t), cluster.Builtin(t, "node-11", "a", "a1", site.Services...))
	s := newSite(t, nodes)
	status := s.Apply("service-specific", s.TopologyFile("service-specific", nil))
	s.Watch(nodes)
	s.Watcher.Floors(site.FloorsOf(status))
	s.Watcher.Repair(true)
	before, baseline := s.MustDuties(), status.Ready()
	free := ""
	for _, n := range nodes {
		if !slices.ContainsFunc(before, func(d site.Duty) bool { return d.Node == n.ID }) {
			free = n.ID
		}
	}
	victim := site.Carriers(before, "imap")[0]
	standIn := site.Duty{Node: free, Service: "imap", Pool: "imap", Wanted: "serving", Borrowed: true}

	s.KillAgents("a short absence", victim)
	s.UntilState("down", victim)
	cluster.Until(t, site.Bound, free+" stands in", func() error { return s.Same(append(slices.Clone(before), standIn), nil) })
	s.Revive(victim)
	s.Watcher.Healed(victim)
	cluster.Until(t, site.Bound, free+" is free again", func() error { return s.Same(before, nil) })

	s.KillAgents("gone for good", victim)
	s.UntilState("down", victim)
	cluster.Until(t, site.Bound, "the seat is "+free+"'s", func() error {
		now, err := s.Duties()
		if err != nil {
			return err
		}
		if !slices.Contains(now, site.Duty{Node: free, Service: "imap", Pool: "imap", Wanted: "serving", Borrowed: false}) {
			return fmt.Errorf("assigned: %+v", now)
		}
		return nil
	})
	s.Revive(victim)
	s.Watcher.Healed(victim)
	s.Until(site.Bound, victim+" is free now", func(status *cluster.Status) error {
		now, err := s.Duties()
		if err != nil {
			return err
		}
		if slices.ContainsFunc(now, func(d site.Duty) bool { return d.Node == victim }) {
			return fmt.Errorf("assigned: %+v", now)
		}
		return site.ReadyAgain(baseline)(status)
	})
	s.Verdict()
}
