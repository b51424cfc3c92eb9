package raftnode

import (
	"context"
	"sync"
)

// reign is one time of this member as the leader.
type reign struct {
	// ctx ends with the reign.
	ctx context.Context
	end context.CancelFunc
	// ready is closed once everything of earlier terms is applied here and the
	// cluster's first commands are done.
	ready chan struct{}
	// term is set before ready is closed.
	term uint64
}

// throne holds the reign at hand. It is a level, not a queue: a watcher that
// was slow sees the newest.
type throne struct {
	mu      sync.Mutex
	reign   *reign
	changed chan struct{}
	closed  bool
}

func newThrone() *throne { return &throne{changed: make(chan struct{})} }

// drain reads raft's notices until it ends. Raft waits until each is read, so
// nothing here may call raft or wait for anything.
func (t *throne) drain(notices <-chan bool, quit <-chan struct{}) {
	for {
		select {
		case leads := <-notices:
			t.notice(leads)
		case <-quit:
			return
		}
	}
}

// notice begins or ends a reign. Leading after leading means that leadership
// was lost between: the old reign ends, a new one begins.
func (t *throne) notice(leads bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.reign != nil {
		t.reign.end()
		t.reign = nil
	}
	if leads && !t.closed {
		ctx, end := context.WithCancel(context.Background())
		t.reign = &reign{ctx: ctx, end: end, ready: make(chan struct{})}
	}
	t.signal()
}

// announce wakes those who wait for another leader to be known.
func (t *throne) announce() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.signal()
}

func (t *throne) signal() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// now is the reign at hand, nil where this member does not lead, and a channel
// that is closed when that, or the leader known, has changed.
func (t *throne) now() (*reign, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.reign, t.changed
}

// close ends the reign at hand; there will be no other.
func (t *throne) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.notice(false)
}

// Leader is the member that leads as far as this one knows.
func (n *Node) Leader() (id string, ok bool) {
	if n.raft() == nil {
		return "", false
	}
	_, leader := n.raft().LeaderWithID()
	return string(leader), leader != ""
}

// LeaderChanged returns a channel that is closed when the leader, as far as
// this member knows, is another or none. Take it before Leader.
func (n *Node) LeaderChanged() <-chan struct{} {
	_, changed := n.throne.now()
	return changed
}

// Lead runs f whenever this member leads, until ctx ends, the node stops, or f
// returns an error while it still leads. f gets the term, and a context that
// ends with the leadership; Lead waits for f before it runs it again. When f
// begins, everything that was acknowledged in earlier terms is applied here.
// An f that returns nil is run again at the next leadership only.
func (n *Node) Lead(ctx context.Context, f func(ctx context.Context, term uint64) error) error {
	for {
		reign, changed := n.throne.now()
		if reign == nil {
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				return nil
			case <-n.done:
				return nil
			}
		}
		select {
		case <-reign.ready:
			if err := lead(ctx, reign, f); err != nil {
				return err
			}
		case <-reign.ctx.Done():
		case <-ctx.Done():
			return nil
		}
		select {
		case <-reign.ctx.Done():
		case <-ctx.Done():
			return nil
		}
	}
}

// lead runs f during one reign. Errors after its end are its consequence.
func lead(ctx context.Context, r *reign, f func(context.Context, uint64) error) error {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.ctx, cancel)()
	if r.ctx.Err() != nil {
		return nil
	}
	err := f(inner, r.term)
	if inner.Err() != nil {
		return nil
	}
	return err
}
