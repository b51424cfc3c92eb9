package server

import (
	"strings"
	"testing"

	v1 "roster/proto/roster/v1"
)

func TestADeadMemberIsSeenOnEveryMemberAndNamedWithoutALeader(t *testing.T) {
	t.Parallel() // it waits most of the time
	g := startGroup(t, 3, nil)
	status := func(of *running) *v1.Status {
		answer, err := v1.NewClusterServiceClient(g.client("", of.address)).GetStatus(g.within(), &v1.GetStatusRequest{})
		if err != nil {
			return nil
		}
		return answer.GetStatus()
	}
	state := func(s *v1.Status, name string) v1.MemberState {
		for _, m := range s.GetMembers() {
			if m.GetName() == name {
				return m.GetState()
			}
		}
		return v1.MemberState_MEMBER_STATE_UNSPECIFIED
	}
	dead, leader := g.follower(), g.leader()
	var third *running
	for _, r := range g.members {
		if r != dead && r != leader {
			third = r
		}
	}
	for _, r := range g.members {
		for _, of := range g.members {
			g.until(r.name+" sees "+of.name, func() bool { return state(status(r), of.name) == v1.MemberState_MEMBER_STATE_UP })
		}
	}
	g.kill(dead)
	for _, r := range []*running{leader, third} {
		g.until(r.name+" misses "+dead.name, func() bool {
			s := status(r)
			return s.GetState() == v1.StatusState_STATUS_STATE_DEGRADED && state(s, dead.name) == v1.MemberState_MEMBER_STATE_SILENT &&
				strings.Contains(strings.Join(s.GetSentences(), "\n"), "Member "+dead.name+" ("+dead.address+") was not heard for ")
		})
	}
	list, err := v1.NewClusterServiceClient(g.client("", third.address)).ListMembers(g.within(), &v1.ListMembersRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list.GetMembers() {
		want := v1.MemberState_MEMBER_STATE_UP
		if m.GetName() == dead.name {
			want = v1.MemberState_MEMBER_STATE_SILENT
		}
		if m.GetState() != want || (m.GetSilent() != nil) != (m.GetName() == dead.name) {
			t.Errorf("listed: %v", m)
		}
	}

	g.kill(leader)
	s := status(third)
	all := strings.Join(s.GetSentences(), "\n")
	if s.GetState() != v1.StatusState_STATUS_STATE_NO_QUORUM || !strings.Contains(all, "Start the missing members: ") ||
		!strings.Contains(all, leader.name+" ("+leader.address+")") || !strings.Contains(all, dead.name+" ("+dead.address+")") ||
		!strings.Contains(all, "member "+third.name+" knew last") {
		t.Errorf("without a leader: %v\n%s", s, all)
	}

	// Started again alone, it has not even the members' records.
	g.end(third)
	g.start(third)
	g.until("the others are missed by their ids", func() bool {
		s := status(third)
		all := strings.Join(s.GetSentences(), "\n")
		return strings.Contains(all, "member "+third.name+" knew last") && strings.Contains(all, "Start the missing members: ") &&
			strings.Contains(all, "(raft address "+leader.raft+")") && !strings.Contains(all, "No topology")
	})
	g.start(dead)
	g.leader()
	g.until("it is heard again", func() bool { return state(status(third), dead.name) == v1.MemberState_MEMBER_STATE_UP })
}
