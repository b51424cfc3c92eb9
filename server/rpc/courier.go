package rpc

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	peerv1 "roster/proto/roster/peer/v1"
	storev1 "roster/proto/roster/store/v1"

	"roster/client"
	"roster/fsm"
)

const (
	// journeys is how many calls of Propose are under way to one member. What
	// comes while all are out travels together with the next one.
	journeys = 4
	// loadSize is how many bytes of envelopes travel together; one larger request
	// travels alone.
	loadSize = 1 << 20
)

// courier is a member's client whose proposals travel together: a call for each
// write costs the leader as much as the write itself. Nobody waits for a load to
// fill, and each caller has its own answer, deadline and mark of what was sent.
type courier struct {
	peerv1.PeerServiceClient

	mu      sync.Mutex
	waiting []*parcel
	out     int
}

// parcel is one caller's proposal.
type parcel struct {
	envelopes []*storev1.Envelope
	size      int
	// left: it is on its way, and cannot be called off. The courier's mutex.
	left   bool
	answer chan delivery // buffered
}

type delivery struct {
	results []*storev1.Result
	err     error
	sent    bool // the leader may have seen it
}

// Propose is the client's Propose, without call options.
func (c *courier) Propose(ctx context.Context, r *peerv1.ProposeRequest, _ ...grpc.CallOption) (*peerv1.ProposeResponse, error) {
	p := &parcel{envelopes: r.GetEnvelopes(), size: proto.Size(r), answer: make(chan delivery, 1)}
	c.post(p)
	select {
	case d := <-p.answer:
		if d.sent {
			client.MarkSent(ctx)
		}
		if d.err != nil {
			return nil, d.err
		}
		return &peerv1.ProposeResponse{Results: d.results}, nil
	case <-ctx.Done():
		if !c.callOff(p) {
			client.MarkSent(ctx) // or about to be
		}
		return nil, status.FromContextError(ctx.Err()).Err()
	}
}

func (c *courier) post(p *parcel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = append(c.waiting, p)
	if c.out < journeys {
		c.out++
		go c.travel()
	}
}

// callOff takes a parcel back; false: it has left.
func (c *courier) callOff(p *parcel) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.left {
		return false
	}
	c.waiting = slices.DeleteFunc(c.waiting, func(q *parcel) bool { return q == p })
	return true
}

// travel carries loads until nothing waits.
func (c *courier) travel() {
	for {
		load := c.load()
		if len(load) == 0 {
			return
		}
		c.carry(load)
	}
}

// load takes what travels next; nothing ends the journey.
func (c *courier) load() []*parcel {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, envelopes, size := 0, 0, 0
	for _, p := range c.waiting {
		envelopes, size = envelopes+len(p.envelopes), size+p.size
		if n > 0 && (envelopes > fsm.MaxBatch || size > loadSize) {
			break
		}
		p.left = true
		n++
	}
	load := slices.Clone(c.waiting[:n])
	if c.waiting = slices.Delete(c.waiting, 0, n); n == 0 {
		c.out--
	}
	return load
}

// carry brings a load to the member, and each answer to its caller.
func (c *courier) carry(load []*parcel) {
	var envelopes []*storev1.Envelope
	for _, p := range load {
		envelopes = append(envelopes, p.envelopes...)
	}
	// No caller's own: who gives up must not take the others along.
	ctx, cancel := context.WithTimeout(context.Background(), writePatience)
	defer cancel()
	attempt, sent := client.Attempt(ctx)
	answer, err := c.PeerServiceClient.Propose(attempt, &peerv1.ProposeRequest{Envelopes: envelopes})
	if len(load) > 1 && refusedWhole(err) {
		// For what one of them said; nothing of it was done.
		for _, p := range load {
			c.carry([]*parcel{p})
		}
		return
	}
	results := answer.GetResults()
	if err == nil && len(results) != len(envelopes) {
		err = fmt.Errorf("the leader answered %d results to %d commands", len(results), len(envelopes))
	}
	for _, p := range load {
		d := delivery{err: err, sent: sent()}
		if err == nil {
			d.results, results = results[:len(p.envelopes):len(p.envelopes)], results[len(p.envelopes):]
		}
		p.answer <- d
	}
}

// refusedWhole says that the member refused a call before it did anything of it.
func refusedWhole(err error) bool {
	switch status.Code(err) {
	case codes.InvalidArgument, codes.FailedPrecondition, codes.ResourceExhausted:
		return true
	default:
		return false
	}
}
