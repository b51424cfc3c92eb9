package raftnode

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"roster/fsm"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// gate is a store that can be made to fail, or to hang until it is opened.
type gate struct {
	logStore
	mu    sync.Mutex
	hang  chan struct{}
	fails error
	// hung counts writes that wait.
	hung int
}

func (g *gate) StoreLogs(logs []*raft.Log) error {
	g.mu.Lock()
	hang, fails := g.hang, g.fails
	if hang != nil {
		g.hung++
	}
	g.mu.Unlock()
	if hang != nil {
		<-hang
	}
	if fails != nil {
		return fails
	}
	return g.logStore.StoreLogs(logs)
}

func (g *gate) StoreLog(log *raft.Log) error { return g.StoreLogs([]*raft.Log{log}) }

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hang, g.hung = make(chan struct{}), 0
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.hang)
	g.hang = nil
}

func (g *gate) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fails = err
}

func (g *gate) waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.hung
}

// gated gives each member of a test a gate, by member name.
func gated(gates map[string]*gate) func(*Config) {
	var mu sync.Mutex
	return func(cfg *Config) {
		name := cfg.Identity.Name
		cfg.wrapStore = func(inner logStore) logStore {
			mu.Lock()
			defer mu.Unlock()
			gates[name] = &gate{logStore: inner}
			return gates[name]
		}
	}
}

func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

func TestWaitingWritesShareEntries(t *testing.T) {
	gates := map[string]*gate{}
	c := newCluster(t, gated(gates))
	m := c.leader()
	g := gates["m1"]
	before := m.node.entries.Load()
	g.close()

	const callers = 1 + 1 + 512 + 100
	var all sync.WaitGroup
	errs := make(chan error, callers)
	propose := func() {
		all.Go(func() {
			_, err := m.node.Propose(context.Background(), []*storev1.Envelope{put("k", "1")})
			errs <- err
		})
	}
	// The first is on its way alone; so is the second, which takes the other
	// place; all further ones wait for a place and share.
	propose()
	eventually(t, "the first write hangs in the store", func() bool { return g.waiting() == 1 })
	propose()
	eventually(t, "the second has its place", func() bool { return len(m.node.places) == 2 && m.node.queue.length() == 0 })
	for range callers - 2 {
		propose()
	}
	eventually(t, "the others wait", func() bool { return m.node.queue.length() == callers-2 })
	g.open()
	all.Wait()
	close(errs)
	for err := range errs {
		must(t, err)
	}
	if entries := m.node.entries.Load() - before; entries != 4 {
		t.Errorf("%d writes took %d entries, want 1 + 1 + 512 + 100 in 4", callers, entries)
	}
}

func TestASingleWriteWaitsForNoBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := newVirtualCluster(t, 1, nil)
		defer c.stopVirtual()
		m := c.leader()
		for i := range 20 {
			begun := time.Now()
			if _, err := m.node.Propose(ctxFor(t), []*storev1.Envelope{put("k", fmt.Sprint(i))}); err != nil {
				t.Fatal(err)
			}
			// Any wait for others would move the virtual clock.
			if waited := time.Since(begun); waited != 0 {
				t.Fatalf("a single write waited for %s of virtual time", waited)
			}
		}
	})
}

func TestEachCallerGetsItsOwnResults(t *testing.T) {
	c := newCluster(t, nil)
	m := c.leader()
	var all sync.WaitGroup
	for caller := range 200 {
		all.Go(func() {
			var envelopes []*storev1.Envelope
			for part := range 1 + caller%4 {
				// A space in an id is refused with a sentence that names it.
				envelopes = append(envelopes, put(fmt.Sprintf("caller %d part %d", caller, part), "1"))
			}
			results, err := m.node.Propose(ctxFor(t), envelopes)
			if err != nil || len(results) != len(envelopes) {
				t.Errorf("caller %d: %d results for %d commands (%v)", caller, len(results), len(envelopes), err)
				return
			}
			for part, result := range results {
				if want := fmt.Sprintf("%q", fmt.Sprintf("caller %d part %d", caller, part)); !strings.Contains(result.GetRefusal().GetMessage(), want) {
					t.Errorf("caller %d, part %d got %q", caller, part, result.GetRefusal().GetMessage())
				}
			}
		})
	}
	all.Wait()
}

