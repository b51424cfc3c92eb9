// Package follow owns waiting for a cluster to come to rest, with what is seen
// on the way told to a person. It knows status alone and no verbs. A call
// blocks in its own goroutine and starts none.
package follow

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"roster/cmd/internal/exit"
	v1 "roster/proto/roster/v1"
)

// Interval is how often status is read anew.
const Interval = 300 * time.Millisecond

// ErrReplaced means that another topology came into force meanwhile.
var ErrReplaced = errors.New("another topology replaced it")

// Read reads status once.
type Read func(ctx context.Context) (*v1.Status, error)

// See is shown each status, or why none could be read.
type See func(s *v1.Status, trouble error)

// Settled waits until the cluster has settled on the revision, and returns the
// status then. It goes on while no member answers or there is no leader, until
// the context ends; a context that ends by its deadline gives an error with
// exit.Deadline and what was being waited for.
func Settled(ctx context.Context, revision uint64, read Read, see See) (*v1.Status, error) {
	var last *v1.Status
	for {
		s, err := read(ctx)
		switch {
		case err == nil:
			last = s
			see(s, nil)
			now := s.GetTopology().GetRevision()
			if now > revision {
				return s, fmt.Errorf("revision %d is in force now, revision %d never settled: %w", now, revision, ErrReplaced)
			}
			if now == revision && s.GetSettled() && !s.GetStale() {
				return s, nil
			}
		case ctx.Err() != nil:
		case passing(err):
			see(last, err)
		default:
			return last, fmt.Errorf("read status: %w", err)
		}
		select {
		case <-ctx.Done():
			return last, unsettled(ctx.Err(), revision, last)
		case <-time.After(Interval):
		}
	}
}

// passing says whether waiting may help.
func passing(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Aborted, codes.ResourceExhausted:
		return true
	default:
		return exit.IsNoLeader(err) || errors.Is(err, context.DeadlineExceeded)
	}
}

func unsettled(cause error, revision uint64, last *v1.Status) error {
	if !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	text := fmt.Sprintf("revision %d is in force, but did not settle in time; the cluster goes on with it", revision)
	if sentences := last.GetSentences(); len(sentences) > 0 {
		text += "\n  " + strings.Join(sentences, "\n  ")
	}
	return exit.With(exit.Deadline, errors.New(text))
}
