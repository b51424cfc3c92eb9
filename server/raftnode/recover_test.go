package raftnode

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"roster/fsm"
	storev1 "roster/proto/roster/store/v1"
)

// recovered recovers a stopped member.
func (m *testMember) recovered() Survivor {
	m.t.Helper()
	r, err := OpenRecovery(m.dir)
	must(m.t, err)
	survivor := r.Survivor()
	identity, err := r.Recover(time.Now())
	must(m.t, err)
	must(m.t, r.Close())
	m.identity = identity
	return survivor
}

func TestASurvivorGoesOnAloneWithEverythingThatItHas(t *testing.T) {
	for name, threshold := range map[string]uint64{"from its log": 0, "from a snapshot and its log": 4} {
		t.Run(name, func(t *testing.T) {
			c := newClusterOf(t, 3, func(cfg *Config) { cfg.SnapshotThreshold = threshold })
			nodes := []string{"node-1", "node-2", "node-3", "node-4", "node-5", "node-6"}
			c.register(nodes...)
			survivor := c.follower()
			c.catchUp(survivor)
			if threshold != 0 {
				_, _, err := survivor.node.Snapshot(ctxFor(t))
				must(t, err)
				nodes = append(nodes, "node-66")
				c.register("node-66")
				c.catchUp(survivor)
			}
			before, last := survivor.machine.State(), survivor.node.CommitIndex()
			for _, m := range c.live() {
				m.kill()
			}
			for _, m := range c.members {
				if m != survivor {
					must(t, os.RemoveAll(m.dir))
				}
			}
			found := survivor.recovered()
			if found.LastIndex < last || len(found.Others) != 2 || !found.Voter || found.Nodes != len(nodes) || found.LastTerm == 0 {
				t.Errorf("it was told to have %+v", found)
			}
			slices.Sort(nodes)
			goesOn(t, survivor.dir, before, nodes)
		})
	}
}

func TestARunningMemberIsNotRecovered(t *testing.T) {
	c := newClusterOf(t, 2, nil)
	c.write("k", "1")
	_, err := OpenRecovery(c.members[0].dir)
	wantError(t, err, ErrInUse, "stop that one first")
	c.write("k", "2")
}

func TestEntriesThatNobodyAcknowledgedAreTold(t *testing.T) {
	c := newClusterOf(t, 3, func(cfg *Config) { cfg.DiskBound = 400 * time.Millisecond }) // a probe every 100 ms
	last := c.write("k", "1")
	leader := c.leader()
	eventually(t, "the probe says what is committed", func() bool { return readCommitted(leader.dir) >= last })
	for _, m := range c.live() {
		if m != leader {
			m.kill()
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_, err := leader.node.Propose(ctx, []*storev1.Envelope{put("k", "2")})
	if err == nil {
		t.Fatal("a write was acknowledged by one of three")
	}
	leader.kill()
	r, err := OpenRecovery(leader.dir)
	must(t, err)
	defer func() { must(t, r.Close()) }()
	if s := r.Survivor(); s.Committed < last || s.Committed >= s.LastIndex {
		t.Errorf("acknowledged up to %d, written up to %d; told %d of %d", last, s.LastIndex, s.Committed, s.LastIndex)
	}
}

func TestOldMembersThatComeBackAreTurnedAway(t *testing.T) {
	c := newClusterOf(t, 3, nil)
	c.register("node-1")
	survivor := c.follower()
	c.catchUp(survivor)
	var others []*testMember
	for _, m := range c.live() {
		eventually(t, "it knows its epoch", func() bool { return m.node.lineage().epoch != 0 })
	}
	for _, m := range c.live() {
		m.kill()
		if m != survivor {
			others = append(others, m)
		}
	}
	survivor.recovered()
	survivor.start()
	alone := &testCluster{t: t, members: []*testMember{survivor}}
	alone.register("node-2")
	term := survivor.node.Term()
	// They are a majority of the old group, and elect one of them.
	for _, m := range others {
		m.start()
	}
	for _, m := range others {
		wantError(t, m.end(), ErrSuperseded, "roster join", m.dir)
	}
	alone.register("node-3")
	if got := nodesOf(survivor.machine); !slices.Equal(got, []string{"node-1", "node-2", "node-3"}) {
		t.Errorf("the recovered cluster has nodes %v", got)
	}
	if survivor.node.Term() != term {
		t.Errorf("the old members moved the term from %d to %d", term, survivor.node.Term())
	}
}

func TestARecoveryThatBrokeOffIsRunAgainBeforeTheMemberStarts(t *testing.T) {
	c := newClusterOf(t, 2, nil)
	c.register("node-1")
	survivor := c.members[0]
	c.catchUp(survivor)
	for _, m := range c.live() {
		m.kill()
	}
	before := survivor.identity
	for i, broken := range []func(){
		func() {}, // right at its beginning
		func() { survivor.recovered() },
		func() { survivor.recovered(); must(t, before.write(survivor.dir)) }, // the member file was not written yet
	} {
		begun := func() { must(t, os.WriteFile(filepath.Join(survivor.dir, recoveringName), nil, 0o600)) }
		begun()
		broken()
		begun()
		_, err := Open(Config{Dir: survivor.dir, Identity: survivor.identity, Machine: fsm.New()})
		wantError(t, err, ErrHalfRecovered, "run `roster member recover` again")
		epoch := survivor.recovered().Before
		if survivor.identity.Epoch <= epoch {
			t.Errorf("broken off in way %d: epoch %d after %d", i, survivor.identity.Epoch, epoch)
		}
	}
	survivor.start()
	alone := &testCluster{t: t, members: []*testMember{survivor}}
	alone.register("node-2")
	if got := nodesOf(survivor.machine); !slices.Equal(got, []string{"node-1", "node-2"}) {
		t.Errorf("nodes %v", got)
	}
}

func TestARecoveryThatWouldHelpNobodyIsRefused(t *testing.T) {
	c := newClusterOf(t, 3, nil)
	c.write("k", "1")
	joiner := c.prepare() // never started
	_, err := OpenRecovery(joiner.dir)
	wantError(t, err, ErrNothingToRecover, "has not got the cluster's state")

	gone := c.follower()
	c.remove(gone)
	wantError(t, gone.end(), ErrRemoved)
	_, err = OpenRecovery(gone.dir)
	wantError(t, err, ErrNothingToRecover, "it was removed")

	lone := newCluster(t, nil)
	lone.write("k", "1")
	must(t, lone.members[0].halt())
	_, err = OpenRecovery(lone.members[0].dir)
	wantError(t, err, ErrNothingToRecover, "start it")

	_, err = OpenRecovery(t.TempDir())
	wantError(t, err, ErrNoMember)
}

func TestADamagedSurvivorIsNotRecovered(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"a flipped entry": func(t *testing.T, dir string) { flipInLog(t, dir) },
		"a torn log":      func(t *testing.T, dir string) { must(t, os.Truncate(filepath.Join(dir, logName), 3*4096)) },
		"no log":          func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, logName))) },
		"no member file": func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, identityName), []byte("{"), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClusterOf(t, 2, nil)
			for i := range 5 {
				c.write("k", fmt.Sprint(i))
			}
			m := c.members[0]
			for _, m := range c.live() {
				m.kill()
			}
			spoil(t, m.dir)
			_, err := OpenRecovery(m.dir)
			wantError(t, err, ErrDamaged, "recover another member that survived", "roster member restore")
			lock, err := lockDir(m.dir)
			must(t, err) // it was given back
			must(t, lock.release())
		})
	}
}
