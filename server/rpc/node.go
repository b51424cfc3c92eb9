package rpc

import (
	"context"

	"google.golang.org/grpc/codes"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/server/rpc/auth"
	"roster/server/rpc/problem"
)

// Nodes implements NodeService.
type Nodes struct {
	v1.UnimplementedNodeServiceServer
	Gate    *Gate
	Machine *fsm.Machine
	Members electorate
}

// ListNodes implements NodeService.
func (n *Nodes) ListNodes(ctx context.Context, r *v1.ListNodesRequest) (*v1.ListNodesResponse, error) {
	state, err := read(ctx, n.Gate, n.Machine, r.GetStale())
	if err != nil {
		return nil, err
	}
	return &v1.ListNodesResponse{Nodes: state.Nodes(), Index: state.Index()}, nil
}

// GetNode implements NodeService.
func (n *Nodes) GetNode(ctx context.Context, r *v1.GetNodeRequest) (*v1.GetNodeResponse, error) {
	state, err := read(ctx, n.Gate, n.Machine, r.GetStale())
	if err != nil {
		return nil, err
	}
	node := state.Node(r.GetId())
	if node == nil {
		return nil, unknownNode(r.GetId())
	}
	return &v1.GetNodeResponse{Node: node, Index: state.Index()}, nil
}

func unknownNode(id string) error {
	return problem.New(codes.NotFound, problem.NotFound, "there is no node %q: `roster node list` shows those that registered", id)
}

// UpdateNode implements NodeService.
func (n *Nodes) UpdateNode(ctx context.Context, r *v1.UpdateNodeRequest) (*v1.UpdateNodeResponse, error) {
	if err := requireRequestID(r.GetRequestId()); err != nil {
		return nil, err
	}
	result, err := n.Gate.Propose(ctx, auth.Caller(ctx).URI(), r.GetRequestId(), updateCommand(r))
	if err := outcome(result, err); err != nil {
		return nil, err
	}
	return &v1.UpdateNodeResponse{Index: result.GetIndex(), Generation: result.GetGeneration()}, nil
}

func updateCommand(r *v1.UpdateNodeRequest) *storev1.Command {
	return &storev1.Command{Command: &storev1.Command_UpdateNode{UpdateNode: &storev1.UpdateNode{
		Id: r.GetId(), ExpectedGeneration: r.ExpectedGeneration, Region: r.Region, Zone: r.Zone,
		SetLabels: r.GetSetLabels(), RemoveLabels: r.GetRemoveLabels(), Capacity: r.Capacity,
	}}}
}

// UpdateNodes implements NodeService.
func (n *Nodes) UpdateNodes(ctx context.Context, r *v1.UpdateNodesRequest) (*v1.UpdateNodesResponse, error) {
	if len(r.GetUpdates()) == 0 || len(r.GetUpdates()) > fsm.MaxBatch {
		return nil, problem.New(codes.InvalidArgument, problem.InvalidArgument, "updates holds %d changes: send 1 to %d", len(r.GetUpdates()), fsm.MaxBatch)
	}
	caller := auth.Caller(ctx).URI()
	envelopes := make([]*storev1.Envelope, 0, len(r.GetUpdates()))
	for _, u := range r.GetUpdates() {
		if err := requireRequestID(u.GetRequestId()); err != nil {
			return nil, err
		}
		envelopes = append(envelopes, &storev1.Envelope{Caller: caller, RequestId: u.GetRequestId(), Command: updateCommand(u)})
	}
	results, err := n.Gate.ProposeAll(ctx, envelopes)
	if err != nil {
		return nil, toStatus(err)
	}
	answer := &v1.UpdateNodesResponse{}
	for _, result := range results {
		answer.Results = append(answer.Results, &v1.UpdateNodesResult{
			Index: result.GetIndex(), Generation: result.GetGeneration(),
			Code: result.GetRefusal().GetCode(), Message: result.GetRefusal().GetMessage(),
		})
	}
	return answer, nil
}

// CordonNode implements NodeService.
func (n *Nodes) CordonNode(ctx context.Context, r *v1.CordonNodeRequest) (*v1.CordonNodeResponse, error) {
	if err := requireRequestID(r.GetRequestId()); err != nil {
		return nil, err
	}
	result, err := n.Gate.Propose(ctx, auth.Caller(ctx).URI(), r.GetRequestId(), &storev1.Command{Command: &storev1.Command_CordonNode{
		CordonNode: &storev1.CordonNode{Id: r.GetId(), ExpectedGeneration: r.ExpectedGeneration, Cordoned: r.GetCordoned(), Reason: r.GetReason()},
	}})
	if err := outcome(result, err); err != nil {
		return nil, err
	}
	return &v1.CordonNodeResponse{Index: result.GetIndex(), Generation: result.GetGeneration()}, nil
}

// RemoveNode implements NodeService.
func (n *Nodes) RemoveNode(ctx context.Context, r *v1.RemoveNodeRequest) (*v1.RemoveNodeResponse, error) {
	if err := requireRequestID(r.GetRequestId()); err != nil {
		return nil, err
	}
	result, err := n.Gate.Propose(ctx, auth.Caller(ctx).URI(), r.GetRequestId(), &storev1.Command{Command: &storev1.Command_RemoveNode{
		RemoveNode: &storev1.RemoveNode{Id: r.GetId(), ExpectedGeneration: r.ExpectedGeneration, Force: r.GetForce()},
	}})
	if err := outcome(result, err); err != nil {
		return nil, err
	}
	return &v1.RemoveNodeResponse{Index: result.GetIndex()}, nil
}
