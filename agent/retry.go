package agent

import (
	"math/rand/v2"
	"time"
)

// firstBackoff and longestBackoff bound the pause before something is tried again.
const (
	firstBackoff   = time.Second
	longestBackoff = time.Minute
)

// retry bounds how often something is tried: each try makes the pause before the next
// one longer, until it is over.
type retry struct {
	tries     int
	notBefore time.Time
	// why the last try failed, for people.
	why string
}

// wait is how long the next try has to wait.
func (r *retry) wait() time.Duration { return max(0, time.Until(r.notBefore)) }

// tried counts a try; the next one waits.
func (r *retry) tried(why string) {
	r.tries++
	r.notBefore, r.why = time.Now().Add(backoff(r.tries)), why
}

// over forgets the tries: the next one does not wait.
func (r *retry) over() { *r = retry{} }

// backoff grows with the number of tries. Part of it is random, since what failed on
// many hosts at once would be tried on all of them at once.
func backoff(tries int) time.Duration {
	d := min(longestBackoff, firstBackoff<<min(tries-1, 10))
	return d/2 + rand.N(d/2+1) //nolint:gosec // jitter needs no secret
}
