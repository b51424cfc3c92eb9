package raftnode

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	storev1 "roster/proto/roster/store/v1"
)

func TestAnotherMemberLeadsAfterTheLeaderIsKilled(t *testing.T) {
	c := newClusterOf(t, 3, nil)
	for i := range 20 {
		c.write("k", fmt.Sprint(i))
	}
	first := c.leader()
	first.kill()
	second := c.leader()
	if second == first {
		t.Fatal("the killed member leads")
	}
	if got := get(second.machine, "k"); got != "19" {
		t.Errorf("an acknowledged write is lost: read %q", got)
	}
	index := c.write("k", "20")
	first.start()
	must(t, first.node.WaitApplied(ctxFor(t), index))
	if got := get(first.machine, "k"); got != "20" {
		t.Errorf("the killed member came back and reads %q", got)
	}
}

func TestAStoppedLeaderHandsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := newVirtualCluster(t, 3, nil)
		defer c.stopVirtual()
		leader := c.leader()
		term := leader.node.Term()
		begun := time.Now()
		must(t, leader.halt())
		next := c.leader()
		// An election would take at least one timeout of virtual time.
		if took := time.Since(begun); took >= 150*time.Millisecond {
			t.Errorf("the next leader came after %s of virtual time, by election", took)
		}
		if next.node.Term() != term+1 {
			t.Errorf("term %d after %d", next.node.Term(), term)
		}
		c.write("k", "1")
	})
}

func TestALoneLeaderStopsWithoutAnybodyToHandOverTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := newVirtualCluster(t, 1, nil)
		defer c.stopVirtual()
		begun := time.Now()
		must(t, c.leader().halt())
		if took := time.Since(begun); took >= time.Second {
			t.Errorf("it took %s of virtual time", took)
		}
	})
}

func TestTransferGoesToTheMemberThatWasAskedFor(t *testing.T) {
	c := newClusterOf(t, 3, nil)
	for range 3 {
		target := c.follower()
		c.onLeader(func(ctx context.Context, l *testMember) error { return l.node.Transfer(ctx, target.identity.ID) })
		eventually(t, "the target leads", func() bool { return c.leader() == target })
		for _, m := range c.members {
			eventually(t, "every member knows the leader", func() bool {
				changed := m.node.LeaderChanged()
				id, ok := m.node.Leader()
				if !ok || id != target.identity.ID {
					<-changed
					return false
				}
				return true
			})
		}
	}
	err := c.leader().node.Transfer(ctxFor(t), "nobody")
	wantError(t, err, ErrUnknownMember)
}

func TestLeadBeginsAfterEverythingAcknowledgedIsApplied(t *testing.T) {
	c := newCluster(t, nil)
	m := c.members[0]
	for restart := range 3 {
		for i := range 60 {
			c.write("k", fmt.Sprintf("%d/%d", restart, i))
		}
		want := get(m.machine, "k")
		must(t, m.halt())
		m.start()
		seen := make(chan string, 1)
		ctx, cancel := context.WithCancel(ctxFor(t))
		machine := m.machine
		must(t, m.node.Lead(ctx, func(context.Context, uint64) error {
			seen <- get(machine, "k")
			cancel()
			return nil
		}))
		select {
		case got := <-seen:
			if got != want {
				t.Fatalf("when it began to lead it read %q, acknowledged was %q", got, want)
			}
		default:
			t.Fatal("it did not lead")
		}
	}
}

func TestLeadIsCancelledWithTheLeadershipAndRunsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, net := newVirtualCluster(t, 3, nil)
		defer c.stopVirtual()
		leader := c.leader()
		var running, most atomic.Int32
		terms := make(chan uint64, 10)
		ended := make(chan uint64, 10)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() {
			done <- leader.node.Lead(ctx, func(ctx context.Context, term uint64) error {
				if now := running.Add(1); now > most.Load() {
					most.Store(now)
				}
				defer running.Add(-1)
				terms <- term
				<-ctx.Done()
				time.Sleep(2 * time.Second) // slow to end: the next one has to wait
				ended <- term
				return errors.New("a consequence of the loss")
			})
		}()
		first := <-terms
		net.isolate(leader.identity.RaftAddress, true)
		leader.lost()
		if got := <-ended; got != first {
			t.Errorf("term %d ended, %d had begun", got, first)
		}
		net.isolate(leader.identity.RaftAddress, false)
		eventually(t, "it follows again", func() bool { _, ok := leader.node.Leader(); return ok })
		c.catchUp(leader)
		c.onLeader(func(ctx context.Context, l *testMember) error {
			if l == leader {
				return nil
			}
			return l.node.Transfer(ctx, leader.identity.ID)
		})
		if second := <-terms; second <= first {
			t.Errorf("led in term %d after %d", second, first)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if most.Load() != 1 {
			t.Errorf("%d ran at a time", most.Load())
		}
	})
}

func TestLeadEndsWithTheErrorOfALeaderThatGivesUp(t *testing.T) {
	c := newCluster(t, nil)
	give := errors.New("no more")
	if err := c.members[0].node.Lead(ctxFor(t), func(context.Context, uint64) error { return give }); !errors.Is(err, give) {
		t.Errorf("got %v", err)
	}
}

// Raft's notices are a queue; a member that lost and won leadership again while
// somebody slept reads true after true.
func TestLeadingAfterLeadingIsANewReign(t *testing.T) {
	throne := newThrone()
	throne.notice(true)
	first, changed := throne.now()
	throne.notice(true)
	second, _ := throne.now()
	if first == second || first.ctx.Err() == nil || second.ctx.Err() != nil {
		t.Errorf("the first reign is %v, the second %v", first.ctx.Err(), second.ctx.Err())
	}
	select {
	case <-changed:
	default:
		t.Error("nobody was told")
	}
	throne.close()
	throne.notice(true)
	if late, _ := throne.now(); late != nil || second.ctx.Err() == nil {
		t.Error("a closed throne has a reign")
	}
}

func TestOnlyTheLeaderTakesWritesAndReads(t *testing.T) {
	c := newClusterOf(t, 3, nil)
	c.write("k", "1")
	f := c.follower()
	_, err := f.node.Propose(ctxFor(t), []*storev1.Envelope{put("k", "2")})
	wantError(t, err, ErrNotLeader, c.leader().identity.ID)
	_, _, err = f.node.ReadIndex(ctxFor(t))
	wantError(t, err, ErrNotLeader)
	wantError(t, f.node.AddNonvoter(ctxFor(t), "x", "127.0.0.1:1"), ErrNotLeader)
	wantError(t, f.node.Transfer(ctxFor(t), ""), ErrNotLeader)
}

func TestAStoppedMemberSaysSo(t *testing.T) {
	c := newCluster(t, nil)
	c.write("k", "1")
	m := c.members[0]
	node := m.node
	must(t, m.halt())
	_, err := node.Propose(ctxFor(t), []*storev1.Envelope{put("k", "2")})
	wantError(t, err, ErrStopping)
	_, _, err = node.ReadIndex(ctxFor(t))
	wantError(t, err, ErrStopping)
	wantError(t, node.WaitApplied(ctxFor(t), 1), ErrStopping)
	wantError(t, node.Run(ctxFor(t)), nil, "run twice")
}
