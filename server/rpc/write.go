// Package rpc owns the gRPC services of a member: it turns calls into commands
// and reads, forwards writes and read indices to the leader after the caller
// was checked, and maps errors to codes. It does not decide placements or
// liveness, and it holds no state of its own but connections to other members.
//
// Everything exported is safe for concurrent use.
package rpc

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"

	peerv1 "roster/proto/roster/peer/v1"
	storev1 "roster/proto/roster/store/v1"

	"roster/fsm"
	"roster/server/raftnode"
	"roster/server/rpc/problem"
)

// Gate is the way to the leader: it proposes and reads there, from any member.
type Gate struct {
	self    string
	raft    group
	machine *fsm.Machine
	dial    func(address string) (peerv1.PeerServiceClient, error)
}

// group is this member's part in the Raft group: a raftnode.Node, or a fake.
type group interface {
	Leader() (id string, ok bool)
	LeaderChanged() <-chan struct{}
	Propose(ctx context.Context, envelopes []*storev1.Envelope) ([]*storev1.Result, error)
	ReadIndex(ctx context.Context) (index, term uint64, err error)
	WaitApplied(ctx context.Context, index uint64) error
}

// NewGate makes the gate of the member with id self.
func NewGate(self string, raft *raftnode.Node, machine *fsm.Machine, peers *Peers) *Gate {
	return &Gate{self: self, raft: raft, machine: machine, dial: peers.courier}
}

// Propose hands one command to the leader and returns its result, which may be
// a refusal. Under a request id an unknown outcome is tried again, which the
// state machine makes safe; without one it is returned.
func (g *Gate) Propose(ctx context.Context, caller, requestID string, command *storev1.Command) (*storev1.Result, error) {
	results, err := g.ProposeAll(ctx, []*storev1.Envelope{{Caller: caller, RequestId: requestID, Command: command}})
	if err != nil {
		return nil, err
	}
	return results[0], nil
}

// ProposeAll hands commands to the leader in their order.
func (g *Gate) ProposeAll(ctx context.Context, envelopes []*storev1.Envelope) ([]*storev1.Result, error) {
	what := repeatable
	for _, e := range envelopes {
		if e.GetRequestId() == "" {
			what = once
		}
	}
	var results []*storev1.Result
	err := g.withLeader(ctx, what, func(ctx context.Context, leader peerv1.PeerServiceClient) error {
		var err error
		if leader == nil {
			results, err = g.raft.Propose(ctx, envelopes)
			return err
		}
		answer, err := leader.Propose(ctx, &peerv1.ProposeRequest{Envelopes: envelopes})
		results = answer.GetResults()
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(results) != len(envelopes) {
		return nil, fmt.Errorf("the leader answered %d results to %d commands", len(results), len(envelopes))
	}
	return results, nil
}

// Fresh waits until this member has applied everything that was acknowledged
// before the call, so that a read of its state is linearizable.
func (g *Gate) Fresh(ctx context.Context) error {
	var index uint64
	err := g.withLeader(ctx, reads, func(ctx context.Context, leader peerv1.PeerServiceClient) error {
		var err error
		if leader == nil {
			index, _, err = g.raft.ReadIndex(ctx)
			return err
		}
		answer, err := leader.ReadIndex(ctx, &peerv1.ReadIndexRequest{})
		index = answer.GetIndex()
		return err
	})
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err = g.raft.WaitApplied(limited, index)
	if err != nil && ctx.Err() == nil && limited.Err() != nil {
		return problem.New(codes.Unavailable, problem.NotLeader, "this member lags behind the leader and did not catch up within %s: ask another one", patience)
	}
	return err
}

// leader returns the leader's client, nil where this member leads.
func (g *Gate) leader() (peerv1.PeerServiceClient, error) {
	id, ok := g.raft.Leader()
	if !ok {
		return nil, raftnode.ErrNotLeader
	}
	if id == g.self {
		return nil, nil
	}
	member := g.machine.State().Member(id)
	if member == nil {
		return nil, raftnode.ErrNotLeader
	}
	return g.dial(member.GetAddress())
}

// HasLeader says whether this member knows a leader.
func (g *Gate) HasLeader() bool {
	_, ok := g.raft.Leader()
	return ok
}

// Local proposes on this member alone: what a leader decided from its own view
// must not be written by the leader after it.
type Local struct{ Raft *raftnode.Node }

// Propose writes one command where this member leads.
func (l Local) Propose(ctx context.Context, caller, requestID string, command *storev1.Command) (*storev1.Result, error) {
	results, err := l.Raft.Propose(ctx, []*storev1.Envelope{{Caller: caller, RequestId: requestID, Command: command}})
	if err != nil {
		return nil, err
	}
	return results[0], nil
}
