package rpc

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/server/rpc/auth"
	"roster/server/rpc/problem"
)

// longestDrain bounds what DrainNode takes: a deadline further away is a slip.
const longestDrain = 30 * 24 * time.Hour

// write proposes a command of the caller under its request id. What it returns
// was done, now or when the id came first.
func (g *Gate) write(ctx context.Context, requestID string, c *storev1.Command) (*storev1.Result, error) {
	if err := requireRequestID(requestID); err != nil {
		return nil, err
	}
	result, err := g.Propose(ctx, auth.Caller(ctx).URI(), requestID, c)
	if err := outcome(result, err); err != nil {
		return nil, err
	}
	return result, nil
}

// requireNode refuses a request that names no node.
func requireNode(id string) error {
	if id == "" {
		return problem.New(codes.InvalidArgument, problem.InvalidArgument, "id is missing: name a node, as `roster node list` shows them")
	}
	return nil
}

// duration reads a duration of a request, within bounds. Null is 0.
func duration(field string, d *durationpb.Duration, least, most time.Duration) (time.Duration, error) {
	switch {
	case d == nil:
		return 0, nil
	case d.CheckValid() != nil || d.AsDuration() < least || d.AsDuration() > most:
		return 0, problem.New(codes.InvalidArgument, problem.InvalidArgument, "%s is %s: give one from %s to %s", field, d.AsDuration(), plain(least), plain(most))
	}
	return d.AsDuration(), nil
}

// plain is a bound in its largest unit.
func plain(d time.Duration) string {
	switch {
	case d >= 24*time.Hour && d%(24*time.Hour) == 0:
		return amount(int(d/(24*time.Hour)), "day")
	case d >= time.Hour && d%time.Hour == 0:
		return amount(int(d/time.Hour), "hour")
	case d >= time.Minute && d%time.Minute == 0:
		return amount(int(d/time.Minute), "minute")
	}
	return amount(int(d/time.Second), "second")
}

// DrainNode implements NodeService. Its end is counted from the leader's time,
// by the state machine: the same request sent again must be the same command.
func (n *Nodes) DrainNode(ctx context.Context, r *v1.DrainNodeRequest) (*v1.DrainNodeResponse, error) {
	if err := requireNode(r.GetId()); err != nil {
		return nil, err
	}
	if _, err := duration("deadline", r.GetDeadline(), time.Second, longestDrain); err != nil {
		return nil, err
	}
	result, err := n.Gate.write(ctx, r.GetRequestId(), &storev1.Command{Command: &storev1.Command_DrainNode{DrainNode: &storev1.DrainNode{
		Id: r.GetId(), ExpectedGeneration: r.ExpectedGeneration, Drained: true, Within: r.GetDeadline(), Reason: r.GetReason(),
	}}})
	if err != nil {
		return nil, err
	}
	return &v1.DrainNodeResponse{Index: result.GetIndex(), Generation: result.GetGeneration()}, nil
}

// UndrainNode implements NodeService.
func (n *Nodes) UndrainNode(ctx context.Context, r *v1.UndrainNodeRequest) (*v1.UndrainNodeResponse, error) {
	if err := requireNode(r.GetId()); err != nil {
		return nil, err
	}
	result, err := n.Gate.write(ctx, r.GetRequestId(), &storev1.Command{Command: &storev1.Command_DrainNode{DrainNode: &storev1.DrainNode{
		Id: r.GetId(), ExpectedGeneration: r.ExpectedGeneration,
	}}})
	if err != nil {
		return nil, err
	}
	return &v1.UndrainNodeResponse{Index: result.GetIndex(), Generation: result.GetGeneration()}, nil
}

// ActivateNode implements NodeService.
func (n *Nodes) ActivateNode(ctx context.Context, r *v1.ActivateNodeRequest) (*v1.ActivateNodeResponse, error) {
	if err := requireNode(r.GetId()); err != nil {
		return nil, err
	}
	result, err := n.Gate.write(ctx, r.GetRequestId(), &storev1.Command{Command: &storev1.Command_ActivateNode{ActivateNode: &storev1.ActivateNode{
		Id: r.GetId(), ExpectedGeneration: r.ExpectedGeneration, Observe: r.GetObserve(), AllowStop: r.GetAllowStop(),
	}}})
	if err != nil {
		return nil, err
	}
	return &v1.ActivateNodeResponse{Index: result.GetIndex(), Generation: result.GetGeneration()}, nil
}

// AdoptNode implements NodeService.
func (n *Nodes) AdoptNode(ctx context.Context, r *v1.AdoptNodeRequest) (*v1.AdoptNodeResponse, error) {
	if err := requireNode(r.GetId()); err != nil {
		return nil, err
	}
	result, err := n.Gate.write(ctx, r.GetRequestId(), &storev1.Command{Command: &storev1.Command_AdoptNode{AdoptNode: &storev1.AdoptNode{
		Id: r.GetId(), ExpectedGeneration: r.ExpectedGeneration,
	}}})
	if err != nil {
		return nil, err
	}
	return &v1.AdoptNodeResponse{Index: result.GetIndex(), Generation: result.GetGeneration()}, nil
}

// ReplaceNode implements NodeService.
func (n *Nodes) ReplaceNode(ctx context.Context, r *v1.ReplaceNodeRequest) (*v1.ReplaceNodeResponse, error) {
	if err := requireNode(r.GetId()); err != nil {
		return nil, err
	}
	result, err := n.Gate.write(ctx, r.GetRequestId(), &storev1.Command{Command: &storev1.Command_ReplaceNode{ReplaceNode: &storev1.ReplaceNode{
		Id: r.GetId(), ExpectedGeneration: r.ExpectedGeneration, Force: r.GetForce(),
	}}})
	if err != nil {
		return nil, err
	}
	return &v1.ReplaceNodeResponse{Index: result.GetIndex(), Generation: result.GetGeneration()}, nil
}
