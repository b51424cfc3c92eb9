package rpc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	peerv1 "roster/proto/roster/peer/v1"

	"roster/client"
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
		unknown := errors.Is(err, raftnode.ErrUnknownOutcome) || problem.Is(err, problem.UnknownOutcome)
		broke := unknown || leader != nil && unreachable(err)
		if what != reads {
			maybe = maybe || unknown || sent() && (broke || ctx.Err() != nil)
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

// unreachable says that the leader could not be reached, or was lost while it
// was asked; what it said itself is not meant.
func unreachable(err error) bool {
	return status.Code(err) == codes.Unavailable && !problem.Is(err, problem.NotLeader) && !problem.Is(err, problem.NoLeader)
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
