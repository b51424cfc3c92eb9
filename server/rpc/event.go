package rpc

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/grpc/codes"

	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/server/rpc/problem"
)

// Events implements EventService.
type Events struct {
	v1.UnimplementedEventServiceServer
	Gate    *Gate
	Machine *fsm.Machine
}

const (
	defaultEvents = 1000
	mostEvents    = 10_000
	eventsAtOnce  = 1000
)

// ListEvents implements EventService.
func (e *Events) ListEvents(ctx context.Context, r *v1.ListEventsRequest) (*v1.ListEventsResponse, error) {
	state, err := read(ctx, e.Gate, e.Machine, r.GetStale())
	if err != nil {
		return nil, err
	}
	limit := min(int(r.GetLimit()), mostEvents)
	if limit == 0 {
		limit = defaultEvents
	}
	events, oldest, err := state.LastEvents(r.GetAfterIndex(), limit, func(event *v1.Event) bool {
		return matches(event, r.GetNode(), r.GetKind())
	})
	if err != nil {
		return nil, compacted(err, oldest)
	}
	return &v1.ListEventsResponse{Events: events, Index: state.Index(), OldestIndex: oldest}, nil
}

func compacted(err error, oldest uint64) error {
	if errors.Is(err, fsm.ErrCompacted) {
		return problem.New(codes.OutOfRange, problem.Compacted, "events that far back are no longer kept: the oldest one has index %d", oldest)
	}
	return err
}

func matches(e *v1.Event, node, kind string) bool {
	return (node == "" || e.GetNode() == node) && strings.HasPrefix(e.GetKind(), kind)
}

func filterEvents(events []*v1.Event, node, kind string) []*v1.Event {
	if node == "" && kind == "" {
		return events
	}
	var out []*v1.Event
	for _, e := range events {
		if matches(e, node, kind) {
			out = append(out, e)
		}
	}
	return out
}

// WatchEvents implements EventService. Events of one entry are never split.
func (e *Events) WatchEvents(r *v1.WatchEventsRequest, stream v1.EventService_WatchEventsServer) error {
	ctx := stream.Context()
	if _, err := knownCluster(ctx, e.Machine); err != nil {
		return err
	}
	after, epoch := r.GetAfterIndex(), r.GetEpoch()
	for first := true; ; first = false {
		changed := e.Machine.Changed()
		state := e.Machine.State()
		now := state.Cluster().GetEpoch()
		if epoch != 0 && epoch != now {
			return problem.New(codes.OutOfRange, problem.Compacted, "the cluster's history is another now (epoch %d, not %d): watch from the beginning", now, epoch)
		}
		epoch = now
		events, oldest, err := state.Events(after, eventsAtOnce)
		if err != nil {
			return compacted(err, oldest)
		}
		upTo := max(after, state.Index())
		more := len(events) >= eventsAtOnce
		if more {
			upTo = events[len(events)-1].GetIndex()
		}
		kept := filterEvents(events, r.GetNode(), r.GetKind())
		if first || len(kept) > 0 {
			if err := stream.Send(&v1.WatchEventsResponse{Index: upTo, Epoch: epoch, Events: kept}); err != nil {
				return err
			}
		}
		after = upTo
		if more {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}
