package client

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc/stats"
)

// Attempt marks the context of one call on a connection that has Sent as a
// stats handler; sent then says whether the request may have reached the other
// side.
func Attempt(ctx context.Context) (_ context.Context, sent func() bool) {
	flag := new(atomic.Bool)
	return context.WithValue(ctx, sentKey{}, flag), flag.Load
}

// sentKey finds the flag of one attempt in its context.
type sentKey struct{}

// Sent raises an attempt's flag when its request header went to a connection:
// before that, no member can have seen it.
type Sent struct{}

// TagRPC implements stats.Handler.
func (Sent) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// HandleRPC implements stats.Handler.
func (Sent) HandleRPC(ctx context.Context, s stats.RPCStats) {
	if _, ok := s.(*stats.OutHeader); ok {
		MarkSent(ctx)
	}
}

// MarkSent raises an attempt's flag for who sends its request by another way.
func MarkSent(ctx context.Context) {
	if flag, ok := ctx.Value(sentKey{}).(*atomic.Bool); ok {
		flag.Store(true)
	}
}

// TagConn implements stats.Handler.
func (Sent) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (Sent) HandleConn(context.Context, stats.ConnStats) {}
