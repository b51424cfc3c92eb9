package members

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"roster/integration/cluster"
)

func TestALostQuorumIsRecoveredOnTheMemberThatIsLeft(t *testing.T) {
	s := newSite(t, 3)
	s.apply("first", "node-[1-2]", "node-[3-4]")
	before := s.whole("all is well", "first", 3)
	epoch := s.epoch()
	o := dialAll(t, before)
	w := s.writeTo("node-4")

	w.reaches(t, 50)
	// The leader has everything that was acknowledged.
	survivor := s.Leader(bound)
	gone := s.others(survivor)
	kept := map[*cluster.Member]string{}
	for _, m := range gone {
		kept[m] = "" // copied once it is killed: a running one writes
		m.Kill()
	}
	for _, m := range gone {
		kept[m] = s.copyOf(m)
		if err := os.RemoveAll(m.Data); err != nil {
			t.Fatal(err)
		}
	}
	acked, sent := w.end()
	s.noQuorum(survivor)

	result := cluster.Run(t, "member", "recover", "--data", survivor.Data, "--yes")
	if result.Code != 1 {
		t.Errorf("a running member was recovered: %s", result)
	}
	says(t, result.Stderr, "in use", fmt.Sprint(survivor.PID()))
	survivor.Stop()
	result = cluster.Run(t, "member", "recover", "--data", survivor.Data)
	if result.Code != 1 {
		t.Errorf("it was not asked: %s", result)
	}
	says(t, result.Stdout, "last entry", "of term", "forgotten", gone[0].Name, gone[1].Name)
	says(t, result.Stderr, "nothing was changed", "--yes")
	result = cluster.Run(t, "member", "recover", "--data", survivor.Data, "--yes").OK(t)
	t.Log(result)
	says(t, result.Stdout, "last entry", "committed", "lost", "roster server --data", "delete its data folder", "roster join")
	result = cluster.Run(t, "member", "recover", "--data", survivor.Data, "--yes")
	if result.Code != 1 {
		t.Errorf("a member that needs nobody was recovered: %s", result)
	}
	says(t, result.Stderr, "start it")

	s.Members = []*cluster.Member{survivor}
	survivor.Start()
	after := s.whole("the recovered cluster is well", "first", 1)
	if got, want := sets(after), sets(before); !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("nodes serve %v, served %v", got, want)
	}
	if now := s.epoch(); now <= epoch {
		t.Errorf("epoch %d after %d", now, epoch)
	}
	if label := s.label("node-4"); label != fmt.Sprint(acked) && label != fmt.Sprint(sent) {
		t.Errorf("acknowledged %d, sent %d, the cluster has %q", acked, sent, label)
	}

	s.turnedAway(gone, kept)
	s.grow("first", s.Further(gone[0].Name, gone[0]), s.Further(gone[1].Name, gone[1]))
	w = s.writeTo("node-4")
	w.recovers(t, "a recovered cluster loses its leader", func() { s.Leader(bound).Kill() })
	s.kept(w)
	o.neverFailed("recovery")
	s.sameAgents()
	s.nothingStopped()
}

// noQuorum wants the last member to say what is the matter.
func (s *site) noQuorum(left *cluster.Member) {
	s.t.Helper()
	cluster.Until(s.t, bound, "status says that there is no quorum", func() error {
		result := cluster.Run(s.t, append([]string{"status", "--member", left.Address}, s.UserFlags()...)...)
		if result.Code != 4 {
			return fmt.Errorf("%s", result)
		}
		return nil
	})
	result := cluster.Run(s.t, append([]string{"status", "--member", left.Address}, s.UserFlags()...)...)
	says(s.t, result.Stdout, "NO QUORUM")
}

// turnedAway starts the old members on what they had: both stop with an
// instruction, and the recovered cluster does not notice.
func (s *site) turnedAway(gone []*cluster.Member, kept map[*cluster.Member]string) {
	t := s.t
	t.Helper()
	value := s.label("node-4")
	for _, m := range gone {
		if err := os.CopyFS(m.Data, os.DirFS(kept[m])); err != nil {
			t.Fatal(err)
		}
		// Its host joins it again without a thought.
		result := s.Join(m)
		if result.Code != 1 {
			t.Errorf("an old folder joined: %s", result)
		}
		says(t, result.Stderr, "epoch", "delete "+m.Data)
	}
	for _, m := range gone {
		m.Start() // both: they are a majority of the old group
	}
	for _, m := range gone {
		if !m.Ended() {
			t.Fatalf("%s, which is of the old history, runs on", m.Name)
		}
		if m.ExitCode() != 1 {
			t.Errorf("%s ended with exit code %d", m.Name, m.ExitCode())
		}
		says(t, m.Said(), "recovered or restored", "delete "+m.Data, "roster join")
	}
	if status := s.whole("the old members changed nothing", "first", 1); len(status.Members) != 1 {
		t.Errorf("members %+v", status.Members)
	}
	if now := s.label("node-4"); now != value {
		t.Errorf("the label was %s, is %s", value, now)
	}
}
