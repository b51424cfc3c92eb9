package raftnode

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/protobuf/types/known/timestamppb"

	"roster/fsm"
	storev1 "roster/proto/roster/store/v1"
)

const (
	// entriesInFlight is how many entries wait for their commit at a time: one
	// is on its way while the next one fills.
	entriesInFlight = 2
	// entrySize is how many bytes of envelopes share an entry; one larger
	// request has an entry of its own.
	entrySize = 1 << 20
	// requestSize is the most bytes that one Propose may bring.
	requestSize = 8 << 20
	// stuckAfter is how long a leader may refuse writes because of a hand-over.
	// A hand-over that works takes two election timeouts at most.
	stuckAfter = 10 * time.Second
)

// Propose writes commands and gives their results, in the same order, once they
// are committed and applied here. Only the leader can; all commands of one call
// share an entry, with those of others that wait at the same time. It sets
// time, schema and cluster id in copies of the envelopes; the commands must not
// be changed any more.
//
// Errors that wrap ErrUnknownOutcome leave open whether the commands are done;
// all others say that they are not and never will be. A refused command is no
// error: see Result.
func (n *Node) Propose(ctx context.Context, envelopes []*storev1.Envelope) ([]*storev1.Result, error) {
	if err := n.running(ctx); err != nil {
		return nil, err
	}
	for _, envelope := range envelopes {
		if id := envelope.GetClusterId(); id != "" && id != n.cfg.Identity.ClusterID {
			return nil, fmt.Errorf("%w: %s, this one is %s", ErrWrongCluster, id, n.cfg.Identity.ClusterID)
		}
		if envelope.GetCommand().GetCommand() == nil {
			return nil, errors.New("propose: an envelope has no command")
		}
	}
	reign, err := n.reignReady(ctx)
	if err != nil {
		return nil, err
	}
	return n.proposeReadable(ctx, reign, envelopes)
}

// propose is Propose without the wait for a leadership that is ready.
func (n *Node) propose(ctx context.Context, r *reign, envelopes []*storev1.Envelope) ([]*storev1.Result, error) {
	if len(envelopes) == 0 {
		return nil, nil
	}
	c := newCall(r, envelopes)
	if len(envelopes) > fsm.MaxBatch || c.size > requestSize {
		return nil, fmt.Errorf("%w: %d commands of %d bytes; an entry holds %d of %d", ErrTooLarge, len(envelopes), c.size, fsm.MaxBatch, requestSize)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("propose: %w", err)
	}
	if !n.queue.put(c) {
		return nil, ErrStopping
	}
	select {
	case o := <-c.answer:
		return o.results, o.err
	case <-ctx.Done():
		if c.giveUp() {
			return nil, fmt.Errorf("propose: %w", ctx.Err())
		}
		return nil, fmt.Errorf("propose: %w: %w", ErrUnknownOutcome, ctx.Err())
	case <-n.gone:
		select {
		case o := <-c.answer:
			return o.results, o.err
		default:
			return nil, fmt.Errorf("propose: %w: %w", ErrUnknownOutcome, ErrStopping)
		}
	}
}

// commitLoop puts waiting calls into entries. It waits for nothing but a place
// in flight, so a single caller is on its way at once, and many share the next
// entry while they wait for that place.
func (n *Node) commitLoop(ctx context.Context) {
	for {
		select {
		case <-n.queue.wake:
		case <-ctx.Done():
			return
		}
		for {
			select {
			case n.places <- struct{}{}:
			case <-ctx.Done():
				return
			}
			calls := n.queue.take(fsm.MaxBatch, entrySize)
			if len(calls) == 0 {
				<-n.places
				break
			}
			n.commit(calls, func() { <-n.places })
		}
	}
}

