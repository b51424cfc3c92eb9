package follow_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"roster/cmd/internal/exit"
	"roster/cmd/internal/follow"
	v1 "roster/proto/roster/v1"
)

func at(revision uint64, settled bool, sentences ...string) *v1.Status {
	return &v1.Status{Topology: &v1.StatusTopology{Revision: revision}, Settled: settled, Sentences: sentences}
}

type step struct {
	status *v1.Status
	err    error
}

// steps answers with each step in turn, and stays with the last.
func steps(all ...step) follow.Read {
	return func(context.Context) (*v1.Status, error) {
		now := all[0]
		if len(all) > 1 {
			all = all[1:]
		}
		return now.status, now.err
	}
}

func silent(*v1.Status, error) {}

func TestItWaitsForTheRevisionToSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stale := at(4, true)
		stale.Stale = true
		seen := 0
		got, err := follow.Settled(t.Context(), 4,
			steps(step{status: at(3, true)}, step{status: at(4, false)}, step{status: stale}, step{status: at(4, true)}),
			func(*v1.Status, error) { seen++ })
		if err != nil || !got.GetSettled() || got.GetStale() {
			t.Fatalf("it ended with %v, %v", got, err)
		}
		if seen != 4 {
			t.Errorf("%d statuses were shown, not 4", seen)
		}
	})
}

func TestItOutlivesTheLossOfTheLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		troubles := 0
		_, err := follow.Settled(t.Context(), 4,
			steps(step{err: status.Error(codes.Unavailable, "no leader")}, step{err: status.Error(codes.DeadlineExceeded, "slow")}, step{status: at(4, true)}),
			func(_ *v1.Status, trouble error) {
				if trouble != nil {
					troubles++
				}
			})
		if err != nil {
			t.Fatal(err)
		}
		if troubles != 2 {
			t.Errorf("trouble was shown %d times, not 2", troubles)
		}
	})
}

func TestARefusalEndsItAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := follow.Settled(t.Context(), 4, steps(step{err: status.Error(codes.PermissionDenied, "you may not")}), silent)
		if err == nil || time.Since(began) != 0 {
			t.Errorf("it ended with %v after %s", err, time.Since(began))
		}
	})
}

func TestTheDeadlineSaysWhatWasWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := follow.Settled(ctx, 4, steps(step{status: at(4, false, "imap waits for node-2")}), silent)
		if exit.Code(err) != exit.Deadline || !strings.Contains(err.Error(), "imap waits for node-2") {
			t.Errorf("it ended with %d, %v", exit.Code(err), err)
		}
	})
}

func TestAnotherRevisionEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := follow.Settled(t.Context(), 4, steps(step{status: at(5, true)}), silent)
		if !errors.Is(err, follow.ErrReplaced) {
			t.Errorf("it ended with %v", err)
		}
	})
}
