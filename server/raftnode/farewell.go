package raftnode

import (
	"context"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// farewellWait bounds the time that a member which is removed may take to
	// learn of what was before, and then of its removal.
	farewellWait = time.Second
	// farewellPause is the pause before another try.
	farewellPause = 20 * time.Millisecond
)

// letKnow waits a while until a member has what is committed, so that the
// farewell is all that it lacks.
func (n *Node) letKnow(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(ctx, farewellWait)
	defer cancel()
	commit := n.raft().CommitIndex()
	for n.witness.knows(id) < commit && n.pause(ctx) {
	}
}

// farewell tells a member that it was removed. Raft sends it the entry that
// removes it, but gives up where it is busy with that member just then, and it
// would ask for votes for ever. What is sent here is what any leader sends:
// committed entries, which nobody can change any more.
func (n *Node) farewell(ctx context.Context, r *reign, server Server, removal uint64) {
	ctx, cancel := context.WithTimeout(ctx, farewellWait)
	defer cancel()
	for {
		known := min(n.witness.knows(server.ID), removal-1)
		request, ok := n.entriesAfter(r, known, removal)
		if !ok {
			return
		}
		var answer raft.AppendEntriesResponse
		err := n.wait(ctx, "farewell", func() error {
			return n.witness.Transport.AppendEntries(raft.ServerID(server.ID), raft.ServerAddress(server.Address), request, &answer)
		})
		if err == nil && answer.Success || !n.pause(ctx) {
			return
		}
	}
}

// entriesAfter makes a leader's message with the entries after known, up to one
// that is committed.
func (n *Node) entriesAfter(r *reign, known, last uint64) (*raft.AppendEntriesRequest, bool) {
	var before raft.Log
	if last-known > appendAtOnce || n.store.peek(known, &before) != nil {
		return nil, false
	}
	me := n.cfg.Identity
	request := &raft.AppendEntriesRequest{
		RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(me.ID), Addr: []byte(me.RaftAddress)},
		Term:      r.term, Leader: []byte(me.RaftAddress), //nolint:staticcheck // members of raft 1.6 read it
		PrevLogEntry: before.Index, PrevLogTerm: before.Term, LeaderCommitIndex: last,
	}
	for index := known + 1; index <= last; index++ {
		entry := new(raft.Log)
		if n.store.peek(index, entry) != nil {
			return nil, false
		}
		request.Entries = append(request.Entries, entry)
	}
	return request, true
}

// pause waits a little; false: there is no time left.
func (n *Node) pause(ctx context.Context) bool {
	timer := time.NewTimer(farewellPause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	case <-n.done:
		return false
	}
}
