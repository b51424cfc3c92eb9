package rebalance

import "time"

const (
	firstPause   = 100 * time.Millisecond
	longestPause = 2 * time.Second
)

// brake keeps the loop from proposing what was refused, or changed nothing, as
// fast as it can: even a refused command is an entry, and wakes the loop again.
// The pause doubles until something is done.
type brake struct {
	until time.Time
	pause time.Duration
}

func (b *brake) held(now time.Time) bool { return now.Before(b.until) }

// after notes how a proposal ended.
func (b *brake) after(done bool, now time.Time) {
	if done {
		*b = brake{}
		return
	}
	b.pause = min(max(firstPause, 2*b.pause), longestPause)
	b.until = now.Add(b.pause)
}
