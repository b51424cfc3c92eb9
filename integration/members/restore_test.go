package members

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"roster/integration/cluster"
	"roster/integration/session"
)

// sessionOf is the address of a service on a node.
func (s *site) addressOf(node, service string) string {
	s.t.Helper()
	for _, n := range s.nodes {
		for _, one := range n.Services {
			if n.ID == node && one.Name == service {
				return cluster.Targets(n)[slices.IndexFunc(n.Services, func(o cluster.Service) bool { return o.Name == service })].Address
			}
		}
	}
	s.t.Fatalf("no %s on %s", service, node)
	return ""
}

// restoreAt makes a member out of a snapshot at the place of one that is lost.
func (s *site) restoreAt(lost *cluster.Member, file string) *cluster.Member {
	s.t.Helper()
	m := s.Further(lost.Name, lost)
	result := cluster.Run(s.t, append([]string{"member", "restore", "--from", file}, m.Place()...)...).OK(s.t)
	says(s.t, result.Stdout, "epoch", "forgotten", "roster server --data "+m.Data, "roster join")
	s.Members = []*cluster.Member{m}
	m.Start()
	return m
}

func TestASavedClusterIsRestoredAndNothingThatServesIsStopped(t *testing.T) {
	s := newSite(t, 3)
	s.apply("first", "node-[1-2]", "node-[3-4]")
	before := s.whole("all is well", "first", 3)
	epoch := s.epoch()
	text := s.CLI("topology", "get").OK(t).Stdout

	// Saved while writes go on, from whichever member answers.
	w := s.writeTo("node-4")
	file := filepath.Join(s.Dir, "roster.snapshot")
	least := w.newest()
	s.CLI("member", "snapshot", "save", file).OK(t)
	w.reaches(t, 10)
	acked, sent := w.end()
	t.Logf("the snapshot: %v", saved(t, file))

	o := dialAll(t, before)
	imap := session.Open(t, s.addressOf("node-1", "imap"))
	lost := s.Members[0]
	s.loseForGood(s.Members...)

	s.refusedRestores(file)
	s.restoreAt(lost, file)
	after := s.whole("the restored cluster is well", "first", 1)
	if got, want := sets(after), sets(before); !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("nodes serve %v, served %v", got, want)
	}
	if now := s.epoch(); now <= epoch {
		t.Errorf("epoch %d after %d", now, epoch)
	}
	if now := s.CLI("topology", "get").OK(t).Stdout; now != text {
		t.Errorf("the topology is now\n%s\nit was\n%s", now, text)
	}
	var value int
	if _, err := fmt.Sscan(s.label("node-4"), &value); err != nil || value < least || value > sent {
		t.Errorf("the label is %d (%v); %d was acknowledged before it was saved, %d in the end", value, err, least, acked)
	}

	s.grow("first", s.Further("member-2", s.oldPlace(2)), s.Further("member-3", s.oldPlace(3)))
	w = s.writeTo("node-4")
	w.recovers(t, "a restored cluster loses its leader", func() { s.Leader(bound).Kill() })
	s.kept(w)

	o.neverFailed("restore")
	if err := imap.Lives(); err != nil {
		t.Errorf("an IMAP session over it all: %v", err)
	}
	s.sameAgents()
	s.nothingStopped()
}

// oldPlace is where a member of the first group was: its addresses were kept by
// the agents.
func (s *site) oldPlace(number int) *cluster.Member {
	return s.first[number-1]
}

// nothingStopped wants no agent to have stopped a service.
func (s *site) nothingStopped() {
	s.t.Helper()
	for _, a := range s.agents {
		text, err := os.ReadFile(a.Log)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, line := range strings.Split(string(text), "\n") {
			if strings.Contains(line, "service stopped") || strings.Contains(line, "service drains") || strings.Contains(line, "ended by itself") {
				s.t.Errorf("%s: %s", a.Name, line)
			}
		}
	}
}

// refusedRestores tries what must not be restored, and where nothing may be.
func (s *site) refusedRestores(file string) {
	t := s.t
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m := s.Further("member-1", nil)
	refused := func(from string, dir string, words ...string) {
		t.Helper()
		args := append([]string{"member", "restore", "--from", from}, m.Place()...)
		for i := range args {
			if args[i] == m.Data && dir != "" {
				args[i] = dir
			}
		}
		result := cluster.Run(t, args...)
		if result.Code != 1 {
			t.Errorf("exit code %d: %s", result.Code, result)
		}
		says(t, result.Stderr, words...)
		if _, err := os.Stat(m.Data); !os.IsNotExist(err) {
			t.Errorf("a data folder was made: %v", err)
		}
	}
	flipped := slices.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	refused(s.File("torn", string(whole[:len(whole)-7])), "", "not a whole snapshot", "another copy")
	refused(s.File("flipped", string(flipped)), "", "not a whole snapshot", "another copy")
	refused(filepath.Join(s.Dir, "missing"), "", "no such file")
	refused(s.Dir, "", "it is no file")
	refused(file, s.Dir, "not empty")
	result := cluster.Run(t, append([]string{"member", "restore"}, m.Place()...)...)
	if result.Code != 1 {
		t.Errorf("exit code %d: %s", result.Code, result)
	}
	says(t, result.Stderr, "--from")
}

func TestARestoreOfAnOlderSnapshotStopsNothingAbruptly(t *testing.T) {
	s := newSite(t, 1)
	s.apply("first", "node-[1-2]", "node-[3-4]")
	file := filepath.Join(s.Dir, "roster.snapshot")
	s.CLI("member", "snapshot", "save", file).OK(t)
	// Since then everything has moved.
	s.apply("second", "node-[3-4]", "node-[1-2]")
	s.whole("all is well", "second", 1)

	watcher := cluster.Watch(t, cluster.Targets(s.nodes...), dialEvery, heartbeat)
	watcher.Floors(floors)
	imap := session.Open(t, s.addressOf("node-3", "imap"))
	lost := s.Members[0]
	s.loseForGood(s.Members...)
	watcher.Applied("an older snapshot was restored")
	s.restoreAt(lost, file)

	// What imap serves on node-3 is known to the old topology no more: it goes in
	// order, which is when its session has ended.
	s.Until(bound, "the old topology is true but for the session", func(status *cluster.Status) error {
		got := sets(status)
		if !slices.Contains(got["node-1"], "imap") || !slices.Contains(got["node-2"], "imap") || !slices.Contains(got["node-3"], "jmap") || !slices.Contains(got["node-4"], "jmap") {
			return fmt.Errorf("nodes serve %v: %v", got, status.Sentences)
		}
		for service, floor := range floors {
			if status.Services[service].Ready < floor {
				return fmt.Errorf("%d %s are ready", status.Services[service].Ready, service)
			}
		}
		return nil
	})
	if err := imap.Lives(); err != nil {
		t.Errorf("a session of what the old topology does not know: %v", err)
	}
	imap.End() // it may go now
	s.whole("the old topology is true", "first", 1)
	watcher.Expect("the old topology", floors)
	watcher.Verdict()
	s.sameAgents()
}
