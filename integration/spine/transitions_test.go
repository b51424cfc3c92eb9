package spine

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"roster/fsm/topology"
	"roster/integration/cluster"
	"roster/integration/require"
)

// model is what one of the six topologies must come to on the ten nodes, as
// its file's head says.
type model struct {
	name   string
	counts map[string]int
	// Floors that are not 1.
	floors map[string]int
}

func counts(imap, jmap, webdav, in, out int) map[string]int {
	return map[string]int{"imap": imap, "jmap": jmap, "webdav": webdav, "smtp-inbound": in, "smtp-outbound": out}
}

var models = map[string]model{
	"unified":          {"unified", counts(10, 10, 10, 10, 10), nil},
	"service-specific": {"service-specific", counts(2, 2, 2, 2, 2), nil},
	"weighted":         {"weighted", counts(4, 2, 2, 4, 4), nil},
	"paired":           {"paired", counts(4, 4, 2, 4, 4), nil},
	"geographic":       {"geographic", counts(2, 2, 2, 3, 3), nil},
	"mixed":            {"mixed", counts(8, 6, 6, 6, 8), map[string]int{"imap": 3, "smtp-outbound": 2}},
}

// floorsOf are the floors of every service under a model.
func floorsOf(m model) map[string]int {
	floors := map[string]int{}
	for service := range m.counts {
		floors[service] = 1
	}
	maps.Copy(floors, m.floors)
	return floors
}

// lower is what is in force from the moment that `to` is applied until its
// floors were reached.
func lower(from, to map[string]int) map[string]int {
	out := map[string]int{}
	for service, floor := range to {
		out[service] = min(floor, from[service])
	}
	return out
}

// tour walks every ordered pair of names once: a complete directed graph has a
// round trip over all its edges.
func tour(names []string) []string {
	left := map[string][]string{}
	for _, from := range names {
		for _, to := range names {
			if from != to {
				left[from] = append(left[from], to)
			}
		}
	}
	var walk, stack []string
	stack = append(stack, names[0])
	for len(stack) > 0 {
		at := stack[len(stack)-1]
		if next := left[at]; len(next) > 0 {
			left[at] = next[1:]
			stack = append(stack, next[0])
			continue
		}
		walk = append(walk, at)
		stack = stack[:len(stack)-1]
	}
	for i, j := 0, len(walk)-1; i < j; i, j = i+1, j-1 {
		walk[i], walk[j] = walk[j], walk[i]
	}
	return walk
}

// judgeTour takes one `roster dev` through the walk, a checker beside it, and
// asks for the verdict.
func judgeTour(t *testing.T, walk []string, args ...string) {
	t.Helper()
	// Servers that take their time, as daemons do: whatever is stopped before its
	// successor answers leaves a gap that no dial can miss.
	c := cluster.Dev(t, append([]string{"--model", walk[0], "--start-delay", "250ms"}, args...)...)
	watcher := cluster.Watch(t, c.NodeTargets(slices.Sorted(maps.Keys(models[walk[0]].counts))...), 20*time.Millisecond, cluster.DevHeartbeat)
	in := models[walk[0]]
	watcher.Floors(floorsOf(in))
	watcher.Expect("first placement of "+in.name, in.counts)
	for i, name := range walk[1:] {
		to := models[name]
		text, ok := topology.Example(name)
		if !ok {
			t.Fatalf("no example %s", name)
		}
		file := c.File(fmt.Sprintf("%d-%s.yaml", i, name), string(text))
		step := fmt.Sprintf("%d: %s to %s", i+1, in.name, to.name)
		watcher.Floors(lower(floorsOf(in), floorsOf(to)))
		watcher.Applied(step)
		began := time.Now()
		apply(t, c, file)
		c.Until(3*time.Minute, step, func(s *cluster.Status) error {
			switch got := s.Ready(); {
			case s.Topology.Name != to.name || !s.Settled:
				return fmt.Errorf("topology %s, settled %v", s.Topology.Name, s.Settled)
			case !maps.Equal(got, to.counts):
				return fmt.Errorf("settled with %v ready, wanted %v", got, to.counts)
			}
			return nil
		})
		t.Logf("%s: %.1f s", step, time.Since(began).Seconds())
		watcher.Floors(floorsOf(to))
		watcher.Expect(step, to.counts)
		in = to
	}
	watcher.Verdict()
}

