package rpc

import (
	"context"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/server/status"
)

// Rollouts implements RolloutService.
type Rollouts struct {
	v1.UnimplementedRolloutServiceServer
	Gate    *Gate
	Machine *fsm.Machine
	// Timed is a topology as the leader's loop reads it; nil: as it is.
	Timed func(*v1.Topology) *v1.Topology
}

// GetRollout implements RolloutService. How far it is follows from the state, so
// each member works it out by itself.
func (r *Rollouts) GetRollout(ctx context.Context, request *v1.GetRolloutRequest) (*v1.GetRolloutResponse, error) {
	state, err := read(ctx, r.Gate, r.Machine, request.GetStale())
	if err != nil {
		return nil, err
	}
	in := status.Input{State: state, Now: timeOf(state)}
	if r.Timed != nil {
		in.Effective = r.Timed(state.Effective())
	}
	return &v1.GetRolloutResponse{Rollout: status.Rollout(in), Index: state.Index()}, nil
}

// PauseRollout implements RolloutService.
func (r *Rollouts) PauseRollout(ctx context.Context, request *v1.PauseRolloutRequest) (*v1.PauseRolloutResponse, error) {
	result, err := r.Gate.write(ctx, request.GetRequestId(), pauseCommand(true, request.GetReason()))
	if err != nil {
		return nil, err
	}
	return &v1.PauseRolloutResponse{Index: result.GetIndex()}, nil
}

// ResumeRollout implements RolloutService.
func (r *Rollouts) ResumeRollout(ctx context.Context, request *v1.ResumeRolloutRequest) (*v1.ResumeRolloutResponse, error) {
	result, err := r.Gate.write(ctx, request.GetRequestId(), pauseCommand(false, request.GetReason()))
	if err != nil {
		return nil, err
	}
	return &v1.ResumeRolloutResponse{Index: result.GetIndex()}, nil
}

func pauseCommand(paused bool, reason string) *storev1.Command {
	return &storev1.Command{Command: &storev1.Command_PauseRollout{PauseRollout: &storev1.PauseRollout{Paused: paused, Reason: reason}}}
}

// AbortRollout implements RolloutService.
func (r *Rollouts) AbortRollout(ctx context.Context, request *v1.AbortRolloutRequest) (*v1.AbortRolloutResponse, error) {
	result, err := r.Gate.write(ctx, request.GetRequestId(), &storev1.Command{Command: &storev1.Command_AbortRollout{
		AbortRollout: &storev1.AbortRollout{Reason: request.GetReason()},
	}})
	if err != nil {
		return nil, err
	}
	return &v1.AbortRolloutResponse{Revision: result.GetRevision(), Index: result.GetIndex()}, nil
}
