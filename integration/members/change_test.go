package members

import (
	"fmt"
	"slices"
	"testing"

	"roster/integration/cluster"
)

// gone waits until the process of a removed member has ended and said why.
func gone(t *testing.T, m *cluster.Member) {
	t.Helper()
	if !m.Ended() {
		t.Fatalf("%s, which was removed, runs on", m.Name)
	}
	if m.ExitCode() != 1 {
		t.Errorf("%s ended with exit code %d", m.Name, m.ExitCode())
	}
	says(t, m.Said(), "was removed from the cluster", "roster join")
}

func TestAMemberIsReplacedWhetherItLivesOrNot(t *testing.T) {
	s := newSite(t, 3)
	s.apply("first", "node-[1-2]", "node-[3-4]")
	o := dialAll(t, s.whole("all is well", "first", 3))
	w := s.writeTo("node-4")

	replace := func(old *cluster.Member, name string) {
		t.Helper()
		m := s.Further(name, nil)
		says(t, s.Join(m, "--replace", old.Name).OK(t).Stdout, "It replaces member")
		s.Join(m, "--replace", old.Name).OK(t) // run again, as where it broke off
		if status := s.leads("joined"); !slices.ContainsFunc(status.Members, func(m cluster.StatusMember) bool { return m.Name == old.Name }) {
			t.Errorf("%s is gone before %s was started", old.Name, name)
		}
		m.Start()
		s.Members = append(s.others(old), m)
		s.Until(bound, name+" has replaced "+old.Name, func(status *cluster.Status) error {
			voting := 0
			for _, one := range status.Members {
				if one.Name == old.Name {
					return fmt.Errorf("%s is there", old.Name)
				}
				if one.Voter {
					voting++
				}
			}
			if voting != 3 || len(status.Members) != 3 {
				return fmt.Errorf("%d of %d vote", voting, len(status.Members))
			}
			return nil
		})
	}

	dead := s.others(s.Leader(bound))[0]
	dead.Kill()
	s.refusedReplacements(dead)
	w.recovers(t, "a dead member is replaced", func() { replace(dead, "member-4") })
	leader := s.Leader(bound)
	w.recovers(t, "the leader is replaced", func() { replace(leader, "member-5") })
	gone(t, leader)

	// The dead one comes back to a cluster that it is not in any more.
	dead.Start()
	gone(t, dead)
	s.kept(w)
	o.neverFailed("replacements")
	s.whole("all is well", "first", 3)
	s.sameAgents()
}

// refusedReplacements tries what cannot be.
func (s *site) refusedReplacements(old *cluster.Member) {
	t := s.t
	t.Helper()
	result := s.Join(s.Further("member-8", nil), "--replace", "nobody")
	if result.Code != 1 {
		t.Errorf("%s", result)
	}
	says(t, result.Stderr, `no member "nobody"`)
	result = s.Join(s.Further(old.Name, nil), "--replace", old.Name)
	if result.Code != 1 {
		t.Errorf("%s", result)
	}
	says(t, result.Stderr, "has that name", "roster member remove")
}

func TestALeaderLeavesWhileWritesGoOn(t *testing.T) {
	s := newSite(t, 3)
	s.apply("first", "node-[1-2]", "node-[3-4]")
	o := dialAll(t, s.whole("all is well", "first", 3))
	w := s.writeTo("node-4")
	leader := s.Leader(bound)
	left := s.others(leader)
	w.recovers(t, "the leader leaves", func() {
		s.CLI("member", "leave", leader.Name, "--yes").OK(t)
		gone(t, leader)
	})
	s.Members = left
	s.whole("two members are left", "first", 2)
	// Of two, none can be spared once one is dead.
	follower := s.others(s.Leader(bound))[0]
	follower.Kill()
	result := s.CLI("member", "remove", follower.Name, "--yes", "--timeout", "5s")
	if result.Code == 0 {
		t.Errorf("a member was removed without a quorum: %s", result)
	}
	follower.Start()
	s.whole("both are there", "first", 2)
	s.kept(w)
	o.neverFailed("leave")
	s.sameAgents()
}
