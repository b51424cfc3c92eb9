package change

import (
	"slices"
	"testing"
	"time"

	"roster/integration/cluster"
	"roster/integration/require"
	"roster/integration/session"
	"roster/integration/site"
)

// A rollout is stopped in its middle: at a wave that drains an IMAP server which
// still has a session.

// stuck carries a model out as far as the last wave but one that drains imap, and
// returns the session that it waits for.
func (s *scene) stuck(model string, floors map[string]int) *session.Session {
	s.t.Helper()
	file := s.TopologyFile(model, nil)
	var middle []move
	for _, w := range s.planOf(file).Waves {
		for _, m := range w.Moves {
			if m.Action == "drain" && m.Service == "imap" {
				middle = append(middle, m)
				break
			}
		}
	}
	if len(middle) == 0 {
		s.t.Fatalf("no wave towards %s drains imap", model)
	}
	at := middle[max(0, len(middle)-2)]
	open := session.Open(s.t, s.addressOf("imap", at.Node))
	s.Watcher.Floors(site.Lower(floors, nextFloors(s.planOf(file), model)))
	s.Watcher.Applied(model)
	s.applied(file)
	s.drains("imap", at.Node)
	return open
}

// untouched waits until nothing is in flight any more of a rollout that stands still,
// and then for a while in which nothing changes.
func (s *scene) untouched(what string) []site.Duty {
	s.t.Helper()
	var before []site.Duty
	cluster.Until(s.t, site.Bound, what, func() error {
		before = s.MustDuties()
		<-time.After(site.Heartbeat)
		return s.Same(before, nil)
	})
	s.looks(what, serving(before))
	cluster.Quiet(s.t, 2*site.Heartbeat, what, func() error { return s.Same(before, nil) })
	return before
}

// aborted takes a cluster half of the way and back.
func (s *scene) aborted(from, to string) {
	s.t.Helper()
	name := from + " to " + to + " and back"
	status := s.Apply(from, s.TopologyFile(from, nil))
	before, floors := s.MustDuties(), site.FloorsOf(status)
	s.Watcher.Floors(floors)
	s.looks(from, serving(before))
	open := s.stuck(to, floors)
	now := s.MustDuties()
	moved := 0
	for _, d := range now {
		if !slices.Contains(before, d) {
			moved++
		}
	}
	if moved == 0 {
		s.t.Errorf("%s: nothing had moved yet", name)
	}
	s.Watcher.Applied("abort: " + name)
	result := s.CLI("rollout", "abort", "--yes", "--reason", "second thoughts").OK(s.t)
	says(s.t, "rollout abort", result.Stdout+result.Stderr, "walks back")
	status = s.Settled(site.Bound, from)
	cluster.Until(s.t, site.Bound, name+": the very same sets and seats", func() error { return s.Same(before, nil) })
	s.looks(name, serving(before))
	s.Watcher.Floors(site.FloorsOf(status))
	s.Watcher.Expect(name, status.Ready())
	if err := open.Lives(); err != nil {
		s.t.Errorf("%s: a session on what was drained and taken back: %v", name, err)
	}
	open.End()
	s.rolls(name+": over", func(r rollout) bool { return r.State == "done" })
	s.t.Logf("%s: %d of %d assignments were others when it was aborted", name, moved, len(now))
}

func TestAnAbortInTheMiddleReturnsToTheVerySameSets(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := newScene(t, site.Hosts(t))
	status := s.begin("mixed")
	if r := s.CLI("rollout", "abort", "--yes"); r.Code != 1 {
		t.Errorf("abort where nothing is in progress: %s", r)
	}
	s.aborted("mixed", "geographic")

	// Pause and resume on the way, and an abort of what is paused.
	before, floors := s.MustDuties(), site.FloorsOf(status)
	open := s.stuck("paired", floors)
	s.CLI("rollout", "pause", "--reason", "look at it first").OK(t)
	paused := s.rolls("it is paused", func(r rollout) bool { return r.State == "paused" })
	if paused.Pause == nil || paused.Pause.Reason != "look at it first" || paused.Starts+paused.Stops == 0 {
		t.Errorf("paused: %+v", paused)
	}
	if err := open.Lives(); err != nil {
		t.Error(err)
	}
	open.End() // what was begun is finished, nothing else is begun
	half := s.untouched("while it is paused")
	if err := s.Same(before, nil); err == nil {
		t.Error("nothing had moved when it was paused")
	}
	if r := s.CLI("rollout", "pause"); r.Code != 0 {
		t.Errorf("a pause of what is paused: %s", r)
	}
	s.CLI("rollout", "resume").OK(t)
	status = s.Settled(site.Bound, "paired")
	if err := s.Same(half, nil); err == nil {
		t.Error("nothing moved after it was resumed")
	}
	s.Watcher.Floors(site.FloorsOf(status))
	s.looks("paired", serving(s.MustDuties()))
	s.Watcher.Expect("paired", status.Ready())
	if r := s.CLI("rollout", "resume"); r.Code != 1 {
		t.Errorf("resume of what is not paused: %s", r)
	}
	s.Verdict()
}

func TestAbortsReturnFromEveryModel(t *testing.T) {
	require.Slow(t)
	t.Parallel() // it waits most of the time
	s := newScene(t, site.Hosts(t))
	s.begin("unified")
	for _, pair := range [][2]string{
		{"unified", "paired"}, {"unified", "service-specific"}, {"unified", "geographic"}, {"paired", "service-specific"},
		{"weighted", "geographic"}, {"mixed", "weighted"}, {"mixed", "service-specific"},
	} {
		s.aborted(pair[0], pair[1])
	}
	s.Verdict()
}
