package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// ClusterIDKey is the metadata key of the cluster id that a call is meant for.
const ClusterIDKey = "roster-cluster-id"

// Bounds of the pause after a whole round of members failed; the pause is a
// random part of the bound, which doubles with each round.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = time.Second
)

// Invoke makes a unary call to any member: to the one that answered last, then,
// on UNAVAILABLE, to the others in turn, until the context ends, or until nobody was
// reached for Config.GiveUp. It returns an *UnansweredError where that happened, and
// at once where no member can trust the caller or be trusted, or all were dialled in
// the wrong way.
//
// A call that may have reached a member is made again only if that is safe: it
// reads, or it carries a request id.
func (c *Client) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	ctx = c.outgoing(ctx)
	safe := repeatable(method, args)
	faults := faultList{write: !reads(method)}
	// search is how long a member looked for a leader the last time.
	var search time.Duration
	// nobody is since when no address had a member that took the call.
	nobody := time.Now()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		members, err := c.round()
		if err != nil {
			return err
		}
		if faults.leaderless() && sooner(ctx, search) {
			return faults.error(nil)
		}
		for _, m := range members {
			began := time.Now()
			sent, err := c.invoke(ctx, m, method, args, reply, opts)
			if Reason(err) == NoLeader {
				search = time.Since(began)
			}
			if sent {
				nobody = time.Now()
			}
			switch {
			case ended(err) && over(ctx) != nil:
				faults.note(m.address, errSilent, sent)
				return faults.error(over(ctx))
			case status.Code(err) != codes.Unavailable:
				c.prefer(m)
				return err
			}
			faults.note(m.address, err, sent)
			c.log.DebugContext(ctx, "member did not do a call", "member", m.address, "method", method, "err", err)
			if sent && !safe && Reason(err) != NoLeader {
				return &UnknownOutcomeError{Member: m.address, Err: err}
			}
		}
		if faults.hopeless(members) || c.config.GiveUp > 0 && time.Since(nobody) >= c.config.GiveUp {
			return faults.error(nil)
		}
		if err := wait(ctx, pause); err != nil {
			return faults.error(err)
		}
	}
}

// invoke makes one attempt at one member and says whether the request may have
// reached it.
func (c *Client) invoke(ctx context.Context, m *member, method string, args, reply any, opts []grpc.CallOption) (bool, error) {
	conn, err := m.acquire()
	if err != nil {
		// Only a member that left the list, or a closed client.
		return false, status.Error(codes.Unavailable, err.Error())
	}
	defer m.release()
	attempt, sent := Attempt(ctx)
	var header metadata.MD
	own := append(opts[:len(opts):len(opts)], grpc.Header(&header))
	err = conn.Invoke(attempt, method, args, reply, own...)
	c.hear(header)
	if err != nil && !sent() {
		err = Misdialled(ctx, m.address, c.config.TLS != nil, err, nil)
	}
	return sent(), err
}

// NewStream opens a stream on the member that answered last, or on the first of
// the others that can be reached: one round, without a pause, since a stream
// lives for as long as its context and cannot say when to give up. Once open it
// stays on its member, and is never opened again by itself. After UNAVAILABLE
// the next call begins with another member.
func (c *Client) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	ctx = c.outgoing(ctx)
	members, err := c.round()
	if err != nil {
		return nil, err
	}
	faults := faultList{}
	for _, m := range members {
		s, err := c.open(ctx, m, desc, method, opts)
		if err == nil {
			c.prefer(m)
			return s, nil
		}
		if status.Code(err) != codes.Unavailable {
			return nil, err
		}
		faults.note(m.address, err, false)
		c.log.DebugContext(ctx, "member did not open a stream", "member", m.address, "method", method, "err", err)
	}
	return nil, faults.error(ctx.Err())
}

// outgoing adds what every call carries.
func (c *Client) outgoing(ctx context.Context) context.Context {
	if c.config.ClusterID == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, ClusterIDKey, c.config.ClusterID)
}

// hear notes the cluster's time in a reply.
func (c *Client) hear(header metadata.MD) {
	for _, v := range header.Get(TimeHeader) {
		// No time before 1970 and none that a UUIDv7 cannot hold.
		if ms, err := strconv.ParseInt(v, 10, 64); err == nil && ms > 0 && ms < 1<<48 {
			c.clock.tell(time.UnixMilli(ms), time.Now())
		}
	}
}

// errSilent is the fault of a member that was being asked when the context
// ended.
var errSilent = errors.New("did not answer in time")

// ended says whether an error can be the end of the context.
func ended(err error) bool {
	code := status.Code(err)
	return code == codes.Canceled || code == codes.DeadlineExceeded
}

// over is how the context ended, or is about to; nil if it goes on. The other
// side keeps the same deadline and may notice it a moment earlier.
func over(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok && ctx.Err() == nil && time.Until(deadline) < 100*time.Millisecond {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

// sooner says that the context ends before a member could look for a leader
// once more, which took it so long the last time: better the answer that is
// known than a call broken off in the middle.
func sooner(ctx context.Context, search time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) < search+search/2
}

// wait pauses for a random part of the bound: many clients that lost the same
// member do not come back at once.
func wait(ctx context.Context, bound time.Duration) error {
	t := time.NewTimer(rand.N(bound))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
