package agent

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"roster/client"
)

const (
	// firstRetry and longestRetry bound the pause after a round over all members.
	firstRetry   = 200 * time.Millisecond
	longestRetry = 2 * time.Second
	// refusedRetry is the longest pause where members answered and said no.
	refusedRetry = 5 * time.Second
	// lasting is how long a session lives that was no failure to connect.
	lasting = 5 * time.Second
	// quietFor is how long the same trouble is not logged again.
	quietFor = time.Minute
)

// errNoCandidate: there is nobody to try.
var errNoCandidate = errors.New("no member's address is known that may be dialled; without TLS only loopback may")

// keepSession holds a session with any member until ctx ends. Without one the agent
// goes on serving what it holds.
func (a *Agent) keepSession(ctx context.Context) {
	var next *session
	lost, failures := "", 0
	for ctx.Err() == nil {
		s := next
		next = nil
		if s == nil {
			var err error
			if s, err = a.connect(ctx, lost); err != nil {
				failures++
				a.trouble.log(err)
				pause(ctx, jitter(retryPause(err, failures)))
				continue
			}
		}
		a.trouble.over(s.address)
		began := time.Now()
		var err error
		if next, err = s.run(ctx); err != nil && ctx.Err() == nil {
			a.trouble.log(err)
			lost = s.address
			if failures++; time.Since(began) >= lasting {
				failures = 0
			}
			// Whoever lost the same member comes back spread over this time.
			pause(ctx, jitter(retryPause(err, failures)))
		}
	}
	if next != nil {
		next.close()
	}
}

// retryPause is the longest pause after that many failures in a row.
func retryPause(err error, failures int) time.Duration {
	longest := longestRetry
	if refused(err) {
		longest = refusedRetry
	}
	return min(longest, firstRetry<<min(failures, 10))
}

// connect tries every known member once, in random order; the one that was lost last
// comes last, since a host that is gone may cost a try its whole time.
func (a *Agent) connect(ctx context.Context, lost string) (*session, error) {
	var errs []error
	candidates := a.membership.candidates()
	if i := slices.Index(candidates, lost); i >= 0 {
		candidates = append(slices.Delete(candidates, i, i+1), lost)
	}
	for _, address := range candidates {
		s, err := a.open(ctx, address)
		if err == nil {
			return s, nil
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return nil, errNoCandidate
	}
	// In one order, whatever the order of the round: the log tells equal ones apart.
	slices.SortFunc(errs, func(x, y error) int { return strings.Compare(x.Error(), y.Error()) })
	return nil, errors.Join(errs...)
}

// refused says whether a member answered and said no, rather than not at all.
func refused(err error) bool {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range many.Unwrap() {
			if refused(one) {
				return true
			}
		}
		return false
	}
	var dial *client.DialError
	if errors.Is(err, errOtherCluster) || errors.As(err, &dial) {
		return true
	}
	switch status.Code(err) {
	case codes.AlreadyExists, codes.FailedPrecondition, codes.PermissionDenied, codes.Unauthenticated, codes.InvalidArgument:
		return true
	}
	return false
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// trouble logs what keeps the agent from a session: when it begins, when it becomes
// another one, and once in a while.
type trouble struct {
	a    *Agent
	last string
	at   time.Time
}

func (t *trouble) log(err error) {
	text := err.Error()
	if text == t.last && time.Since(t.at) < quietFor {
		return
	}
	t.last, t.at = text, time.Now()
	t.a.log.Warn("no session with any member; what is held is served on", "error", err)
}

func (t *trouble) over(address string) {
	t.last = ""
	t.a.log.Info("session", "member", address)
}
