package rpc

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	storev1 "roster/proto/roster/store/v1"

	"roster/fsm"
	"roster/server/raftnode"
	"roster/server/rpc/problem"
)

// read returns this member's state: linearizable, or as it is where stale.
func read(ctx context.Context, gate *Gate, machine *fsm.Machine, stale bool) (*fsm.State, error) {
	if !stale {
		if err := gate.Fresh(ctx); err != nil {
			return nil, toStatus(err)
		}
	}
	return machine.State(), nil
}

// outcome is the error of a proposal: its own, or its refusal.
func outcome(result *storev1.Result, err error) error {
	if err != nil {
		return toStatus(err)
	}
	return problem.FromRefusal(result.GetRefusal())
}

// toStatus is the one table from errors to gRPC codes.
func toStatus(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raftnode.ErrNotLeader):
		return problem.New(codes.Unavailable, problem.NotLeader, "this member does not lead")
	case errors.Is(err, raftnode.ErrUnknownOutcome):
		return problem.New(codes.Unavailable, problem.UnknownOutcome,
			"leadership was lost in the middle: the change may or may not have happened; the same request id is safe to send again")
	case errors.Is(err, raftnode.ErrStopping):
		return problem.New(codes.Unavailable, problem.NotLeader, "this member is stopping")
	case errors.Is(err, raftnode.ErrUnknownMember):
		return problem.New(codes.NotFound, problem.NotFound, "%s: `roster member list` shows them", err)
	case errors.Is(err, raftnode.ErrLastVoter):
		return problem.New(codes.FailedPrecondition, problem.NoQuorum, "%s: let another member join first", err)
	case errors.Is(err, raftnode.ErrNotHandedOver):
		return problem.New(codes.FailedPrecondition, problem.NoQuorum, "%s", err)
	case errors.Is(err, raftnode.ErrTooLarge):
		return problem.New(codes.InvalidArgument, problem.InvalidArgument, "%s: send less at once", err)
	case errors.Is(err, raftnode.ErrWrongCluster):
		return problem.New(codes.FailedPrecondition, problem.WrongCluster, "%s", err)
	case errors.Is(err, context.DeadlineExceeded):
		return problem.New(codes.DeadlineExceeded, problem.Deadline, "the deadline passed before the members answered")
	case errors.Is(err, context.Canceled):
		return status.FromContextError(err).Err()
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	return status.Error(codes.Internal, err.Error())
}

// requireRequestID refuses a write without one: it could not be retried.
func requireRequestID(id string) error {
	if id == "" {
		return problem.New(codes.InvalidArgument, problem.InvalidArgument,
			"request_id is missing: send a UUIDv7 of your own, and the same one when you try again")
	}
	return nil
}
