package change

import (
	"testing"

	"roster/integration/cluster"
	"roster/integration/site"
)

// Two nodes change places, and each restarts everything that it serves whenever
// anything begins there: no order of steps keeps the floors.
const (
	placesBefore = `name: places
pools:
  - {name: mailbox, services: [imap], count: 1, nodes: [node-1]}
  - {name: web,     services: [jmap], count: 1, nodes: [node-2]}
policy: {down_after: 6s}
`
	placesAfter = `name: places
pools:
  - {name: mailbox, services: [imap], count: 1, nodes: [node-2]}
  - {name: web,     services: [jmap], count: 1, nodes: [node-1]}
policy: {down_after: 6s}
`
)

func TestAGapIsRefusedUntilItIsAcceptedAndThenItIsTheOnlyOne(t *testing.T) {
	t.Parallel() // it waits most of the time
	nodes := []cluster.Node{
		cluster.Builtin(t, "node-1", "a", "a1", "imap", "jmap"), cluster.Builtin(t, "node-2", "a", "a1", "imap", "jmap"),
	}
	for i := range nodes {
		for j := range nodes[i].Services {
			nodes[i].Services[j].RestartGroup = "mail"
		}
	}
	s := newScene(t, nodes)
	s.Apply("places", s.File("before.yaml", placesBefore))
	s.Watch(nodes)
	floors := map[string]int{"imap": 1, "jmap": 1}
	s.Watcher.Floors(floors)
	before := s.MustDuties()
	s.looks("before", serving(before))

	file := s.File("after.yaml", placesAfter)
	shown := s.planOf(file)
	if shown.Gapless || len(shown.Gaps) == 0 {
		t.Fatalf("the plan says nothing of a gap: %+v", shown)
	}
	refused := s.CLI("topology", "apply", "-f", file, "--yes", "--allow-stop")
	if refused.Code != 1 {
		t.Errorf("applied without a word: %s", refused)
	}
	says(t, "the refusal", refused.Stderr, "--accept-gap", "floor")
	cluster.Quiet(t, 2*site.Heartbeat, "after it was refused", func() error { return s.Same(before, nil) })

	// The plan said which floors, and how far.
	least := map[string]int{}
	for _, g := range shown.Gaps {
		least[g.Service] = g.Ready
	}
	s.Watcher.Accepted("--accept-gap", least)
	s.Watcher.Applied("two nodes change places")
	s.applied(file, "--accept-gap")
	s.until("they have changed places", func(now []site.Duty) error {
		return s.Same([]site.Duty{
			{Node: "node-1", Service: "jmap", Pool: "web", Wanted: "serving"}, {Node: "node-2", Service: "imap", Pool: "mailbox", Wanted: "serving"},
		}, nil)
	})
	s.looks("after", map[string]bool{"jmap node-1": true, "imap node-2": true})
	s.Watcher.Floors(floors)
	s.Watcher.Expect("after", floors)
	t.Logf("gaps that were announced: %+v", shown.Gaps)
	s.Verdict()
}
