package raftnode

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	storev1 "roster/proto/roster/store/v1"
)

func TestALeaderThatIsCutOffGrantsNoRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, net := newVirtualCluster(t, 3, nil)
		defer c.stopVirtual()
		c.write("k", "1")
		old := c.leader()
		if _, _, err := old.node.ReadIndex(ctxFor(t)); err != nil {
			t.Fatal(err)
		}
		// It does not know yet: its lease runs on for a while.
		net.isolate(old.identity.RaftAddress, true)
		if reign, _ := old.node.throne.now(); reign == nil {
			t.Fatal("it stopped to lead at once")
		}
		_, _, err := old.node.ReadIndex(ctxFor(t))
		wantError(t, err, ErrNotLeader)
		net.isolate(old.identity.RaftAddress, false)
		c.write("k", "2")
	})
}

func TestAReadAtItsIndexSeesEveryWriteBefore(t *testing.T) {
	c := newClusterOf(t, 3, nil)
	for i := range 30 {
		want := fmt.Sprint(i)
		c.write("k", want)
		index, term, err := c.leader().node.ReadIndex(ctxFor(t))
		if err != nil || term == 0 {
			t.Fatal(index, term, err)
		}
		for _, m := range c.members {
			must(t, m.node.WaitApplied(ctxFor(t), index))
			if got := get(m.machine, "k"); got != want {
				t.Fatalf("member %s reads %q at index %d, acknowledged was %q", m.identity.Name, got, index, want)
			}
		}
	}
}

func TestManyReadsShareAVerification(t *testing.T) {
	c := newClusterOf(t, 3, nil)
	index := c.write("k", "1")
	m := c.leader()
	var all sync.WaitGroup
	for range 500 {
		all.Go(func() {
			if got, _, err := m.node.ReadIndex(ctxFor(t)); err != nil || got < index {
				t.Errorf("read index %d (%v), written at %d", got, err, index)
			}
		})
	}
	all.Wait()
}

func TestAReadEndsWithItsContext(t *testing.T) {
	gates := map[string]*gate{}
	c := newCluster(t, gated(gates))
	m := c.leader()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _, err := m.node.ReadIndex(ctx)
	wantError(t, err, context.Canceled)
	wantError(t, m.node.WaitApplied(ctx, 1<<40), context.Canceled)
}

func TestWaitAppliedKnowsEntriesThatAreNoCommands(t *testing.T) {
	c := newClusterOf(t, 3, nil)
	leader := c.leader()
	for range 3 {
		must(t, leader.node.wait(ctxFor(t), "barrier", func() error { return leader.node.raft().Barrier(0).Error() }))
	}
	commit := leader.node.CommitIndex()
	if applied := leader.machine.State().Index(); applied >= commit {
		t.Fatalf("the machine is at %d, committed is %d: the barriers are missing", applied, commit)
	}
	for _, m := range c.members {
		must(t, m.node.WaitApplied(ctxFor(t), commit))
	}
}

func TestAMemberThatIsNotRunWaits(t *testing.T) {
	dir := t.TempDir() + "/m"
	identity, err := Init(dir, initOptions(t))
	must(t, err)
	m := &testMember{t: t, dir: dir, identity: identity}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	must(t, m.tryStart())
	defer func() { must(t, m.halt()) }()
	<-m.node.Started()
	_, err = m.node.Propose(ctx, []*storev1.Envelope{put("k", "1")})
	if err == nil {
		t.Error("a cancelled write was done")
	}
}

func TestAnOldAnswerIsNoVote(t *testing.T) {
	w := newWitness(nil)
	before := w.now()
	asked := w.now()
	w.note("b", acceptance{term: 3, asked: asked})
	voters := []string{"a", "b", "c"}
	for _, test := range []struct {
		what         string
		moment, term uint64
		want         int
	}{
		{"asked after the read began", before, 3, 1},
		{"asked before the read began", asked, 3, 0},
		{"asked in another term", before, 4, 0},
	} {
		if got := w.acceptedSince(test.moment, test.term, voters); got != test.want {
			t.Errorf("%s: %d votes, want %d", test.what, got, test.want)
		}
	}
	w.note("b", acceptance{term: 3, asked: before})
	if w.acceptedSince(before, 3, voters) != 1 {
		t.Error("an answer that came late undid a newer one")
	}
}
