package virtual

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"roster/integration/virtual/judge"
	v1 "roster/proto/roster/v1"
)

const (
	// short is how many schedules make test runs.
	short = 20
	// converges is how long a mended cluster may take to be whole again.
	converges = time.Hour
)

func TestRandomSchedulesKeepEveryPromise(t *testing.T) {
	count, first := number("ROSTER_SCHEDULES", short), uint64(number("ROSTER_SCHEDULE_SEED", 1)) //nolint:gosec // a seed
	dir := scratch(t)
	began := time.Now()
	for i := range count {
		seed := first + uint64(i) //nolint:gosec // small
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			run(t, seed, filepath.Join(dir, strconv.FormatUint(seed, 10)))
		})
	}
	took := time.Since(began)
	t.Logf("%d schedules, seeds %d to %d, in %s: %s each", count, first, first+uint64(count)-1, //nolint:gosec // small
		took.Round(time.Millisecond), (took / time.Duration(max(1, count))).Round(time.Millisecond))
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
func run(t *testing.T, seed uint64, dir string) {
	began := time.Now()
	var w *world
	defer func() {
		_ = os.RemoveAll(dir)
		if t.Failed() {
			t.Logf("seed %d again: ROSTER_SCHEDULES=1 ROSTER_SCHEDULE_SEED=%d go test -count=1 -v -run RandomSchedules ./integration/virtual", seed, seed)
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		w = newWorld(t, seed, dir)
		defer w.stop()
		w.schedule()
		t.Logf("seed %d: %d hosts, %s of virtual time, %d facts", seed, len(w.hosts), time.Since(w.began).Round(time.Second), len(w.history.Facts))
	})
	if broken := judge.Verdict(w.history); len(broken) > 0 {
		var text strings.Builder
		for _, b := range broken {
			fmt.Fprintf(&text, "%s %s: %s\n", b.At.Sub(w.began), b.Rule, b.Text)
		}
		t.Errorf("seed %d:\n%s%s", seed, text.String(), w.tale())
	}
	t.Logf("seed %d took %s", seed, time.Since(began).Round(time.Millisecond))
}

// schedule is one run from its foundation to its end.
func (w *world) schedule() {
	w.profile, w.roundTrip = v1.TimingProfile_TIMING_PROFILE_WAN, 100
	w.found(3)
	w.people()
	w.apply(w.draw())
	w.pass(w.between(10*time.Second, 40*time.Second))
	for range 15 + w.rng.IntN(26) {
		w.step()
		w.pass(w.between(200*time.Millisecond, 15*time.Second))
	}
	w.heal()
	w.converge()
}

// converge wants the cluster to be whole, and to stay so.
func (w *world) converge() {
	var why string
	for end := time.Now().Add(converges); ; {
		w.pass(5 * time.Second)
		if why = w.unsettled(); why == "" {
			w.tell("it is whole again")
			return
		}
		if time.Now().After(end) {
			w.t.Errorf("seed %d: not whole within %s of the mending: %s\n%s", w.seed, converges, why, w.tale())
			return
		}
	}
}

// unsettled says what keeps the cluster from being whole.
func (w *world) unsettled() string {
	got, err := v1.NewClusterServiceClient(w.api).GetStatus(context.Background(), &v1.GetStatusRequest{})
	if err != nil {
		return err.Error()
	}
	s := got.GetStatus()
	for name, one := range s.GetServices() {
		answering := 0
		for _, h := range w.hosts {
			if h.look(name).answers {
				answering++
			}
		}
		if answering < int(one.GetFloorInForce()) || len(one.GetBorrowed()) > 0 {
			return fmt.Sprintf("%s: %d answer, floor in force %d, borrowed on %v; status says %v", name, answering, one.GetFloorInForce(), one.GetBorrowed(), s.GetSentences())
		}
	}
	if !s.GetSettled() {
		return fmt.Sprintf("status is not settled: %v", s.GetSentences())
	}
	return ""
}
