package raftnode

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"roster/integration/loopback"
	storev1 "roster/proto/roster/store/v1"
)

func TestAMemberJoinsWithoutAVoteAndIsPromoted(t *testing.T) {
	c := newCluster(t, nil)
	c.write("k", "1")
	m := c.prepare()
	m.start()
	leader := c.leader()
	must(t, leader.node.AddNonvoter(ctxFor(t), m.identity.ID, m.identity.RaftAddress))
	c.catchUp(m)
	if got := get(m.machine, "k"); got != "1" {
		t.Errorf("it caught up and reads %q", got)
	}
	if voters := leader.node.Voters(); !slices.Equal(voters, []string{leader.identity.ID}) {
		t.Errorf("before its promotion %v vote", voters)
	}
	wantError(t, leader.node.Transfer(ctxFor(t), m.identity.ID), ErrNotHandedOver, "no vote")
	must(t, leader.node.Promote(ctxFor(t), m.identity.ID))
	must(t, leader.node.Promote(ctxFor(t), m.identity.ID))
	if voters := leader.node.Voters(); len(voters) != 2 {
		t.Errorf("after its promotion %v vote", voters)
	}
	wantError(t, leader.node.Promote(ctxFor(t), "nobody"), ErrUnknownMember)
	wantError(t, leader.node.Remove(ctxFor(t), "nobody"), ErrUnknownMember)
	wantError(t, leader.node.AddNonvoter(ctxFor(t), "x", "nowhere"), nil, "host:port")
}

func TestTheOnlyVoterIsNotRemoved(t *testing.T) {
	c := newCluster(t, nil)
	leader := c.leader()
	wantError(t, leader.node.Remove(ctxFor(t), leader.identity.ID), ErrLastVoter)
	c.write("k", "1")
}

func TestALaggingMemberGetsASnapshot(t *testing.T) {
	c := newClusterOf(t, 3, func(cfg *Config) { cfg.SnapshotThreshold = 8 })
	late := c.follower()
	must(t, late.halt())
	for i := range 60 {
		c.write(fmt.Sprintf("k%d", i%5), fmt.Sprint(i))
	}
	leader := c.leader()
	index, size, err := leader.node.Snapshot(ctxFor(t))
	if err != nil || index < 60 || size == 0 {
		t.Fatalf("snapshot at %d of %d bytes (%v)", index, size, err)
	}
	if first, err := leader.node.log.FirstIndex(); err != nil || first < 40 {
		t.Fatalf("the log begins at %d (%v): nothing was cut off, so no snapshot would be sent", first, err)
	}
	again, _, err := leader.node.Snapshot(ctxFor(t))
	if err != nil || again < index {
		t.Errorf("a second snapshot at %d after %d (%v)", again, index, err)
	}
	last := c.write("k", "last")
	late.start()
	must(t, late.node.WaitApplied(ctxFor(t), last))
	if kept, err := late.node.snapshots.List(); err != nil || len(kept) == 0 {
		t.Errorf("it caught up without a snapshot: %v (%v)", kept, err)
	}
	for _, key := range []string{"k0", "k4", "k"} {
		if got, want := get(late.machine, key), get(leader.machine, key); got != want || want == "" {
			t.Errorf("%s reads %q, the leader %q", key, got, want)
		}
	}
	must(t, late.halt())
	late.start()
	must(t, late.node.WaitApplied(ctxFor(t), last))
}

func TestARemovedMemberStopsAndSaysWhy(t *testing.T) {
	c := newClusterOf(t, 3, nil)
	gone := c.follower()
	c.remove(gone)
	wantError(t, gone.end(), ErrRemoved, "roster join", gone.dir)
	c.write("k", "1")
	if voters := c.leader().node.Voters(); len(voters) != 2 {
		t.Errorf("%v vote", voters)
	}
}

func (c *testCluster) remove(m *testMember) {
	c.t.Helper()
	c.onLeader(func(ctx context.Context, l *testMember) error { return l.node.Remove(ctx, m.identity.ID) })
}

func TestALeaderThatIsRemovedHandsOverFirst(t *testing.T) {
	c := newClusterOf(t, 3, nil)
	gone := c.leader()
	c.remove(gone)
	wantError(t, gone.end(), ErrRemoved)
	c.write("k", "1")
}

func TestAMemberIsFoundAtItsNewAddress(t *testing.T) {
	addresses := map[string]string{}
	c := newClusterOf(t, 3, func(cfg *Config) {
		cfg.ResolvePeer = func(id string) string { return addresses[id] }
	})
	mover := c.follower()
	index := c.write("k", "1")
	must(t, mover.node.WaitApplied(ctxFor(t), index))
	// All stop while the map changes: nothing may read it then.
	for _, m := range c.members {
		must(t, m.halt())
	}
	mover.identity.RaftAddress = loopback.FreeAddress(t)
	addresses[mover.identity.ID] = mover.identity.RaftAddress
	for _, m := range c.members {
		m.start()
	}
	index = c.write("k", "2")
	must(t, mover.node.WaitApplied(ctxFor(t), index))
	if got := get(mover.machine, "k"); got != "2" {
		t.Errorf("it reads %q", got)
	}
}

func TestAWriteNeedsAMajority(t *testing.T) {
	c := newClusterOf(t, 3, nil)
	c.write("k", "1")
	var others []*testMember
	leader := c.leader()
	for _, m := range c.members {
		if m != leader {
			others = append(others, m)
		}
	}
	for _, m := range others {
		m.kill()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if _, err := leader.node.Propose(ctx, []*storev1.Envelope{put("k", "2")}); err == nil {
		t.Error("a write was acknowledged without a majority")
	}
	for _, m := range others {
		m.start()
	}
	c.write("k", "3")
}