func TestAnEntryHoldsNoMoreThanItMay(t *testing.T) {
	c := newCluster(t, nil)
	m := c.leader()
	var many []*storev1.Envelope
	for range fsm.MaxBatch + 1 {
		many = append(many, put("k", "1"))
	}
	_, err := m.node.Propose(ctxFor(t), many)
	wantError(t, err, ErrTooLarge, "512")
	if _, err := m.node.Propose(ctxFor(t), many[1:]); err != nil {
		t.Error(err)
	}
	_, err = m.node.Propose(ctxFor(t), []*storev1.Envelope{put("k", strings.Repeat("x", requestSize))})
	wantError(t, err, ErrTooLarge)

	q := newQueue()
	for range 3 {
		q.put(&call{envelopes: many[:1], size: entrySize / 2})
	}
	if taken := q.take(fsm.MaxBatch, entrySize); len(taken) != 2 {
		t.Errorf("%d calls of half an entry's size share one", len(taken))
	}
	q.put(&call{envelopes: many[:1], size: 2 * entrySize})
	if taken := q.take(fsm.MaxBatch, entrySize); len(taken) != 1 {
		t.Errorf("%d calls share an entry before one that is too large", len(taken))
	}
	if taken := q.take(fsm.MaxBatch, entrySize); len(taken) != 1 {
		t.Errorf("a call larger than an entry's share is taken with %d", len(taken))
	}
}

func TestWhoGivesUpInTheQueueKnowsThatNothingIsDone(t *testing.T) {
	gates := map[string]*gate{}
	c := newCluster(t, gated(gates))
	m := c.leader()
	g := gates["m1"]
	g.close()
	var all sync.WaitGroup
	early, cancelEarly := context.WithCancel(context.Background())
	propose := func(ctx context.Context, key string, want error, not error) {
		all.Go(func() {
			_, err := m.node.Propose(ctx, []*storev1.Envelope{put(key, "1")})
			if want != nil && !errors.Is(err, want) || not != nil && errors.Is(err, not) {
				t.Errorf("%s: got %v", key, err)
			}
		})
	}
	propose(early, "on-its-way", ErrUnknownOutcome, nil)
	eventually(t, "it hangs in the store", func() bool { return g.waiting() == 1 })
	propose(context.Background(), "second", nil, ErrUnknownOutcome)
	eventually(t, "the second has its place", func() bool { return len(m.node.places) == 2 && m.node.queue.length() == 0 })
	propose(early, "queued", context.Canceled, ErrUnknownOutcome)
	eventually(t, "the third waits", func() bool { return m.node.queue.length() == 1 })
	cancelEarly()
	eventually(t, "it gave up", func() bool {
		m.node.queue.mu.Lock()
		defer m.node.queue.mu.Unlock()
		return m.node.queue.waiting[0].claimed.Load()
	})
	g.open()
	all.Wait()
	c.write("last", "1")
	if get(m.machine, "on-its-way") == "" || get(m.machine, "queued") != "" {
		t.Errorf("on its way: %q, given up: %q", get(m.machine, "on-its-way"), get(m.machine, "queued"))
	}
}

func TestAWriteOfALeaderThatIsCutOffHasAnUnknownOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, net := newVirtualCluster(t, 3, nil)
		defer c.stopVirtual()
		old := c.leader()
		net.isolate(old.identity.RaftAddress, true)
		_, err := old.node.Propose(ctxFor(t), []*storev1.Envelope{put("k", "1")})
		wantError(t, err, ErrUnknownOutcome)
		if errors.Is(err, ErrNotLeader) {
			t.Errorf("it says that nothing was done: %v", err)
		}
		_, err = old.node.Propose(ctxFor(t), []*storev1.Envelope{put("k", "2")})
		wantError(t, err, ErrNotLeader)
		if errors.Is(err, ErrUnknownOutcome) {
			t.Errorf("it does not say that nothing was done: %v", err)
		}
		net.isolate(old.identity.RaftAddress, false)
		c.write("k", "3")
	})
}

