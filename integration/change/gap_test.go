package change

import (
	"fmt"
	"maps"
	"path/filepath"
	"testing"
	"time"

	"roster/integration/checker/history"
	"roster/integration/checker/judge"
	"roster/integration/cluster"
	"roster/integration/loopback"
)

// Two nodes change places, and each restarts everything that it serves whenever
// anything begins there: no order of steps keeps the floors.
const places = `name: %s
pools:
  - {name: mailbox, services: [imap], count: 1, nodes: [%s]}
  - {name: web,     services: [jmap], count: 1, nodes: [%s]}
`

const twoNodes = `- {id: node-1, region: a, zone: a1, services: [imap, jmap]}
- {id: node-2, region: a, zone: a1, services: [imap, jmap]}
`

func TestAGapIsRefusedUntilItIsAcceptedAndThenItIsTheOnlyOne(t *testing.T) {
	t.Parallel() // it waits most of the time
	dir := loopback.Dir(t)
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		writeFile(t, path, text)
		return path
	}
	// Servers that take their time, as daemons do: no dial can miss that one restarts.
	c := cluster.Dev(t, "--nodes", file("nodes.yaml", twoNodes), "-f", file("before.yaml", fmt.Sprintf(places, "before", "node-1", "node-2")),
		"--restart-groups", "--start-delay", "400ms")
	watcher := cluster.Watch(t, c.NodeTargets("imap", "jmap"), 20*time.Millisecond, cluster.DevHeartbeat)
	floors := map[string]int{"imap": 1, "jmap": 1}
	watcher.Floors(floors)
	watcher.Expect("before", floors)

	after := file("after.yaml", fmt.Sprintf(places, "after", "node-2", "node-1"))
	var shown struct {
		Plan plan `json:"plan"`
	}
	cluster.Until(t, time.Minute, "plan", func() error { return c.JSON(&shown, "topology", "plan", "-f", after) })
	if shown.Plan.Gapless || len(shown.Plan.Gaps) == 0 {
		t.Fatalf("the plan says nothing of a gap: %+v", shown)
	}
	refused := c.CLI("topology", "apply", "-f", after, "--yes", "--allow-stop")
	if refused.Code != 1 {
		t.Errorf("applied without a word: %s", refused)
	}
	says(t, "the refusal", refused.Stderr, "--accept-gap", "floor")
	cluster.Quiet(t, time.Second, "after it was refused", func() error {
		status, err := c.Status()
		if err == nil && status.Topology.Name != "before" {
			err = fmt.Errorf("%+v is in force", status.Topology)
		}
		return err
	})

	// The plan said which floors, and how far.
	least := map[string]int{}
	for _, g := range shown.Plan.Gaps {
		least[g.Service] = g.Ready
	}
	watcher.Accepted("--accept-gap", least)
	watcher.Applied("two nodes change places")
	c.CLI("topology", "apply", "-f", after, "--yes", "--allow-stop", "--accept-gap").OK(t)
	c.Until(2*time.Minute, "they have changed places", func(s *cluster.Status) error {
		if s.Topology.Name != "after" || !s.Settled || !maps.Equal(s.Ready(), floors) {
			return fmt.Errorf("%+v, settled %v, ready %v: %v", s.Topology, s.Settled, s.Ready(), s.Sentences)
		}
		return nil
	})
	watcher.Floors(floors)
	watcher.Expect("after", floors)
	watcher.Verdict()

	records, err := history.Read(filepath.Join(watcher.Dir, history.FileName))
	if err != nil {
		t.Fatal(err)
	}
	found, err := judge.Judge(records, judge.Options{BlindAfter: 15, ExpectWithin: 15})
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Dips) == 0 {
		t.Error("nobody saw the gap")
	}
	for _, dip := range found.Dips {
		if _, announced := least[dip.Service]; !announced || dip.Charged != "accepted" {
			t.Errorf("the plan announced %+v, but there was %+v", shown.Plan.Gaps, dip)
		}
	}
}
