// Package virtual runs whole clusters in virtual time: real members on real Raft and
// real disks, real sessions, real agents; only the network between them and the
// services on the hosts are lines in a table. A schedule is a seed: what happens,
// and when, follows from it, though not which goroutine is first, so a seed that
// failed may need a few runs to fail again. What the services really did is judged
// afterwards, by package judge.
package virtual

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"roster/integration/virtual/judge"
	v1 "roster/proto/roster/v1"
)

const (
	// short is how many schedules make test runs.
	short = 20
	// atOnce is how many run at a time: one for each of two processors.
	atOnce = 2
	// converges is how long a mended cluster may take to be whole again.
	converges = time.Hour
)

// Of every promise: no command takes what answers below its floor, what is under it
// is repaired, no agent goes back or acts on an older set, a hold takes nothing
// away, nothing acknowledged is lost or done twice, and what is mended becomes
// whole. ROSTER_SCHEDULES is how many schedules are run, ROSTER_SEED the first
// one's seed.
func TestRandomSchedulesKeepEveryPromise(t *testing.T) {
	began := time.Now()
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // most of what is made is gone at once
	count, seed := number("ROSTER_SCHEDULES", 0), 1
	if count > 0 {
		seed = int(began.Unix()) // others each time
	} else {
		count = short
	}
	first := uint64(number("ROSTER_SEED", seed)) //nolint:gosec // a seed
	dir := scratch(t)
	var mu sync.Mutex
	var tally judge.Tally
	seeds := make(chan uint64)
	var runners sync.WaitGroup
	for range atOnce {
		runners.Go(func() {
			for seed := range seeds {
				t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
					one := run(t, seed, filepath.Join(dir, strconv.FormatUint(seed, 10)))
					mu.Lock()
					defer mu.Unlock()
					tally.Add(one)
				})
			}
		})
	}
	for i := range count {
		seeds <- first + uint64(i) //nolint:gosec // small
	}
	close(seeds)
	runners.Wait()
	took := time.Since(began)
	t.Logf("%d schedules, seeds %d to %d, in %s: %s each", count, first, first+uint64(count)-1, //nolint:gosec // small
		took.Round(time.Millisecond), (took / time.Duration(max(1, count))).Round(time.Millisecond))
	t.Logf("there was to judge: %+v", tally)
	if count >= short && (tally.Close == 0 || tally.Under == 0) || count >= 10*short && tally.Watched == 0 {
		t.Errorf("these schedules prove little: %+v", tally)
	}
}

func number(variable string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return n
	}
	return otherwise
}

// scratch is a folder in memory where there is one: a schedule writes to its disks
// thousands of times, and virtual time waits for them.
func scratch(t *testing.T) string {
	for _, parent := range []string{"/dev/shm", ""} {
		if dir, err := os.MkdirTemp(parent, "roster-virtual-"); err == nil {
			t.Cleanup(func() { _ = os.RemoveAll(dir) }) // in vain is untidy, no more
			return dir
		}
	}
	return t.TempDir()
}

// run runs one schedule, and judges it.
func run(t *testing.T, seed uint64, dir string) judge.Tally {
	began := time.Now()
	var w *world
	var lasted time.Duration
	defer func() {
		_ = os.RemoveAll(dir)
		if t.Failed() {
			t.Logf("seed %d again: ROSTER_SCHEDULES=1 ROSTER_SEED=%d go test -count=1 -v -run RandomSchedules ./integration/virtual", seed, seed)
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		w = newWorld(t, seed, dir)
		defer w.stop()
		w.schedule()
		lasted = time.Since(w.began)
	})
	broken, tally := judge.Verdict(w.history)
	if len(broken) > 0 {
		var text strings.Builder
		for _, b := range broken {
			fmt.Fprintf(&text, "%s %s: %s\n%s", b.At.Sub(w.began), b.Rule, b.Text, w.around(b.At))
		}
		t.Errorf("seed %d:\n%s%s", seed, text.String(), w.tale())
	}
	t.Logf("seed %d: %d hosts, %d facts, %s of virtual time, took %s", seed, len(w.hosts), len(w.history.Facts), lasted.Round(time.Second),
		time.Since(began).Round(time.Millisecond))
	return tally
}