// clockOf is a clock that a test sets.
type clockOf struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clockOf) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clockOf) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func TestTheLeadersTimeNeverGoesBack(t *testing.T) {
	clock := &clockOf{t: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)}
	c := newCluster(t, func(cfg *Config) { cfg.Now, cfg.SnapshotThreshold = clock.now, 1 })
	m := c.members[0]
	c.write("k", "1")
	clock.add(time.Hour)
	c.write("k", "2")
	high := clock.now()
	clock.add(-30 * time.Minute)
	c.write("k", "3")
	restart := func() {
		must(t, m.halt())
		m.start()
		c.leader()
	}
	restart()
	c.write("k", "4")
	if _, _, err := m.node.Snapshot(ctxFor(t)); err != nil {
		t.Fatal(err)
	}
	restart()
	clock.add(-30 * time.Minute)
	c.write("k", "5")
	clock.add(12 * time.Hour) // it catches up by and by
	c.write("k", "6")
	events, _, err := m.machine.State().Events(0, 0)
	must(t, err)
	last := map[string]time.Time{}
	var before time.Time
	for _, e := range events {
		if now := e.GetTime().AsTime(); now.Before(before) {
			t.Errorf("at index %d time goes back from %s to %s", e.GetIndex(), before, now)
		} else {
			before = now
		}
		last[e.GetMember()] = before
	}
	if !last["k"].Equal(clock.now()) || !clock.now().After(high) {
		t.Errorf("the last write is of %s, the clock shows %s", last["k"], clock.now())
	}
}

// A leader whose clock is behind what was written goes on from there: were its
// time to stand still, no deadline would pass for as long.
func TestTheLeadersTimeGoesOnWhereItsClockIsBehind(t *testing.T) {
	clock := &clockOf{t: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)}
	c := newCluster(t, func(cfg *Config) { cfg.Now = clock.now })
	m := c.members[0]
	clock.add(time.Hour)
	c.write("k", "1")
	high := clock.now()
	clock.add(-time.Hour)
	must(t, m.halt())
	m.start()
	c.leader()
	c.write("k", "2")
	for minutes := time.Duration(10); minutes <= 100; minutes += 10 {
		clock.add(10 * time.Minute)
		if went := m.node.Time().Sub(high); minutes < 60 && (went > minutes*time.Minute || went < minutes*time.Minute*8/10) {
			t.Errorf("after %s it has gone on for %s", minutes*time.Minute, went)
		}
	}
	clock.add(10 * time.Hour)
	if now := m.node.Time(); !now.Equal(clock.now()) {
		t.Errorf("it is %s, and the clock has caught up to %s", now, clock.now())
	}
}

func TestAnEntryTellsItsTime(t *testing.T) {
	c := newCluster(t, nil)
	index := c.write("k", "1")
	var entry raft.Log
	must(t, c.members[0].node.store.peek(index, &entry))
	got, ok := timeOfEntry(entry.Data)
	if !ok || time.Since(got) > time.Hour || time.Since(got) < 0 {
		t.Errorf("the entry's time reads as %v (%v)", got, ok)
	}
	for _, junk := range [][]byte{nil, {1}, []byte("junk"), entry.Data[:len(entry.Data)/2]} {
		if at, ok := timeOfEntry(junk); ok && !at.Equal(got) {
			t.Errorf("junk has a time: %v", at)
		}
	}
}

func TestTheLeaderWritesTheSchemaThatTheClusterAgreedOn(t *testing.T) {
	c := newCluster(t, nil)
	m := c.leader()
	if got := m.node.schema(); got != fsm.Schema {
		t.Errorf("schema %d", got)
	}
	if got := m.machine.State().Cluster(); got.GetSchema() != fsm.Schema || got.GetProfile() != v1.TimingProfile_TIMING_PROFILE_LAN {
		t.Errorf("the cluster began as %v", got)
	}
}