// commit hands one entry to raft, and its answer to the callers.
func (n *Node) commit(calls []*call, done func()) {
	calls = slices.DeleteFunc(calls, func(c *call) bool {
		over := c.reign.ctx.Err() != nil
		if over {
			c.fail(fmt.Errorf("propose: %w", n.notLeader()))
		}
		return over
	})
	if len(calls) == 0 {
		done()
		return
	}
	entry, err := n.encode(calls)
	if err != nil {
		done()
		answerAll(calls, fmt.Errorf("propose: %w", err))
		return
	}
	// This blocks while raft's main goroutine is busy, as with a slow disk, and
	// ends when raft does.
	future := n.raft().Apply(entry, 0)
	n.calls.Go(func() {
		defer done()
		err := future.Error()
		n.transferRefused(err)
		if err != nil {
			answerAll(calls, fromRaft("propose", err))
			return
		}
		n.entries.Add(1)
		n.answer(calls, future)
	})
}

// encode makes an entry out of calls. Their envelopes are copied: a caller that
// gave up may use its own again.
func (n *Node) encode(calls []*call) ([]byte, error) {
	now := timestamppb.New(n.now())
	schema := n.schema()
	var envelopes []*storev1.Envelope
	for _, c := range calls {
		for _, e := range c.envelopes {
			envelopes = append(envelopes, &storev1.Envelope{
				Schema: schema, ClusterId: n.cfg.Identity.ClusterID, Caller: e.GetCaller(), RequestId: e.GetRequestId(),
				Time: now, Command: e.GetCommand(),
			})
		}
	}
	return fsm.EncodeEntry(envelopes)
}

// Time is the time that a command gets which is written now. Whoever compares
// the time with records on the leader asks for it here: its own clock may be
// another one.
func (n *Node) Time() time.Time { return n.now() }

// now is the leader's time: its clock, but never before what was applied, nor
// before what it gave out last. Where that is ahead of its clock, because a
// leader's before was, time goes on from there, a tenth slower until the clock
// has caught up: if it stood still, nothing would be over until then.
func (n *Node) now() time.Time {
	applied := n.replica.latest()
	n.clock.Lock()
	defer n.clock.Unlock()
	read := n.cfg.Now()
	switch last := n.clock.last; {
	case last.Before(applied):
		n.clock.last = applied
	case !last.IsZero():
		gone := max(0, read.Sub(n.clock.at))
		n.clock.last = last.Add(gone - gone/10)
	}
	n.clock.at = read
	// Without its monotonic part: that goes on while the clock is set back.
	if own := read.Round(0); own.After(n.clock.last) {
		n.clock.last = own
	}
	return n.clock.last
}

// answer gives each caller its own part of the machine's results.
func (n *Node) answer(calls []*call, future raft.ApplyFuture) {
	response, _ := future.Response().(applied)
	if response.err != nil {
		answerAll(calls, fmt.Errorf("propose: %w: %w", ErrUnknownOutcome, response.err))
		return
	}
	results := response.results
	for _, c := range calls {
		count := len(c.envelopes)
		if len(results) < count {
			c.fail(fmt.Errorf("propose: %w: entry %d gave too few results", ErrUnknownOutcome, future.Index()))
			continue
		}
		c.answer <- outcome{results: results[:count:count]}
		results = results[count:]
	}
}

func answerAll(calls []*call, err error) {
	for _, c := range calls {
		c.fail(err)
	}
}

// transferRefused notes whether raft refused because of a hand-over, and stops
// a member that does so for ever: an interrupted hand-over can leave a leader
// in that state, also when it was elected again.
func (n *Node) transferRefused(err error) {
	if !errors.Is(err, raft.ErrLeadershipTransferInProgress) {
		n.refusedSince.Store(nil)
		return
	}
	now := time.Now()
	if !n.refusedSince.CompareAndSwap(nil, &now) {
		if since := n.refusedSince.Load(); since != nil && now.Sub(*since) > stuckAfter {
			n.stop(fmt.Errorf("%w: this leader refuses every write since %s. Mend: start this member again; its data is kept",
				ErrStuck, since.UTC().Format(time.RFC3339)))
		}
	}
}
