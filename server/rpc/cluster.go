package rpc

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/server/raftnode"
	"roster/server/rpc/problem"
	"roster/server/status"
)

// Cluster implements ClusterService.
type Cluster struct {
	v1.UnimplementedClusterServiceServer
	Gate    *Gate
	Machine *fsm.Machine
	Raft    *raftnode.Node
	Peers   *Peers
	Self    string
	// Name is this member's own.
	Name string
	// Timed is a topology as the leader's loop reads it (roster dev); nil: as it is.
	Timed func(*v1.Topology) *v1.Topology

	// Survival is what is known of what a state would survive; nil: nothing ever is.
	Survival func(*fsm.State) *v1.Survival

	status status.Cache
}

// GetStatus implements ClusterService. Without a leader, or on a member that
// lags, it shows what this member knows, and says so.
func (c *Cluster) GetStatus(ctx context.Context, r *v1.GetStatusRequest) (*v1.GetStatusResponse, error) {
	stale := r.GetStale()
	leader, ok := "", true
	if !stale {
		err := toStatus(c.Gate.Fresh(ctx))
		switch {
		case problem.Is(err, problem.NoLeader):
			stale, ok = true, false
		case grpcstatus.Code(err) == codes.Unavailable:
			stale = true
		case err != nil:
			return nil, err
		}
	}
	var contacts map[string]status.Contact
	if ok {
		leader, _ = c.Raft.Leader()
	}
	switch {
	case r.GetStale(): // asks nobody
		contacts = c.ownContacts()
	case ok:
		contacts = c.contacts(ctx, leader)
	default:
		contacts = c.reached(ctx)
	}
	state := c.Machine.State()
	effective := state.Effective()
	if c.Timed != nil {
		effective = c.Timed(effective)
	}
	var survival *v1.Survival
	if c.Survival != nil {
		survival = c.Survival(state)
	}
	return &v1.GetStatusResponse{Status: c.status.Compute(status.Input{
		State: state, Effective: effective, Survival: survival, Now: time.Now(), Leader: leader, AnsweredBy: c.Self,
		Stale: stale, Term: c.Raft.Term(), Voters: c.voters(),
		Contacts: contacts, Unrecorded: c.unrecorded(),
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
	contacts := c.ownContacts()
	if !r.GetStale() {
		contacts = c.contacts(ctx, leader)
	}
	answer := &v1.ListMembersResponse{Index: state.Index()}
	for _, m := range state.Members() {
		shown := proto.CloneOf(m)
		shown.Leader = m.GetId() == leader
		shown.Voter = voters[m.GetId()]
		shown.State, shown.Silent = status.Shown(contacts, m.GetId())
		answer.Members = append(answer.Members, shown)
	}
	return answer, nil
}

// SnapshotMember implements ClusterService.
func (c *Cluster) SnapshotMember(ctx context.Context, _ *v1.SnapshotMemberRequest) (*v1.SnapshotMemberResponse, error) {
	index, size, err := c.Raft.Snapshot(ctx)
	if err != nil {
		return nil, toStatus(err)
	}
	return &v1.SnapshotMemberResponse{Index: index, SizeBytes: uint64(size)}, nil
}
