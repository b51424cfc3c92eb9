package change

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"roster/integration/cluster"
	"roster/integration/loopback"
	"roster/integration/require"
	"roster/integration/site"
)

// four nodes, two of imap and two of jmap, or all of both.
func four(t *testing.T) *scene {
	t.Helper()
	var nodes []cluster.Node
	for i, zone := range []string{"a1", "a1", "a2", "a2"} {
		nodes = append(nodes, cluster.Builtin(t, fmt.Sprintf("node-%d", i+1), "a", zone, "imap", "jmap"))
	}
	s := newSceneOf(t, cluster.Options{Members: 1}, nodes)
	s.Apply("apart", s.File("apart.yaml", fmt.Sprintf(fourOf, "apart", `
  - {name: imap, services: [imap], count: 2}
  - {name: jmap, services: [jmap], count: 2}`, "")))
	s.Watch(nodes)
	s.Watcher.Floors(map[string]int{"imap": 1, "jmap": 1})
	s.looks("apart", serving(s.MustDuties()))
	return s
}

const fourOf = "name: %s\npools:%s\npolicy: {down_after: 6s, return_after: 5s, replace_after: 30m, max_moving: 100%%%s}\n"

// together is all of both, tried first on one node per pool.
func together(bake, onFail string) string {
	return fmt.Sprintf(fourOf, "together", "\n  - {name: all, services: [imap, jmap], all: true}", fmt.Sprintf(", rollout: {canary: 1, bake: %s, on_fail: %s}", bake, onFail))
}

// firstStart is the start that a plan with a canary begins with.
func (s *scene) firstStart(file string) move {
	s.t.Helper()
	first := s.planOf(file).Waves[0].Moves
	at := first[slices.IndexFunc(first, func(m move) bool { return m.Action == "start" })]
	for _, m := range first {
		if m.Node != at.Node {
			s.t.Errorf("the first wave has %+v beside %+v: one node of the one pool goes first", m, at)
		}
	}
	return at
}

