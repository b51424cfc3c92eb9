package rpc

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	peerv1 "roster/proto/roster/peer/v1"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/server/raftnode"
	"roster/server/rpc/auth"
	"roster/server/rpc/problem"
	"roster/server/status"
)

// Cluster implements ClusterService.
type Cluster struct {
	v1.UnimplementedClusterServiceServer
	Gate    *Gate
	Machine *fsm.Machine
	Raft    *raftnode.Node
	Self    string
}

// GetStatus implements ClusterService. Without a leader it shows what this
// member knows, and says so.
func (c *Cluster) GetStatus(ctx context.Context, r *v1.GetStatusRequest) (*v1.GetStatusResponse, error) {
	stale := r.GetStale()
	leaderless := false
	if !stale {
		err := toStatus(c.Gate.Fresh(ctx))
		switch {
		case problem.Is(err, problem.NoLeader):
			stale, leaderless = true, true
		case err != nil:
			return nil, err
		}
	}
	leader, ok := c.Raft.Leader()
	if !ok || leaderless {
		leader = ""
	}
	return &v1.GetStatusResponse{Status: status.Compute(status.Input{
		State: c.Machine.State(), Now: time.Now(), Leader: leader, AnsweredBy: c.Self,
		Stale: stale, Term: c.Raft.Term(), Voters: c.voters(),
	})}, nil
}

func (c *Cluster) voters() map[string]bool {
	out := map[string]bool{}
	for _, id := range c.Raft.Voters() {
		out[id] = true
	}
	return out
}

// ListMembers implements ClusterService.
func (c *Cluster) ListMembers(ctx context.Context, r *v1.ListMembersRequest) (*v1.ListMembersResponse, error) {
	state, err := read(ctx, c.Gate, c.Machine, r.GetStale())
	if err != nil {
		return nil, err
	}
	leader, _ := c.Raft.Leader()
	voters := c.voters()
	answer := &v1.ListMembersResponse{Index: state.Index()}
	for _, m := range state.Members() {
		shown := proto.CloneOf(m)
		shown.Leader = m.GetId() == leader
		shown.Voter = voters[m.GetId()]
		answer.Members = append(answer.Members, shown)
	}
	return answer, nil
}

// JoinMember implements ClusterService: first the record, so that the others
// know its addresses, then the non-voter. Both may be repeated.
func (c *Cluster) JoinMember(ctx context.Context, r *v1.JoinMemberRequest) (*v1.JoinMemberResponse, error) {
	m := r.GetMember()
	if m.GetId() == "" || m.GetRaftAddress() == "" || m.GetAddress() == "" {
		return nil, problem.New(codes.InvalidArgument, problem.InvalidArgument, "a member that joins names its id, raft_address and address")
	}
	if err := requireRequestID(r.GetRequestId()); err != nil {
		return nil, err
	}
	result, err := c.Gate.Propose(ctx, auth.Caller(ctx).URI(), r.GetRequestId(), &storev1.Command{Command: &storev1.Command_PutMember{
		PutMember: &storev1.PutMember{Member: m},
	}})
	if err := outcome(result, err); err != nil {
		return nil, err
	}
	if err := c.change(ctx, &peerv1.MembershipRequest{Change: &peerv1.MembershipRequest_Add{
		Add: &peerv1.AddMember{Id: m.GetId(), RaftAddress: m.GetRaftAddress()},
	}}); err != nil {
		return nil, err
	}
	if err := c.Gate.Fresh(ctx); err != nil {
		return nil, toStatus(err)
	}
	state := c.Machine.State()
	return &v1.JoinMemberResponse{Cluster: state.Cluster(), Members: state.Members()}, nil
}

