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

const (
	// patience is how long a write or a linearizable read waits for a leader
	// before it says that there is none. Longer than an election of any profile
	// on one site, shorter than a person's.
	patience = 3 * time.Second
	// writePatience is how long a write that was sent may take. A leader whose
	// disk hangs stops itself sooner.
	writePatience = 30 * time.Second
	// lookAgain is the pause before the leader is looked for again, where nothing
	// said that it changed.
	lookAgain = 20 * time.Millisecond
)

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
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err = g.raft.WaitApplied(limited, index)
	if err != nil && ctx.Err() == nil && limited.Err() != nil {
		return problem.New(codes.Unavailable, problem.NotLeader, "this member lags behind the leader and did not catch up within %s: ask another one", patience)
	}
	return err
}

// kind says what a request to the leader may do when it breaks off.
type kind int

const (
	reads      kind = iota // tried again: it changes nothing
	repeatable             // tried again: the state machine does it once
	once                   // never tried again once it may have been done
)

func (k kind) patience() time.Duration {
	if k == reads {
		return patience
	}
	return writePatience
}

// withLeader calls do with the leader's client, nil where this member leads,
// until it succeeds, fails for good, or patience ends. What may have been done
// is never told as if nothing was.
func (g *Gate) withLeader(caller context.Context, what kind, do func(context.Context, peerv1.PeerServiceClient) error) error {
	ctx, cancel := context.WithTimeout(caller, what.patience())
	defer cancel()
	search := time.NewTimer(patience)
	defer search.Stop()
	maybe := false // some try may have been carried out
	for {
		changed := g.raft.LeaderChanged()
		leader, err := g.leader()
		sent := func() bool { return false }
		if err == nil {
			var attempt context.Context
			attempt, sent = client.Attempt(ctx)
			if err = do(attempt, leader); err == nil {
				return nil
			}
		}
		broke := brokeOff(err, leader != nil)
		if what != reads {
			maybe = maybe || broke && leader == nil || sent() && (broke || ctx.Err() != nil)
		}
		again := broke && !(maybe && what == once) || errors.Is(err, raftnode.ErrNotLeader) || problem.Is(err, problem.NotLeader)
		switch {
		case maybe && (!again || ctx.Err() != nil):
			return lostInTheMiddle(what, err)
		case caller.Err() != nil:
			return fmt.Errorf("ask the leader: %w", caller.Err())
		case ctx.Err() != nil:
			return g.noLeader()
		case !again:
			return err
		}
		pause := time.NewTimer(lookAgain)
		select {
		case <-search.C:
			pause.Stop()
			if maybe {
				return lostInTheMiddle(what, err)
			}
			return g.noLeader()
		case <-ctx.Done():
		case <-changed:
		case <-pause.C:
		}
		pause.Stop()
	}
}

// brokeOff says that the leader could not be reached, or was lost while it was
// asked; what it said itself is not meant.
func brokeOff(err error, forwarded bool) bool {
	if errors.Is(err, raftnode.ErrUnknownOutcome) || problem.Is(err, problem.UnknownOutcome) {
		return true
	}
	return forwarded && status.Code(err) == codes.Unavailable && !problem.Is(err, problem.NotLeader) && !problem.Is(err, problem.NoLeader)
}

func (g *Gate) noLeader() error {
	if id, ok := g.raft.Leader(); ok {
		return problem.New(codes.Unavailable, problem.NoLeader,
			"member %s leads, and did not confirm it within %s: nothing was written; nodes serve on. See `roster status` on each member", id, patience)
	}
	return problem.New(codes.Unavailable, problem.NoLeader,
		"the members have had no leader for %s: nothing was written; nodes serve on. See `roster status` on each member", patience)
}

func lostInTheMiddle(what kind, err error) error {
	if what == once {
		return problem.New(codes.Unavailable, problem.UnknownOutcome,
			"the leader was lost in the middle: the change may or may not have happened; look before you ask for it again (%v)", err)
	}
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
