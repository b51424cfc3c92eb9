package raftnode

import (
	"sync"

	"google.golang.org/protobuf/proto"

	storev1 "roster/proto/roster/store/v1"
)

// call is one Propose that waits for its results.
type call struct {
	envelopes []*storev1.Envelope
	size      int
	// answer gets exactly one outcome, unless the caller gave up in the queue.
	answer chan outcome
}

type outcome struct {
	results []*storev1.Result
	err     error
}

func newCall(envelopes []*storev1.Envelope) *call {
	size := 0
	for _, envelope := range envelopes {
		size += proto.Size(envelope)
	}
	return &call{envelopes: envelopes, size: size, answer: make(chan outcome, 1)}
}

// queue holds calls, in order, until they are put into an entry. A call is in
// it or it was taken, never both: who gives up learns which.
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
// is never split.
func (q *queue) take(envelopes, size int) []*call {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for _, c := range q.waiting {
		envelopes -= len(c.envelopes)
		size -= c.size
		if n > 0 && (envelopes < 0 || size < 0) {
			break
		}
		n++
	}
	taken := q.waiting[:n:n]
	if q.waiting = q.waiting[n:]; len(q.waiting) == 0 {
		q.waiting = nil
	}
	return taken
}

// giveUp takes one call out; false: it was taken before.
func (q *queue) giveUp(c *call) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, other := range q.waiting {
		if other == c {
			rest := append([]*call{}, q.waiting[:i]...)
			q.waiting = append(rest, q.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// close refuses further calls and gives those that still wait.
func (q *queue) close() []*call {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	waiting := q.waiting
	q.waiting = nil
	return waiting
}
