package raftnode

import (
	"errors"

	"github.com/hashicorp/raft"
)

// edgeStore knows the entry right below the log: the last one of a snapshot,
// whose term the snapshot keeps.
//
// Raft compares a follower's entry before the ones that it is sent, and looks
// for it in the log alone. A follower that installed a snapshot up to N and
// stored N+1, but died before it could say so, is then asked for N, does not
// find it, gets the same snapshot again, and again, until the leader makes a
// newer one (hashicorp/raft#697 tells of followers in such a loop).
type edgeStore struct {
	raft.LogStore
	snapshots raft.SnapshotStore
}

// GetLog gives the entry, or for the last one of a snapshot an entry without
// content. No leader can send that one to anybody: to send an entry it needs
// the one before, which is not in the log either.
func (s *edgeStore) GetLog(index uint64, entry *raft.Log) error {
	err := s.LogStore.GetLog(index, entry)
	if !errors.Is(err, raft.ErrLogNotFound) || index < 2 {
		return err
	}
	kept, listed := s.snapshots.List()
	if listed != nil {
		return err
	}
	for _, snapshot := range kept {
		if snapshot.Index == index {
			*entry = raft.Log{Index: index, Term: snapshot.Term, Type: raft.LogNoop}
			return nil
		}
	}
	return err
}
