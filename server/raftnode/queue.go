package raftnode

import (
	"math"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	storev1 "roster/proto/roster/store/v1"
)

// call is one Propose that waits for its results.
type call struct {
	envelopes []*storev1.Envelope
	size      int
	// reign is the leadership under which it was made; it is not carried over
	// to a later one.
	reign *reign
	// claimed is set by the first of two: the loop that takes it, or the caller
	// that gives up.
	claimed atomic.Bool
	// answer gets exactly one outcome, unless the caller gave up first.
	answer chan outcome
}

type outcome struct {
	results []*storev1.Result
	err     error
}

func newCall(r *reign, envelopes []*storev1.Envelope) *call {
	size := 0
	for _, envelope := range envelopes {
		size += proto.Size(envelope)
	}
	return &call{envelopes: envelopes, size: size, reign: r, answer: make(chan outcome, 1)}
}

// giveUp says that nobody waits any more; false: the call was taken before.
func (c *call) giveUp() bool { return c.claimed.CompareAndSwap(false, true) }

func (c *call) fail(err error) { c.answer <- outcome{err: err} }

// queue holds calls, in order, until they are put into an entry.
type queue struct {
	mu      sync.Mutex
	waiting []*call
	closed  bool
	// wake says that calls may wait; its buffer of one is enough.
	wake chan struct{}
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// put adds a call; false: the queue is closed.
func (q *queue) put(c *call) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.waiting = append(q.waiting, c)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return true
}

// take gives the calls that come next and fit together into one entry. A call
// is never split, and one that alone is too large still comes.
func (q *queue) take(envelopes, size int) []*call {
	q.mu.Lock()
	defer q.mu.Unlock()
	var taken []*call
	for len(q.waiting) > 0 {
		c := q.waiting[0]
		if len(taken) > 0 && (len(c.envelopes) > envelopes || c.size > size) {
			break
		}
		q.waiting[0], q.waiting = nil, q.waiting[1:]
		if !c.claimed.CompareAndSwap(false, true) {
			continue // its caller gave up
		}
		envelopes -= len(c.envelopes)
		size -= c.size
		taken = append(taken, c)
	}
	if len(q.waiting) == 0 {
		q.waiting = nil
	}
	return taken
}

// close refuses further calls and gives those that still wait.
func (q *queue) close() []*call {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	var all []*call
	for {
		some := q.take(math.MaxInt, math.MaxInt)
		if len(some) == 0 {
			return all
		}
		all = append(all, some...)
	}
}