// occupy takes a port away from a node's service: it is bound, and nobody listens,
// so whoever dials is refused. The returned function gives it back.
func occupy(t *testing.T, node cluster.Node, service string) (free func()) {
	t.Helper()
	for _, one := range node.Services {
		if one.Name != service {
			continue
		}
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Bind(fd, &syscall.SockaddrInet4{Port: one.Port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			t.Fatalf("bind %s: %v", loopback.Address(one.Port), err)
		}
		return func() { _ = syscall.Close(fd) } // nothing was written
	}
	t.Fatalf("%s has no %s", node.ID, service)
	return nil
}

// onlyOn says that nothing changed but on these nodes.
func (s *scene) onlyOn(before []site.Duty, nodes ...string) error {
	return s.Same(before, func(d site.Duty) bool { return slices.Contains(nodes, d.Node) })
}

// A node that dies while it is watched: the one that policy says becomes of it.
func TestACanaryThatDiesPausesOrWalksBack(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := four(t)
	before := s.MustDuties()
	for _, onFail := range []string{"pause", "revert"} {
		s.Watcher.Applied("a canary that dies: " + onFail)
		s.applied(s.File(onFail+".yaml", together("30m", onFail)))
		tried := s.rolls("the canary is watched", func(r rollout) bool { return r.State == "canary" && len(r.Canary.Nodes) == 1 }).Canary.Nodes
		s.until("it serves all of the pool", func(now []site.Duty) error { return s.onlyOn(before, tried...) })
		s.KillAgents("the canary dies", tried...)
		if onFail == "pause" {
			s.rolls("it is paused", func(r rollout) bool {
				return r.State == "paused" && strings.Contains(r.Pause.Reason, tried[0]+" is down")
			})
			s.told("canary", tried[0])
			if err := s.onlyOn(before, tried...); err != nil {
				t.Errorf("beside the canary: %v", err)
			}
			s.CLI("rollout", "abort", "--yes").OK(t)
		}
		s.Until(site.Bound, "it is walked back", func(status *cluster.Status) error {
			if status.Topology.Name != "apart" {
				return fmt.Errorf("%+v", status.Topology)
			}
			return nil
		})
		s.Revive(tried...)
		s.Watcher.Healed(tried...)
		cluster.Until(t, site.Bound, "the very same sets and seats", func() error { return s.Same(before, nil) })
		s.looks("as before", serving(before))
	}
	s.Verdict()
}

func TestACanaryThatCannotStartPausesAndOneThatIsWellIsFollowed(t *testing.T) {
	require.Slow(t) // a start is waited for a minute
	t.Parallel()    // it waits most of the time
	s := four(t)
	before := s.MustDuties()

	// The first node that is tried cannot begin what it should.
	file := s.File("together.yaml", together("2s", "pause"))
	at := s.firstStart(file)
	free := occupy(t, s.nodes[slices.IndexFunc(s.nodes, func(n cluster.Node) bool { return n.ID == at.Node })], at.Service)
	defer free()
	s.Watcher.Applied("a canary that fails")
	s.applied(file)
	failed := s.rolls("the canary fails", func(r rollout) bool { return r.State == "paused" })
	if failed.Pause == nil || !strings.Contains(failed.Pause.Reason, "canary") || !strings.Contains(failed.Pause.Reason, at.Node) {
		t.Errorf("paused: %+v", failed.Pause)
	}
	if err := s.onlyOn(before, at.Node); err != nil {
		t.Errorf("beside the canary: %v", err)
	}
	s.told("canary", at.Node)
	cluster.Quiet(t, 2*site.Heartbeat, "while it is paused", func() error { return s.onlyOn(before, at.Node) })

	// Back, mended, and tried again: this time the rest follows.
	s.CLI("rollout", "abort", "--yes").OK(t)
	s.Settled(site.Bound, "apart")
	cluster.Until(t, site.Bound, "as before", func() error { return s.Same(before, nil) })
	free()
	s.Watcher.Applied("a canary that is well")
	s.applied(s.File("again.yaml", together("3s", "pause")))
	tried := s.rolls("the canary is watched", func(r rollout) bool { return r.State == "canary" && len(r.Canary.Nodes) == 1 })
	if err := s.onlyOn(before, tried.Canary.Nodes...); err != nil {
		// Its three seconds may be over where a machine is slow.
		s.rolls("the canary is over", func(r rollout) bool { return r.Canary == nil })
	}
	status := s.Settled(site.Bound, "together")
	s.looks("together", serving(s.MustDuties()))
	s.Watcher.Expect("together", status.Ready())
	s.rolls("it is done", func(r rollout) bool { return r.State == "done" && r.Canary == nil })
	if events := s.Events.Since(0, "canary."); len(events) != 2 || events[0].Kind != "canary.failed" || events[1].Kind != "canary.passed" {
		t.Errorf("events: %+v", events)
	}
	s.Verdict()
}

func TestACanaryThatCannotStartIsWalkedBackWherePolicySaysRevert(t *testing.T) {
	require.Slow(t) // a start is waited for a minute
	t.Parallel()    // it waits most of the time
	s := four(t)
	before := s.MustDuties()
	file := s.File("together.yaml", together("2s", "revert"))
	at := s.firstStart(file)
	free := occupy(t, s.nodes[slices.IndexFunc(s.nodes, func(n cluster.Node) bool { return n.ID == at.Node })], at.Service)
	defer free()
	from := s.Newest()
	s.Watcher.Applied("a canary that fails")
	s.applied(file)
	s.Until(site.Bound, "it is walked back", func(status *cluster.Status) error {
		if status.Topology.Name != "apart" || status.Topology.Revision < 3 || !status.Settled {
			return fmt.Errorf("%+v, settled %v", status.Topology, status.Settled)
		}
		return nil
	})
	cluster.Until(t, site.Bound, "the very same sets and seats", func() error { return s.Same(before, nil) })
	s.looks("as before", serving(before))
	for _, e := range s.Events.Since(from, "assignment.") {
		if e.Node != at.Node {
			t.Errorf("beside the canary: %+v", e)
		}
	}
	s.Verdict()
}