// around is what happened around a moment: what the judge was told, and what the
// cluster says of itself.
func (w *world) around(at time.Time) string {
	const before, after = 15 * time.Second, 2 * time.Second
	var text strings.Builder
	for _, f := range w.history.Facts {
		if f.Kind != judge.Looked && f.Kind != judge.Held && f.At.After(at.Add(-before)) && f.At.Before(at.Add(after)) {
			fmt.Fprintf(&text, "    %s fact %s %s %s %s %v %v %s\n", f.At.Sub(w.began), f.Kind, f.Node, f.Service, f.Verb, f.Version, f.Wants, f.What)
		}
	}
	for _, e := range w.events {
		if t := e.GetTime().AsTime(); t.After(at.Add(-before)) && t.Before(at.Add(after)) && !strings.HasPrefix(e.GetKind(), "node.update") {
			fmt.Fprintf(&text, "    %s event %s %s %s %s: %s (%s)\n", t.Sub(w.began), e.GetKind(), e.GetNode(), e.GetService(), e.GetPool(), e.GetMessage(), e.GetReason())
		}
	}
	return text.String()
}

// schedule is one run from its foundation to its end.
func (w *world) schedule() {
	w.profile, w.roundTrip = v1.TimingProfile_TIMING_PROFILE_WAN, 100
	w.found(3)
	w.people()
	w.writer = w.scribe()
	w.apply(w.draw())
	w.pass(w.between(10*time.Second, 40*time.Second))
	for range 15 + w.rng.IntN(26) {
		w.step()
	}
	w.heal()
	w.converge()
	for _, fault := range w.writer.end(w) {
		w.t.Errorf("seed %d: a write: %s\n%s", w.seed, fault, w.tale())
	}
}

// converge wants the cluster to be whole, and to stay so.
func (w *world) converge() {
	var why string
	for end := time.Now().Add(converges); ; {
		w.pass(5 * time.Second)
		if why = w.unsettled(); why == "" {
			w.tell("it is whole again")
			w.agree()
			return
		}
		if time.Now().After(end) {
			w.t.Errorf("seed %d: not whole within %s of the mending: %s\n%s\n%s", w.seed, converges, why, w.tale(), w.records())
			return
		}
	}
}

// records is what the cluster has of every node.
func (w *world) records() (text string) {
	state, _ := w.newest()
	for _, n := range state.Nodes() {
		text += fmt.Sprintf("%v\n", n)
	}
	for _, e := range w.api.Members() {
		text += e + "\n"
	}
	return text
}

// unsettled says what keeps the cluster from being whole. What stands in for a pool
// that its own nodes cannot fill stays.
func (w *world) unsettled() string {
	got, err := v1.NewClusterServiceClient(w.api).GetStatus(context.Background(), &v1.GetStatusRequest{})
	if err != nil {
		return err.Error()
	}
	s := got.GetStatus()
	short := map[string]bool{}
	for _, shortage := range s.GetShortages() {
		short[shortage.GetService()] = true
		for _, p := range w.topology.GetPools() {
			for _, name := range p.GetServices() {
				short[name] = short[name] || p.GetName() == shortage.GetPool()
			}
		}
	}
	for name, one := range s.GetServices() {
		answering := 0
		for _, h := range w.hosts {
			if h.look(name).answers {
				answering++
			}
		}
		if answering < int(one.GetFloorInForce()) || len(one.GetBorrowed()) > 0 && !short[name] {
			return fmt.Sprintf("%s: %d answer, floor in force %d, borrowed on %v; status says %v", name, answering, one.GetFloorInForce(), one.GetBorrowed(), s.GetSentences())
		}
	}
	if hold := s.GetHold(); hold != nil {
		return fmt.Sprintf("it holds: %v", hold)
	}
	if !s.GetSettled() {
		return fmt.Sprintf("status is not settled: %v", s.GetSentences())
	}
	return ""
}
