package rpc

import (
	"context"
	"sync"

	"google.golang.org/grpc/codes"

	peerv1 "roster/proto/roster/peer/v1"

	"roster/server/raftnode"
	"roster/server/rpc/problem"
	"roster/server/session"
)

// Peer implements PeerService: what other members ask of this one.
type Peer struct {
	peerv1.UnimplementedPeerServiceServer
	Raft *raftnode.Node

	mu       sync.Mutex
	liveness *session.Liveness
	lost     <-chan struct{}
}

// Lead lets members relay their sessions into a term's view until lost closes.
func (p *Peer) Lead(view *session.Liveness, lost <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.liveness, p.lost = view, lost
}

// Follow ends what Lead began.
func (p *Peer) Follow() { p.Lead(nil, nil) }

// Propose implements PeerService.
func (p *Peer) Propose(ctx context.Context, r *peerv1.ProposeRequest) (*peerv1.ProposeResponse, error) {
	results, err := p.Raft.Propose(ctx, r.GetEnvelopes())
	if err != nil {
		return nil, toStatus(err)
	}
	return &peerv1.ProposeResponse{Results: results}, nil
}

// ReadIndex implements PeerService.
func (p *Peer) ReadIndex(ctx context.Context, _ *peerv1.ReadIndexRequest) (*peerv1.ReadIndexResponse, error) {
	index, term, err := p.Raft.ReadIndex(ctx)
	if err != nil {
		return nil, toStatus(err)
	}
	return &peerv1.ReadIndexResponse{Index: index, Term: term}, nil
}

// Membership implements PeerService.
func (p *Peer) Membership(ctx context.Context, r *peerv1.MembershipRequest) (*peerv1.MembershipResponse, error) {
	if err := changeHere(ctx, p.Raft, r); err != nil {
		return nil, toStatus(err)
	}
	return &peerv1.MembershipResponse{}, nil
}

// Promote implements PeerService: a member that has applied what the leader
// had committed when it asked has caught up.
func (p *Peer) Promote(ctx context.Context, r *peerv1.PromoteRequest) (*peerv1.PromoteResponse, error) {
	commit, _, err := p.Raft.ReadIndex(ctx)
	if err != nil {
		return nil, toStatus(err)
	}
	answer := &peerv1.PromoteResponse{CommitIndex: commit}
	if !caughtUp(r.GetAppliedIndex(), commit) {
		return answer, nil
	}
	if err := p.Raft.Promote(ctx, r.GetMember()); err != nil {
		return nil, toStatus(err)
	}
	answer.Promoted = true
	return answer, nil
}

// promoteWithin is how many entries a member may be behind and still count as
// caught up: fewer than one round of replication holds.
const promoteWithin = 64

func caughtUp(applied, commit uint64) bool { return applied+promoteWithin >= commit }

// Relay implements PeerService.
func (p *Peer) Relay(stream peerv1.PeerService_RelayServer) error {
	p.mu.Lock()
	view, lost := p.liveness, p.lost
	p.mu.Unlock()
	if view == nil {
		return problem.New(codes.Unavailable, problem.NotLeader, "this member does not lead")
	}
	done := make(chan error, 1)
	go func() { done <- view.Receive(stream) }()
	select {
	case err := <-done:
		return err
	case <-lost:
		// Returning ends the stream, and with it the receiver.
		return problem.New(codes.Unavailable, problem.NotLeader, "this member lost the lead")
	}
}
