package change

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"roster/integration/cluster"
	"roster/integration/loopback"
	"roster/integration/site"
	v1 "roster/proto/roster/v1"
)

// trying lets a new topology begin with one node per pool.
func trying(bake time.Duration, onFail v1.OnFail) func(*v1.Topology) {
	return func(top *v1.Topology) {
		top.Policy.Rollout = &v1.RolloutPolicy{Canary: 1, Bake: durationpb.New(bake), OnFail: onFail}
		top.Policy.MaxMoving = &v1.Percent{Value: 100}
	}
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
func (s *scene) onlyOn(before []site.Duty, nodes []string) error {
	return s.Same(before, func(d site.Duty) bool { return slices.Contains(nodes, d.Node) })
}

func TestACanaryThatFailsPausesAndOneThatIsWellIsFollowed(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := newScene(t, site.Hosts(t))
	status := s.begin("service-specific")
	before, floors := s.MustDuties(), site.FloorsOf(status)

	// The first node that is tried cannot begin what it should.
	file := s.TopologyFile("unified", trying(2*time.Second, v1.OnFail_ON_FAIL_PAUSE))
	first := s.planOf(file).Waves[0].Moves
	at := first[slices.IndexFunc(first, func(m move) bool { return m.Action == "start" })]
	for _, m := range first {
		if m.Action == "start" && m.Node != at.Node {
			t.Errorf("the first wave is %+v: one node of the one pool goes first", first)
		}
	}
	free := occupy(t, s.nodes[slices.IndexFunc(s.nodes, func(n cluster.Node) bool { return n.ID == at.Node })], at.Service)
	defer free()
	s.Watcher.Floors(floors)
	s.Watcher.Applied("unified, with a canary that fails")
	s.applied(file)
	failed := s.rolls("the canary fails", func(r rollout) bool { return r.State == "paused" })
	if failed.Pause == nil || !strings.Contains(failed.Pause.Reason, "canary") || !strings.Contains(failed.Pause.Reason, at.Node) {
		t.Errorf("paused: %+v", failed.Pause)
	}
	if err := s.onlyOn(before, []string{at.Node}); err != nil {
		t.Errorf("beside the canary: %v", err)
	}
	cluster.Quiet(t, site.ReturnAfter, "while it is paused", func() error { return s.onlyOn(before, []string{at.Node}) })
	for _, sentence := range []string{"canary", at.Node} {
		status, err := s.Status()
		if err != nil || !strings.Contains(strings.Join(status.Sentences, " / "), sentence) {
			t.Errorf("status says nothing of %q: %v, %v", sentence, err, status.Sentences)
		}
	}

	// Back, mended, and tried again: this time the rest follows.
	s.CLI("rollout", "abort", "--yes").OK(t)
	s.Settled(site.Bound, "service-specific")
	cluster.Until(t, site.Bound, "as before", func() error { return s.Same(before, nil) })
	free()
	s.Watcher.Applied("unified, with a canary that is well")
	shown := s.applied(s.TopologyFile("unified", trying(3*time.Second, v1.OnFail_ON_FAIL_PAUSE)))
	tried := s.rolls("the canary is watched", func(r rollout) bool { return r.Canary != nil && len(r.Canary.Nodes) > 0 })
	if tried.Canary != nil {
		t.Logf("canary: %+v of %d waves", tried.Canary.Nodes, len(shown.Waves))
	}
	status = s.Settled(site.Bound, "unified")
	s.looks("unified", serving(s.MustDuties()))
	s.Watcher.Floors(site.FloorsOf(status))
	s.Watcher.Expect("unified", status.Ready())
	s.rolls("it is done", func(r rollout) bool { return r.State == "done" && r.Canary == nil })
	canaries := s.Events.Since(0, "rollout.canary")
	t.Logf("events: %+v", canaries)
	s.Verdict()
}

func TestACanaryThatFailsIsWalkedBackWherePolicySaysRevert(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := newScene(t, site.Hosts(t))
	status := s.begin("service-specific")
	before := s.MustDuties()
	file := s.TopologyFile("paired", trying(2*time.Second, v1.OnFail_ON_FAIL_REVERT))
	first := s.planOf(file).Waves[0].Moves
	at := first[slices.IndexFunc(first, func(m move) bool { return m.Action == "start" })]
	canary := map[string]bool{}
	for _, m := range first {
		if m.Action != "reseat" {
			canary[m.Node] = true
		}
	}
	free := occupy(t, s.nodes[slices.IndexFunc(s.nodes, func(n cluster.Node) bool { return n.ID == at.Node })], at.Service)
	defer free()
	s.Watcher.Floors(site.FloorsOf(status))
	s.Watcher.Applied("paired, with a canary that fails")
	s.applied(file)
	status = s.Until(site.Bound, "walked back", func(status *cluster.Status) error { return nil })
	status = s.Settled(site.Bound, "service-specific")
	if status.Topology.Revision < 3 {
		t.Errorf("revision %d: going back is a revision of its own", status.Topology.Revision)
	}
	cluster.Until(t, site.Bound, "the very same sets and seats", func() error { return s.Same(before, nil) })
	s.looks("as before", serving(before))
	s.Watcher.Expect("as before", status.Ready())
	for _, e := range s.Events.Since(0, "assignment.start") {
		if !canary[e.Node] {
			t.Logf("beside the canary's first wave: %+v", e)
		}
	}
	s.Verdict()
}
