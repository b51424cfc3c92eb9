package rpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	peerv1 "roster/proto/roster/peer/v1"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/server/raftnode"
	"roster/server/rpc/auth"
	"roster/server/rpc/problem"
)

// JoinMember implements ClusterService: first the record, so that the others
// know its addresses, then the non-voter. Both may be repeated.
func (c *Cluster) JoinMember(ctx context.Context, r *v1.JoinMemberRequest) (*v1.JoinMemberResponse, error) {
	m := r.GetMember()
	if m.GetId() == "" {
		return nil, problem.New(codes.InvalidArgument, problem.InvalidArgument, "a member that joins names its id")
	}
	// Before the record is written, or it would stay behind.
	if err := errors.Join(checkAddress("raft_address", m.GetRaftAddress()), checkAddress("address", m.GetAddress())); err != nil {
		return nil, problem.New(codes.InvalidArgument, problem.InvalidArgument, "member %s cannot join: %s", m.GetId(), err)
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
// It may be repeated where it broke off between.
func (c *Cluster) RemoveMember(ctx context.Context, r *v1.RemoveMemberRequest) (*v1.RemoveMemberResponse, error) {
	if err := requireRequestID(r.GetRequestId()); err != nil {
		return nil, err
	}
	result, err := c.Retire(ctx, auth.Caller(ctx).URI(), r.GetRequestId(), r.GetId())
	if err != nil {
		return nil, err
	}
	return &v1.RemoveMemberResponse{Index: result.GetIndex()}, nil
}

// keepsQuorum refuses to take a vote away where those left do not have a
// majority that answers: Raft goes by the new group at once, and could not even
// finish the change.
func (c *Cluster) keepsQuorum(ctx context.Context, leaving string) error {
	voters := c.voters()
	if !voters[leaving] {
		return nil
	}
	delete(voters, leaving)
	if len(voters) == 0 {
		return problem.New(codes.FailedPrecondition, problem.NoQuorum, "member %s is the only one with a vote: let another join first", leaving)
	}
	var silent []string
	for _, id := range c.silent(ctx, voters) {
		silent = append(silent, firstOf(c.Machine.State().Member(id).GetName(), id))
	}
	if alive := len(voters) - len(silent); alive <= len(voters)/2 {
		return problem.New(codes.FailedPrecondition, problem.NoQuorum,
			"without member %s, %d of %d members with a vote would answer (not %s): too few to decide anything. Bring them back, or remove those first",
			leaving, alive, len(voters), strings.Join(silent, ", "))
	}
	return nil
}

// answersWithin is how soon a member that lives answers.
const answersWithin = time.Second

// silent lists the members that do not answer, sorted by id.
func (c *Cluster) silent(ctx context.Context, members map[string]bool) []string {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	var (
		mu     sync.Mutex
		silent []string
		asked  sync.WaitGroup
	)
	for id := range members {
		if id == c.Self {
			continue
		}
		asked.Go(func() {
			conn, err := c.Peers.Conn(c.Machine.State().Member(id).GetAddress())
			if err == nil {
				_, err = healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{}, grpc.WaitForReady(true))
			}
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				silent = append(silent, id)
			}
		})
	}
	asked.Wait()
	slices.Sort(silent)
	return silent
}

// checkAddress holds for what other members shall dial.
func checkAddress(what, address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || port == "" || port == "0" {
		return fmt.Errorf("%s %q is not host:port", what, address)
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		return fmt.Errorf("%s %q is no address that others can reach", what, address)
	}
	return nil
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func unknownMember(id string) error {
	return problem.New(codes.NotFound, problem.NotFound, "there is no member %q: `roster member list` shows them", id)
}

// TransferLeadership implements ClusterService.
func (c *Cluster) TransferLeadership(ctx context.Context, r *v1.TransferLeadershipRequest) (*v1.TransferLeadershipResponse, error) {
	if err := c.Gate.Fresh(ctx); err != nil {
		return nil, toStatus(err)
	}
	if r.GetId() != "" && c.Machine.State().Member(r.GetId()) == nil {
		return nil, unknownMember(r.GetId())
	}
	before, _ := c.Raft.Leader()
	if err := c.change(ctx, &peerv1.MembershipRequest{Change: &peerv1.MembershipRequest_Transfer{Transfer: r.GetId()}}); err != nil {
		return nil, err
	}
	late := time.NewTimer(patience)
	defer late.Stop()
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
		case <-late.C:
			return nil, problem.New(codes.Unavailable, problem.UnknownOutcome,
				"leadership was handed over, and the new leader was not heard yet: see `roster member list`")
		}
	}
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

// changeHere makes a change of membership on this member, which leads. What is
// so already is done: a change may come twice.
func changeHere(ctx context.Context, raft *raftnode.Node, r *peerv1.MembershipRequest) error {
	switch change := r.GetChange().(type) {
	case *peerv1.MembershipRequest_Add:
		for _, s := range raft.Servers() {
			if s.ID == change.Add.GetId() && s.Address == change.Add.GetRaftAddress() {
				// Only a leader may say so.
				_, _, err := raft.ReadIndex(ctx)
				return err
			}
		}
		return raft.AddNonvoter(ctx, change.Add.GetId(), change.Add.GetRaftAddress())
	case *peerv1.MembershipRequest_Remove:
		if err := raft.Remove(ctx, change.Remove); !errors.Is(err, raftnode.ErrUnknownMember) {
			return err
		}
		return nil
	case *peerv1.MembershipRequest_Transfer:
		return raft.Transfer(ctx, change.Transfer)
	default:
		return errors.New("no change of membership was named")
	}
}
