// Package rpc owns the gRPC services of a member: it turns calls into commands
// and reads, forwards writes and read indices to the leader after the caller
// was checked, and maps errors to codes. It does not decide placements or
// liveness, and it holds no state of its own but connections to other members.
//
// Everything exported is safe for concurrent use.
package rpc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	peerv1 "roster/proto/roster/peer/v1"
	storev1 "roster/proto/roster/store/v1"

	"roster/client"
	"roster/fsm"
	"roster/server/raftnode"
	"roster/server/rpc/problem"
)

// patience is how long a write or a linearizable read waits for a leader
// before it says that there is none. Longer than an election of any profile
// on one site, shorter than a person's.
const patience = 3 * time.Second

// Gate is the way to the leader: it proposes and reads there, from any member.
type Gate struct {
	self    string
	raft    *raftnode.Node
	machine *fsm.Machine
	peers   *Peers
}

// NewGate makes the gate of the member with id self.
func NewGate(self string, raft *raftnode.Node, machine *fsm.Machine, peers *Peers) *Gate {
	return &Gate{self: self, raft: raft, machine: machine, peers: peers}
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
	return g.raft.WaitApplied(ctx, index)
}

// kind says what a request to the leader may do when it breaks off.
type kind int

const (
	reads      kind = iota // tried again: it changes nothing
	repeatable             // tried again: the state machine does it once
	once                   // never tried again once it may have been done
)

// withLeader calls do with the leader's client, nil where this member leads,
// until it succeeds, fails for good, or patience ends.
func (g *Gate) withLeader(ctx context.Context, what kind, do func(context.Context, peerv1.PeerServiceClient) error) error {
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	maybe := false // some try may have been carried out
	for {
		changed := g.raft.LeaderChanged()
		leader, err := g.leader()
		sent := func() bool { return false }
		if err == nil {
			var attempt context.Context
			attempt, sent = client.Attempt(ctx)
			err = do(attempt, leader)
		}
		broke := errors.Is(err, raftnode.ErrUnknownOutcome) || problem.Is(err, problem.UnknownOutcome) ||
			leader != nil && unavailable(err)
		maybe = maybe || broke && what != reads && (leader == nil || sent())
		again := errors.Is(err, raftnode.ErrNotLeader) || problem.Is(err, problem.NotLeader) || broke && !(maybe && what == once)
		switch {
		case !again && !broke, err == nil:
			return err
		case !again || ctx.Err() != nil && maybe:
			return lostInTheMiddle(err)
		}
		select {
		case <-wait.Done():
			if maybe {
				return lostInTheMiddle(err)
			}
			return problem.New(codes.Unavailable, problem.NoLeader,
				"the members have had no leader for %s: nothing was written; nodes serve on. See `roster status` on each member", patience)
		case <-changed:
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// unavailable says that the leader could not be reached, or was lost while it
// was asked; what it said itself is not meant.
func unavailable(err error) bool {
	return status.Code(err) == codes.Unavailable && !problem.Is(err, problem.NotLeader) && !problem.Is(err, problem.NoLeader)
}

func lostInTheMiddle(err error) error {
	return problem.New(codes.Unavailable, problem.UnknownOutcome,
		"the leader was lost in the middle: the change may or may not have happened; the same request id is safe to send again (%v)", err)
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
	conn, err := g.peers.Conn(member.GetAddress())
	if err != nil {
		return nil, err
	}
	return peerv1.NewPeerServiceClient(conn), nil
}

// HasLeader says whether this member knows a leader.
func (g *Gate) HasLeader() bool {
	_, ok := g.raft.Leader()
	return ok
}
