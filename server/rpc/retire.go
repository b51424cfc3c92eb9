package rpc

import (
	"context"
	"slices"

	peerv1 "roster/proto/roster/peer/v1"
	storev1 "roster/proto/roster/store/v1"

	"roster/server/raftnode"
	"roster/server/rpc/problem"
)

// Retire takes a member out, in the name of a caller: the vote goes first, then
// the record. It may be repeated where it broke off between, and is refused
// where it would cost the quorum.
func (c *Cluster) Retire(ctx context.Context, caller, requestID, id string) (*storev1.Result, error) {
	if err := c.Gate.Fresh(ctx); err != nil {
		return nil, toStatus(err)
	}
	command := &storev1.Command{Command: &storev1.Command_RemoveMember{RemoveMember: &storev1.RemoveMember{Id: id}}}
	if requestID != "" {
		// Before the vote is gone: a request that is refused changes nothing.
		state := c.Machine.State()
		if err := problem.FromRefusal(state.Unacceptable(caller, requestID, command, timeOf(state))); err != nil {
			return nil, err
		}
	}
	// Where there is neither record nor vote, the state machine says whether this
	// very request took them away.
	inGroup := slices.ContainsFunc(c.Raft.Servers(), func(s raftnode.Server) bool { return s.ID == id })
	if inGroup || c.Machine.State().Member(id) != nil {
		if err := c.keepsQuorum(ctx, id); err != nil {
			return nil, err
		}
		if err := c.change(ctx, &peerv1.MembershipRequest{Change: &peerv1.MembershipRequest_Remove{Remove: id}}); err != nil {
			return nil, err
		}
	}
	result, err := c.Gate.Propose(ctx, caller, requestID, command)
	if err := outcome(result, err); err != nil {
		return nil, err
	}
	return result, nil
}
