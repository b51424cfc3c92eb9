package raftnode

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/raft"
)

// readAnswer is what one round of verification found.
type readAnswer struct {
	index, term uint64
	err         error
}

// reignReady gives the reign at hand once it is ready.
func (n *Node) reignReady(ctx context.Context) (*reign, error) {
	reign, _ := n.throne.now()
	if reign == nil {
		return nil, n.notLeader()
	}
	select {
	case <-reign.ready:
		return reign, nil
	case <-reign.ctx.Done():
		return nil, n.notLeader()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for leadership: %w", ctx.Err())
	}
}

func (n *Node) notLeader() error {
	if n.stopped() {
		return ErrStopping
	}
	if id, ok := n.Leader(); ok && id != n.cfg.Identity.ID {
		return fmt.Errorf("%w: member %s leads", ErrNotLeader, id)
	}
	return fmt.Errorf("%w: no leader is known", ErrNotLeader)
}

// ReadIndex gives an index for a linearizable read: a state that has applied it
// shows every write that was acknowledged before the call, on any member. Only
// the leader can. Calls that wait at the same time share one verification, but
// never one that began before them.
func (n *Node) ReadIndex(ctx context.Context) (index, term uint64, err error) {
	if err := n.running(ctx); err != nil {
		return 0, 0, err
	}
	answer := make(chan readAnswer, 1)
	select {
	case n.reads <- answer:
	case <-ctx.Done():
		return 0, 0, fmt.Errorf("read index: %w", ctx.Err())
	case <-n.done:
		return 0, 0, ErrStopping
	}
	select {
	case a := <-answer:
		return a.index, a.term, a.err
	case <-ctx.Done():
		return 0, 0, fmt.Errorf("read index: %w", ctx.Err())
	case <-n.gone:
		return 0, 0, ErrStopping
	}
}

// readLoop verifies leadership for all that wait, round after round.
func (n *Node) readLoop(ctx context.Context) {
	for {
		var waiting []chan readAnswer
		select {
		case first := <-n.reads:
			waiting = append(waiting, first)
		case <-ctx.Done():
			return
		}
	gather:
		for {
			select {
			case more := <-n.reads:
				waiting = append(waiting, more)
			default:
				break gather
			}
		}
		var a readAnswer
		a.index, a.term, a.err = n.verify(ctx)
		for _, answer := range waiting {
			answer <- a
		}
	}
}

// verify is one round. The order matters: the index is noted after an entry of
// this term was committed, since before that the commit index may lack entries
// that earlier leaders acknowledged; and leadership is verified after it was
// noted, since another leader may have committed more before.
func (n *Node) verify(ctx context.Context) (index, term uint64, err error) {
	reign, err := n.reignReady(ctx)
	if err != nil {
		return 0, 0, err
	}
	term = reign.term
	if n.raft().CurrentTerm() != term {
		return 0, 0, n.notLeader()
	}
	commit, noted := n.raft().CommitIndex(), n.witness.now()
	if err := n.accepted(reign, noted); err != nil {
		return 0, 0, fmt.Errorf("read index: %w (%w)", ErrNotLeader, err)
	}
	if n.raft().CurrentTerm() != term {
		return 0, 0, n.notLeader()
	}
	return n.lastCommand(commit), term, nil
}

// accepted waits until a majority accepted this member as the leader when it
// was asked after a moment. It can block, as behind a hung disk, and ends with
// the reign.
func (n *Node) accepted(r *reign, moment uint64) error {
	for {
		// This makes raft ask at once, and finds out that it is over; but raft
		// takes answers to earlier questions too, see witness.
		if err := n.wait(r.ctx, "verify leadership", func() error { return n.raft().VerifyLeader().Error() }); err != nil {
			return err
		}
		voters := n.Voters()
		votes := n.witness.acceptedSince(moment, r.term, voters)
		if slices.Contains(voters, n.cfg.Identity.ID) {
			votes++ // its own
		}
		if votes > len(voters)/2 {
			return nil
		}
	}
}

// lastCommand is the index of the newest command at or below index. Raft's own
// entries never reach the state machine, so a reader must not wait for one.
func (n *Node) lastCommand(index uint64) uint64 {
	var entry raft.Log
	for ; index > n.replica.index(); index-- {
		if n.store.peek(index, &entry) != nil {
			break // cut off, so it is in a snapshot that was applied here
		}
		if entry.Type == raft.LogCommand {
			return index
		}
	}
	return min(index, n.replica.index())
}

// WaitApplied waits until everything up to index is applied to this member's
// state machine. The index may be that of any entry.
func (n *Node) WaitApplied(ctx context.Context, index uint64) error {
	if err := n.running(ctx); err != nil {
		return err
	}
	for {
		changed := n.cfg.Machine.Changed()
		if n.hasApplied(index) {
			return nil
		}
		// Raft does not tell when an entry of its own is done: look again.
		again := time.NewTimer(n.timing.commit / 2)
		select {
		case <-changed:
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return fmt.Errorf("wait for entry %d (at %d): %w", index, n.replica.index(), ctx.Err())
		case <-n.done:
			again.Stop()
			return ErrStopping
		}
		again.Stop()
	}
}

func (n *Node) hasApplied(index uint64) bool {
	if n.replica.index() >= index {
		return true
	}
	// What raft gave to the machine's goroutine may still wait there.
	return n.raft().AppliedIndex() >= index && n.replica.index() >= n.lastCommand(index)
}