// apply makes a file the topology. On a machine that is short of processors a
// node may be suspect for a moment, and gets no new seat then: a refusal for
// that is tried again.
func apply(t *testing.T, c *cluster.Cluster, file string) {
	t.Helper()
	cluster.Until(t, time.Minute, "apply "+file, func() error {
		result := c.CLI("topology", "apply", "-f", file, "--yes", "--allow-stop")
		if result.Code == 0 {
			return nil
		}
		if !strings.Contains(result.Stderr, "not up") {
			t.Fatal(result.String())
		}
		return fmt.Errorf("%s", result)
	})
}

func TestTheTourWalksEveryOrderedPairOnce(t *testing.T) {
	walk := tour(names())
	seen := map[[2]string]bool{}
	for i := range len(walk) - 1 {
		seen[[2]string{walk[i], walk[i+1]}] = true
	}
	if len(walk) != 31 || len(seen) != 30 {
		t.Errorf("%d steps over %d pairs: %v", len(walk)-1, len(seen), walk)
	}
}

func names() []string {
	return []string{"service-specific", "unified", "weighted", "paired", "geographic", "mixed"}
}

func TestNoCommandTakesAServiceBelowItsFloorBetweenAnyTwoModels(t *testing.T) {
	require.Slow(t)
	judgeTour(t, tour(names()))
}

// The short slice of the tour: growing, shrinking, and floors that rise and
// fall.
func TestNoCommandTakesAServiceBelowItsFloorBetweenSomeModels(t *testing.T) {
	judgeTour(t, []string{"service-specific", "mixed", "geographic", "unified", "weighted"})
}

func TestRestartGroupsKeepTheFloorsToo(t *testing.T) {
	judgeTour(t, []string{"service-specific", "paired", "service-specific"}, "--restart-groups")
}

func TestDevOnceGivesTheCountsOfEveryModel(t *testing.T) {
	for _, name := range names() {
		t.Run(name, func(t *testing.T) {
			text, _ := topology.Example(name)
			file := t.TempDir() + "/" + name + ".yaml"
			writeFile(t, file, string(text))
			status := decodeStatus(t, cluster.Run(t, "dev", "--once", "-f", file, "-o", "json").OK(t).Stdout)
			if !status.Settled || status.State != "ok" {
				t.Errorf("settled %v, state %s: %v", status.Settled, status.State, status.Sentences)
			}
			if got := status.Ready(); !maps.Equal(got, models[name].counts) {
				t.Errorf("ready %v, wanted %v", got, models[name].counts)
			}
		})
	}
}

func TestDevCutsOffAndBringsBackANodeAndTheLeader(t *testing.T) {
	c := cluster.Dev(t, "--model", "service-specific")
	watcher := cluster.Watch(t, c.NodeTargets(slices.Sorted(maps.Keys(models["unified"].counts))...), 20*time.Millisecond, cluster.DevHeartbeat)
	watcher.Floors(floorsOf(models["service-specific"]))
	status := c.Settled(time.Minute, "service-specific")
	node := status.Services["imap"].Nodes[0]

	watcher.Fault("killed by dev", node)
	c.Cut("kill", node)
	c.Until(time.Minute, node+" is down", func(s *cluster.Status) error {
		for _, n := range s.Nodes {
			if n.ID == node && n.State != "down" {
				return fmt.Errorf("it is %s", n.State)
			}
		}
		if s.State != "degraded" {
			return fmt.Errorf("state is %s", s.State)
		}
		return nil
	})
	c.Cut("revive", node)
	healthy := func(s *cluster.Status) error {
		if s.State != "ok" || !maps.Equal(s.Ready(), models["service-specific"].counts) {
			return fmt.Errorf("state %s, ready %v", s.State, s.Ready())
		}
		return nil
	}
	c.Until(time.Minute, node+" is back", healthy)
	watcher.Healed(node)

	i := slices.IndexFunc(status.Members, func(m cluster.StatusMember) bool { return m.Leader })
	leader := status.Members[i].Name
	c.Cut("kill", leader)
	c.Until(time.Minute, "another member leads", func(s *cluster.Status) error {
		for _, m := range s.Members {
			if m.Leader && m.Name != leader {
				return nil
			}
		}
		return fmt.Errorf("members %+v", s.Members)
	})
	c.Cut("revive", leader)
	c.Until(time.Minute, "the cluster is whole", healthy)
	watcher.Expect("after everything", models["service-specific"].counts)
	watcher.Verdict()
}
