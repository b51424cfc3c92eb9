package server

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"roster/fsm"
	"roster/integration/loopback"
	v1 "roster/proto/roster/v1"
	"roster/server/raftnode"
)

// membersNow are the members, and those of them that vote.
func (g *group) membersNow(r *running) (ids, voters []string) {
	g.t.Helper()
	list, err := v1.NewClusterServiceClient(g.client("m1", r.address)).ListMembers(g.within(), &v1.ListMembersRequest{})
	if err != nil {
		g.t.Fatal(err)
	}
	for _, m := range list.GetMembers() {
		ids = append(ids, m.GetId())
		if m.GetVoter() {
			voters = append(voters, m.GetId())
		}
	}
	return ids, voters
}

func TestTheOldMemberStaysUntilItsReplacementHasAVote(t *testing.T) {
	g := startGroup(t, 3, nil)
	old, leader := g.follower(), g.leader()
	oldID := old.member.ID()
	id, address, raft := raftnode.NewMemberID(), loopback.FreeAddress(t), loopback.FreeAddress(t)
	api := g.client("m1", leader.address)
	answer, err := v1.NewClusterServiceClient(api).JoinMember(g.within(), &v1.JoinMemberRequest{
		RequestId: api.RequestID(), Member: &v1.Member{Id: id, Name: "m4", RaftAddress: raft, Address: address, MaxSchema: fsm.Schema},
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "m4")
	if err := raftnode.PrepareJoin(dir, raftnode.Identity{
		ID: id, Name: "m4", ClusterID: answer.GetCluster().GetId(), ClusterName: testCluster, RaftAddress: raft, Address: address,
		Profile: answer.GetCluster().GetProfile(), Epoch: answer.GetCluster().GetEpoch(), Replaces: oldID,
	}); err != nil {
		t.Fatal(err)
	}
	m, err := New(Config{Dir: dir, Heartbeat: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}

	// It gets the log, and does not ask for its vote.
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	replaced := make(chan struct{})
	running.Go(func() {
		if err := m.raft.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	running.Go(func() {
		if err := m.serve(ctx); err != nil {
			t.Error(err)
		}
	})
	running.Go(func() {
		defer close(replaced)
		if err := m.replace(ctx); err != nil {
			t.Error(err)
		}
	})
	defer func() {
		stop()
		running.Wait()
		m.peers.Close()
	}()
	g.until("the new member knows the old one", func() bool { return m.machine.State().Member(oldID) != nil })
	select {
	case <-replaced:
		t.Error("it had no vote, and the old one is gone")
	case <-time.After(5 * replaceEvery): // as often it looked
	}
	if ids, voters := g.membersNow(leader); len(ids) != 4 || !slices.Contains(voters, oldID) || slices.Contains(voters, id) {
		t.Errorf("members %v, %v vote", ids, voters)
	}

	running.Go(func() {
		if err := m.introduce(ctx); err != nil {
			t.Error(err)
		}
	})
	select {
	case <-replaced:
	case <-time.After(time.Minute):
		t.Fatal("it has its vote, and the old one is still there")
	}
	if err := <-old.done; !errors.Is(err, raftnode.ErrRemoved) {
		t.Errorf("the old one ended with %v", err)
	}
	old.stop()
	old.member = nil
	ids, voters := g.membersNow(leader)
	if len(ids) != 3 || len(voters) != 3 || slices.Contains(ids, oldID) || !slices.Contains(voters, id) {
		t.Errorf("members %v, %v vote", ids, voters)
	}
}

func TestAReplacementThatWouldCostTheQuorumWaits(t *testing.T) {
	g := startGroup(t, 3, nil)
	leader := g.leader()
	var old, other *running
	for _, r := range g.members {
		switch {
		case r == leader:
		case old == nil:
			old = r
		default:
			other = r
		}
	}
	// As a member that has its vote would do it; but of the two others, one is dead.
	m := leader.member
	m.identity.Replaces = old.member.ID()
	g.kill(other)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	replaced := make(chan error, 1)
	go func() { replaced <- m.replace(ctx) }()
	select {
	case err := <-replaced:
		t.Errorf("it was done: %v", err)
	case <-time.After(5 * replaceEvery):
	}
	if ids, voters := g.membersNow(leader); len(ids) != 3 || len(voters) != 3 {
		t.Errorf("members %v, %v vote", ids, voters)
	}
	g.start(other)
	select {
	case err := <-replaced:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the other one is back, and the old one still there")
	}
	if err := <-old.done; !errors.Is(err, raftnode.ErrRemoved) {
		t.Errorf("the old one ended with %v", err)
	}
	old.stop()
	old.member = nil
}
