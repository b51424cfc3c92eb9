package members

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"
	"time"

	"roster/integration/cluster"
)

// sessions are the members that an agent had sessions with so far, in order.
func sessions(t *testing.T, a *cluster.Agent) []string {
	t.Helper()
	text, err := os.ReadFile(a.Log)
	if err != nil {
		t.Fatal(err)
	}
	var members []string
	for _, m := range regexp.MustCompile(`msg=session node=\S+ member=(\S+)`).FindAllStringSubmatch(string(text), -1) {
		members = append(members, m[1])
	}
	return members
}

// reconnects kills a member and wants its own agents to go elsewhere, and those
// of the others to stay where they are.
func (s *site) reconnects(what string, m *cluster.Member) {
	s.t.Helper()
	before := map[string][]string{}
	at := 0
	for _, a := range s.agents {
		before[a.Name] = sessions(s.t, a)
		if list := before[a.Name]; len(list) > 0 && list[len(list)-1] == m.Address {
			at++
		}
	}
	begun := time.Now()
	m.Kill()
	cluster.Until(s.t, bound, what+": its agents are elsewhere", func() error {
		for _, a := range s.agents {
			list := before[a.Name]
			if len(list) == 0 || list[len(list)-1] != m.Address {
				continue
			}
			now := sessions(s.t, a)
			if last := now[len(now)-1]; len(now) == len(list) || last == m.Address {
				return fmt.Errorf("%s is at %s", a.Name, last)
			}
		}
		return nil
	})
	s.t.Logf("%s: %d agents had their session there; all were elsewhere %s later", what, at, time.Since(begun).Round(time.Millisecond))
	for _, a := range s.agents {
		list := before[a.Name]
		if len(list) > 0 && list[len(list)-1] == m.Address {
			continue
		}
		if now := sessions(s.t, a); len(now) != len(list) {
			s.t.Errorf("%s: %s had its session elsewhere, and lost it: %v", what, a.Name, now[len(list):])
		}
	}
}

// busiest is the member with most agents' sessions.
func (s *site) busiest(among []*cluster.Member) *cluster.Member {
	s.t.Helper()
	at := map[string]int{}
	for _, a := range s.agents {
		if list := sessions(s.t, a); len(list) > 0 {
			at[list[len(list)-1]]++
		}
	}
	return slices.MaxFunc(among, func(a, b *cluster.Member) int { return cmp.Compare(at[a.Address], at[b.Address]) })
}

func TestNothingAcknowledgedIsLostWhoeverOfTheMembersIsKilled(t *testing.T) {
	s := newSite(t, 3)
	s.apply("first", "node-[1-2]", "node-[3-4]")
	o := dialAll(t, s.whole("all is well", "first", 3))
	// Two writers: one request at a time each, through different members.
	one, two := s.writeTo("node-3"), s.writeTo("node-4")

	for range 2 {
		leader := s.Leader(bound)
		one.recovers(t, "kill -9 the leader", func() { s.reconnects("kill -9 the leader", leader) })
		leader.Start()
		s.whole("the leader is back", "first", 3)
	}
	follower := s.busiest(s.Members)
	if follower == s.Leader(bound) {
		s.CLI("member", "transfer", s.others(follower)[0].Name).OK(t)
	}
	one.recovers(t, "kill -9 a follower with its agents' sessions", func() { s.reconnects("kill -9 a follower", follower) })
	follower.Start()
	s.whole("the follower is back", "first", 3)

	one.recovers(t, "kill -9 all members, and start them again", func() {
		for _, m := range s.Members {
			m.Kill()
		}
		for _, m := range s.Members {
			m.Start()
		}
	})
	two.reaches(t, 20)
	s.whole("all members are back", "first", 3)
	s.kept(one)
	s.kept(two)
	o.neverFailed("kills")
	s.sameAgents()
	s.nothingStopped()
}
