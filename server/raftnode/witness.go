package raftnode

import (
	"errors"
	"sync"

	"github.com/hashicorp/raft"
)

// witness is a transport that remembers which members last accepted this one as
// the leader of which term, and when that question was sent.
//
// Raft's own VerifyLeader counts every answer that comes in, also to messages
// that were sent before it was asked. Such an answer may be old: where a leader
// slept while another was elected and took writes, it would be believed. A
// linearizable read needs answers to questions sent after the read began.
type witness struct {
	raft.Transport

	mu sync.Mutex
	// clock counts questions; it gives them an order.
	clock    uint64
	accepted map[raft.ServerID]acceptance
	// told is up to where each member has what is committed, and knows it.
	told map[raft.ServerID]uint64
	// contacts are when each member answered last.
	contacts map[raft.ServerID]contact
}

type acceptance struct{ term, asked uint64 }

var (
	_ raft.WithPreVote = (*witness)(nil)
	_ raft.WithClose   = (*witness)(nil)
)

func newWitness(t raft.Transport) *witness {
	return &witness{Transport: t, accepted: map[raft.ServerID]acceptance{}, told: map[raft.ServerID]uint64{}, contacts: map[raft.ServerID]contact{}}
}

// now is a moment: questions asked later are told from those asked before.
func (w *witness) now() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock++
	return w.clock
}

func (w *witness) note(id raft.ServerID, a acceptance) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if before := w.accepted[id]; a.term > before.term || a.term == before.term && a.asked > before.asked {
		w.accepted[id] = a
	}
}

// acceptedSince counts those of the members that accepted this one as the
// leader of a term when they were asked after a moment.
func (w *witness) acceptedSince(moment, term uint64, ids []string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	count := 0
	for _, id := range ids {
		if a := w.accepted[raft.ServerID(id)]; a.term == term && a.asked > moment {
			count++
		}
	}
	return count
}

func (w *witness) tell(id raft.ServerID, commit uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told[id] = max(w.told[id], commit)
}

// knows is the index up to which a member has what is committed.
func (w *witness) knows(id string) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.told[raft.ServerID(id)]
}

// AppendEntries implements raft.Transport; heartbeats are such messages too.
func (w *witness) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	term, asked := args.Term, w.now()
	w.ask(id, term)
	commit := min(args.LeaderCommitIndex, args.PrevLogEntry+uint64(len(args.Entries)))
	err := w.Transport.AppendEntries(id, target, args, resp)
	if err == nil {
		w.hear(id)
	}
	if err == nil && resp.Success {
		w.note(id, acceptance{term: term, asked: asked})
		w.tell(id, commit)
	}
	return err
}

// AppendEntriesPipeline implements raft.Transport: messages go one at a time,
// see Run.
func (w *witness) AppendEntriesPipeline(raft.ServerID, raft.ServerAddress) (raft.AppendPipeline, error) {
	return nil, raft.ErrPipelineReplicationNotSupported
}

// RequestPreVote implements raft.WithPreVote.
func (w *witness) RequestPreVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	t, ok := w.Transport.(raft.WithPreVote)
	if !ok {
		return errors.New("the transport knows no pre-vote")
	}
	w.ask(id, args.Term)
	err := t.RequestPreVote(id, target, args, resp)
	if err == nil {
		w.hear(id)
	}
	return err
}

// Close implements raft.WithClose.
func (w *witness) Close() error {
	if t, ok := w.Transport.(raft.WithClose); ok {
		return t.Close()
	}
	return nil
}
