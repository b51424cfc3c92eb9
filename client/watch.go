package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	v1 "roster/proto/roster/v1"
)

// The Watch methods call handle with each message, in order, until handle
// returns an error, the context ends, or a member refuses for good, as with
// OUT_OF_RANGE for events that are no longer kept. Where a stream breaks they
// open it on another member and go on after the last message that was handled,
// by its epoch and index. The request is not changed; its after_index and epoch
// say where to begin. They return the error of handle as it is.

// WatchNodes follows the records of nodes. A message with reset starts anew.
func (c *Client) WatchNodes(ctx context.Context, from *v1.WatchNodesRequest, handle func(*v1.WatchNodesResponse) error) error {
	req := proto.CloneOf(from)
	return follow(ctx, "watch nodes", func(ctx context.Context) (grpc.ServerStreamingClient[v1.WatchNodesResponse], error) {
		return v1.NewNodeServiceClient(c).WatchNodes(ctx, proto.CloneOf(req))
	}, handle, func(epoch, index uint64) { req.Epoch, req.AfterIndex = epoch, index })
}

// WatchAssignments follows the sets of nodes.
func (c *Client) WatchAssignments(ctx context.Context, from *v1.WatchAssignmentsRequest, handle func(*v1.WatchAssignmentsResponse) error) error {
	req := proto.CloneOf(from)
	return follow(ctx, "watch assignments", func(ctx context.Context) (grpc.ServerStreamingClient[v1.WatchAssignmentsResponse], error) {
		return v1.NewAssignmentServiceClient(c).WatchAssignments(ctx, proto.CloneOf(req))
	}, handle, func(epoch, index uint64) { req.Epoch, req.AfterIndex = epoch, index })
}

// WatchEndpoints follows the endpoints of assigned services.
func (c *Client) WatchEndpoints(ctx context.Context, from *v1.WatchEndpointsRequest, handle func(*v1.WatchEndpointsResponse) error) error {
	req := proto.CloneOf(from)
	return follow(ctx, "watch endpoints", func(ctx context.Context) (grpc.ServerStreamingClient[v1.WatchEndpointsResponse], error) {
		return v1.NewEndpointServiceClient(c).WatchEndpoints(ctx, proto.CloneOf(req))
	}, handle, func(epoch, index uint64) { req.Epoch, req.AfterIndex = epoch, index })
}

// WatchEvents follows what happens.
func (c *Client) WatchEvents(ctx context.Context, from *v1.WatchEventsRequest, handle func(*v1.WatchEventsResponse) error) error {
	req := proto.CloneOf(from)
	return follow(ctx, "watch events", func(ctx context.Context) (grpc.ServerStreamingClient[v1.WatchEventsResponse], error) {
		return v1.NewEventServiceClient(c).WatchEvents(ctx, proto.CloneOf(req))
	}, handle, func(epoch, index uint64) { req.Epoch, req.AfterIndex = epoch, index })
}

// message is what every watch sends.
type message[T any] interface {
	*T
	GetIndex() uint64
	GetEpoch() uint64
}

// follow keeps one stream open after another. reached notes where to go on.
func follow[T any, M message[T]](
	ctx context.Context, doing string,
	open func(context.Context) (grpc.ServerStreamingClient[T], error),
	handle func(*T) error, reached func(epoch, index uint64),
) error {
	pause := firstPause
	for {
		moved, err := session[T, M](ctx, open, handle, reached)
		var own handlerError
		switch {
		case asHandler(err, &own):
			return own.error
		case ctx.Err() != nil:
			return ctx.Err()
		case !passing(err):
			return fmt.Errorf("%s: %w", doing, err)
		}
		if moved {
			pause = firstPause
		}
		if err := wait(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, 5*time.Second)
	}
}

// session is one stream, from opening to its end. moved: a message was handled.
func session[T any, M message[T]](
	ctx context.Context,
	open func(context.Context) (grpc.ServerStreamingClient[T], error),
	handle func(*T) error, reached func(epoch, index uint64),
) (moved bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := open(ctx)
	if err != nil {
		return false, err
	}
	for {
		m, err := s.Recv()
		if err != nil {
			return moved, err
		}
		if err := handle(m); err != nil {
			return moved, handlerError{err}
		}
		reached(M(m).GetEpoch(), M(m).GetIndex())
		moved = true
	}
}

// handlerError tells the caller's error from the stream's.
type handlerError struct{ error }

func asHandler(err error, target *handlerError) bool {
	return errors.As(err, target)
}

// passing says whether a stream that ended so may be opened again.
func passing(err error) bool {
	if errors.Is(err, io.EOF) {
		return true
	}
	var unanswered *UnansweredError
	if errors.As(err, &unanswered) && unanswered.all(misdialled) {
		return false
	}
	switch status.Code(err) {
	case codes.Unavailable, codes.Canceled, codes.DeadlineExceeded, codes.Aborted, codes.ResourceExhausted:
		return true
	}
	return false
}