// RemoveMember implements ClusterService: the vote goes first, then the record.
func (c *Cluster) RemoveMember(ctx context.Context, r *v1.RemoveMemberRequest) (*v1.RemoveMemberResponse, error) {
	if err := requireRequestID(r.GetRequestId()); err != nil {
		return nil, err
	}
	if err := c.Gate.Fresh(ctx); err != nil {
		return nil, toStatus(err)
	}
	if c.Machine.State().Member(r.GetId()) == nil {
		return nil, unknownMember(r.GetId())
	}
	if voters := c.voters(); len(voters) == 1 && voters[r.GetId()] {
		return nil, problem.New(codes.FailedPrecondition, problem.NoQuorum, "member %s is the only one with a vote: let another join first", r.GetId())
	}
	if err := c.change(ctx, &peerv1.MembershipRequest{Change: &peerv1.MembershipRequest_Remove{Remove: r.GetId()}}); err != nil {
		return nil, err
	}
	result, err := c.Gate.Propose(ctx, auth.Caller(ctx).URI(), r.GetRequestId(), &storev1.Command{Command: &storev1.Command_RemoveMember{
		RemoveMember: &storev1.RemoveMember{Id: r.GetId()},
	}})
	if err := outcome(result, err); err != nil {
		return nil, err
	}
	return &v1.RemoveMemberResponse{Index: result.GetIndex()}, nil
}

func unknownMember(id string) error {
	return problem.New(codes.NotFound, problem.NotFound, "there is no member %q: `roster member list` shows them", id)
}

// TransferLeadership implements ClusterService.
func (c *Cluster) TransferLeadership(ctx context.Context, r *v1.TransferLeadershipRequest) (*v1.TransferLeadershipResponse, error) {
	if r.GetId() != "" && c.Machine.State().Member(r.GetId()) == nil {
		return nil, unknownMember(r.GetId())
	}
	before, _ := c.Raft.Leader()
	if err := c.change(ctx, &peerv1.MembershipRequest{Change: &peerv1.MembershipRequest_Transfer{Transfer: r.GetId()}}); err != nil {
		return nil, err
	}
	for {
		changed := c.Raft.LeaderChanged()
		leader, ok := c.Raft.Leader()
		if ok && (leader == r.GetId() || r.GetId() == "" && leader != before) {
			return &v1.TransferLeadershipResponse{Leader: leader}, nil
		}
		select {
		case <-ctx.Done():
			return nil, toStatus(ctx.Err())
		case <-changed:
		case <-time.After(patience):
			return nil, problem.New(codes.Unavailable, problem.NoLeader, "leadership was handed over, and nobody has taken it yet")
		}
	}
}

// SnapshotMember implements ClusterService.
func (c *Cluster) SnapshotMember(ctx context.Context, _ *v1.SnapshotMemberRequest) (*v1.SnapshotMemberResponse, error) {
	index, size, err := c.Raft.Snapshot(ctx)
	if err != nil {
		return nil, toStatus(err)
	}
	return &v1.SnapshotMemberResponse{Index: index, SizeBytes: uint64(size)}, nil
}

// change makes a change of membership on the leader.
func (c *Cluster) change(ctx context.Context, r *peerv1.MembershipRequest) error {
	what := repeatable // adding and removing twice is the same as once
	if _, ok := r.GetChange().(*peerv1.MembershipRequest_Transfer); ok {
		what = once
	}
	return toStatus(c.Gate.withLeader(ctx, what, func(ctx context.Context, leader peerv1.PeerServiceClient) error {
		if leader != nil {
			_, err := leader.Membership(ctx, r)
			return err
		}
		return changeHere(ctx, c.Raft, r)
	}))
}

// changeHere makes a change of membership on this member, which leads.
func changeHere(ctx context.Context, raft *raftnode.Node, r *peerv1.MembershipRequest) error {
	switch change := r.GetChange().(type) {
	case *peerv1.MembershipRequest_Add:
		return raft.AddNonvoter(ctx, change.Add.GetId(), change.Add.GetRaftAddress())
	case *peerv1.MembershipRequest_Remove:
		return raft.Remove(ctx, change.Remove)
	case *peerv1.MembershipRequest_Transfer:
		return raft.Transfer(ctx, change.Transfer)
	default:
		return errors.New("no change of membership was named")
	}
}
