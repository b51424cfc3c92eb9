package change

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"roster/integration/checker/history"
	"roster/integration/cluster"
	"roster/integration/site"
	v1 "roster/proto/roster/v1"
)

// partsOf are floors of one over imap in each zone where it is, as the checker is
// told them: by the ids of the zone's nodes.
func partsOf(nodes []cluster.Node, zones ...string) (parts []history.Part) {
	for _, zone := range zones {
		p := history.Part{Service: "imap", Name: "zone=" + zone, Floor: 1}
		for _, n := range nodes {
			if n.Zone == zone {
				p.Nodes = append(p.Nodes, n.ID)
			}
		}
		parts = append(parts, p)
	}
	return parts
}

// perZone is imap on some nodes and jmap on others, imap in every zone at all times.
func perZone(name, imap, jmap string) string {
	return fmt.Sprintf(`name: %s
pools:
  - {name: mailbox, services: [imap], count: 4, nodes: [%s]}
  - {name: web,     services: [jmap], count: 2, nodes: [%s]}
services:
  - {name: imap, floor: 2, floors: [{min: 1, per: zone}]}
policy: {down_after: %s, return_after: %s, replace_after: %s, max_moving: 100%%}
`, name, imap, jmap, site.DownAfter, site.ReturnAfter, 30*time.Minute)
}

// A floor in each zone is kept while imap moves within the zones, and mended in the
// zone that lost it.
func TestAFloorInEachZoneIsKeptThroughARolloutAndALoss(t *testing.T) {
	t.Parallel() // it waits most of the time
	var nodes []cluster.Node
	for i, zone := range []string{"a1", "a1", "a1", "a2", "a2", "a2"} {
		nodes = append(nodes, cluster.Builtin(t, fmt.Sprintf("node-%d", i+1), "a", zone, "imap", "jmap"))
	}
	s := newScene(t, nodes)
	s.Apply("first", s.File("first.yaml", perZone("first", "node-1, node-2, node-4, node-5", "node-3, node-6")))
	s.Watch(nodes)
	floors := map[string]int{"imap": 2, "jmap": 1}
	s.Watcher.FloorsAndParts(floors, partsOf(nodes, "a1", "a2"))
	s.Watcher.Repair(true)
	s.looks("first", serving(s.MustDuties()))

	s.Watcher.Applied("second")
	s.applied(s.File("second.yaml", perZone("second", "node-2, node-3, node-5, node-6", "node-1, node-4")))
	status := s.Settled(site.Bound, "second")
	before := s.MustDuties()
	s.looks("second", serving(before))
	s.Watcher.Expect("second", status.Ready())

	// Both of zone a2: the whole still has its two in a1, the zone has none. node-4 is
	// the only one left there.
	lost := []string{"node-5", "node-6"}
	s.KillAgents("imap is lost in zone a2", lost...)
	s.UntilState("down", lost...)
	loan := site.Duty{Node: "node-4", Service: "imap", Pool: "mailbox", Wanted: "serving", Borrowed: true}
	s.until("imap is served in zone a2", func(now []site.Duty) error {
		if !slices.Contains(now, loan) {
			return fmt.Errorf("assigned: %+v", now)
		}
		return nil
	})
	if err := s.Same(before, func(d site.Duty) bool { return d == loan }); err != nil {
		t.Error(err)
	}
	s.Revive(lost...)
	s.Watcher.Healed(lost...)
	cluster.Until(t, site.Bound, "it is given back", func() error { return s.Same(before, nil) })
	s.looks("given back", serving(before))
	s.Watcher.Expect("given back", status.Ready())
	s.Verdict()
}

func TestAnApplyThatBreaksWhatSurvivesPromisesIsRefused(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := newScene(t, site.Hosts(t))
	s.begin("service-specific")
	before := s.MustDuties()
	promise := func(top *v1.Topology) { top.Survives = &v1.Survives{Nodes: 1, Zones: 1} }

	// Both nodes of imap are in zone a1.
	file := s.TopologyFile("service-specific", promise)
	refused := s.CLI("topology", "apply", "-f", file, "--yes", "--allow-stop")
	if refused.Code != 1 {
		t.Errorf("applied, though zone a1 has both nodes of imap: %s", refused)
	}
	says(t, "the refusal", refused.Stderr, "survives", "zone", "a1")
	if shown := s.planOf(file); len(shown.Unkept) == 0 {
		t.Errorf("the plan says nothing of the promise: %+v", shown)
	}
	if err := s.Same(before, nil); err != nil {
		t.Errorf("after it was refused: %v", err)
	}

	// Spread over the zones, it holds.
	spread := s.TopologyFile("service-specific", func(top *v1.Topology) {
		promise(top)
		for _, p := range top.Pools {
			p.Spread = []string{"zone"}
		}
	})
	s.Watcher.Applied("spread over zones, with a promise")
	s.applied(spread)
	status := s.Settled(site.Bound, "service-specific")
	s.looks("spread", serving(s.MustDuties()))
	s.Watcher.Expect("spread", status.Ready())
	s.Verdict()
}
