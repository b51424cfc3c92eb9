package raftnode

import (
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"roster/fsm"
)

// replayed is where a member's files end.
type replayed struct {
	// snapshot is the index of the one that was read, 0 for none.
	snapshot    uint64
	index, term uint64
	// group is the newest configuration.
	group raft.Configuration
	// latest is the latest time in what was read.
	latest time.Time
}

// replay brings a machine to the end of a log that nobody runs, as raft would
// where every entry of it were committed.
func replay(machine *fsm.Machine, log raft.LogStore, snapshots raft.SnapshotStore) (replayed, error) {
	found, err := replaySnapshot(machine, snapshots)
	if err != nil {
		return found, err
	}
	last, err := log.LastIndex()
	if err != nil {
		return found, fmt.Errorf("find the last entry: %w", err)
	}
	for index := found.snapshot + 1; index <= last; index++ {
		var entry raft.Log
		if err := log.GetLog(index, &entry); err != nil {
			return found, fmt.Errorf("read entry %d: %w", index, err)
		}
		switch entry.Type {
		case raft.LogCommand:
			if _, err := machine.Apply(entry.Index, entry.Data); err != nil {
				return found, err
			}
			if t, ok := timeOfEntry(entry.Data); ok && t.After(found.latest) {
				found.latest = t
			}
		case raft.LogConfiguration:
			found.group = raft.DecodeConfiguration(entry.Data)
		}
		found.index, found.term = entry.Index, entry.Term
	}
	return found, nil
}

// replaySnapshot reads the newest snapshot that can be read, as raft would.
func replaySnapshot(machine *fsm.Machine, snapshots raft.SnapshotStore) (found replayed, err error) {
	kept, err := snapshots.List()
	if err != nil {
		return found, fmt.Errorf("list snapshots: %w", err)
	}
	var faults []error
	for _, one := range kept {
		_, source, err := snapshots.Open(one.ID)
		if err == nil {
			err = errors.Join(machine.Restore(source), source.Close())
		}
		if err == nil {
			return replayed{
				snapshot: one.Index, index: one.Index, term: one.Term, group: one.Configuration, latest: machine.State().Time(),
			}, nil
		}
		faults = append(faults, fmt.Errorf("snapshot %s: %w", one.ID, err))
	}
	return found, errors.Join(faults...)
}

// amendedLog is a log with one entry more, which is not on disk: it becomes true
// with the snapshot that it goes into, and not before.
type amendedLog struct {
	raft.LogStore
	last raft.Log
}

// LastIndex implements raft.LogStore.
func (l *amendedLog) LastIndex() (uint64, error) { return l.last.Index, nil }

// GetLog implements raft.LogStore.
func (l *amendedLog) GetLog(index uint64, entry *raft.Log) error {
	if index == l.last.Index {
		*entry = l.last
		return nil
	}
	return l.LogStore.GetLog(index, entry)
}
