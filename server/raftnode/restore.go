package raftnode

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/hashicorp/raft"

	"roster/fsm"
	v1 "roster/proto/roster/v1"
)

// RestoreOptions describe the one member of a cluster that goes on from a saved
// snapshot.
type RestoreOptions struct {
	// MemberName is for people.
	MemberName string
	// RaftAddress and Address are where members, and where agents and clients
	// reach it: host:port.
	RaftAddress, Address string
	// MemberID is made up where it is empty.
	MemberID string
	// Version of this program, for the member's record.
	Version string
	// Now is the time of the restore. Zero: time.Now.
	Now time.Time
}

// Restored says what Restore made.
type Restored struct {
	Identity
	// Index of the state in the snapshot, and the epoch that it had.
	Index, Before uint64
	// Saved is the cluster's time in the snapshot: its newest event.
	Saved time.Time
	// Forgotten are the members that the cluster had.
	Forgotten []*v1.Member
	// Nodes that it has.
	Nodes int
}

// firstTerm is the term of a restored snapshot: the old group's is not known,
// and nobody of it will be spoken to.
const firstTerm = 1

// keyCurrentTerm is where raft keeps its term.
var keyCurrentTerm = []byte("CurrentTerm")

// Restore makes a group of one member in an empty directory out of a snapshot
// that was saved: the same cluster with its nodes and topologies, in a new
// epoch, its other members forgotten. Nothing is made where the file is not
// whole.
func Restore(dir, from string, o RestoreOptions) (*Restored, error) {
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	if o.MemberID == "" {
		o.MemberID = NewMemberID()
	}
	if err := refuseFull(dir); err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	machine, err := readSaved(from)
	if err != nil {
		return nil, fmt.Errorf("restore %s: %w", from, err)
	}
	state := machine.State()
	cluster := state.Cluster()
	restored := &Restored{
		Identity: Identity{
			ID: o.MemberID, Name: o.MemberName, ClusterID: cluster.GetId(), ClusterName: cluster.GetName(),
			RaftAddress: o.RaftAddress, Address: o.Address, Profile: cluster.GetProfile(), RoundTripMS: cluster.GetRoundTripMs(),
			Epoch: epochAfter(cluster.GetEpoch(), o.Now),
		},
		Index: state.Index(), Before: cluster.GetEpoch(), Saved: state.Time(), Forgotten: state.Members(), Nodes: len(state.Nodes()),
	}
	if err := restored.Validate(); err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	now := o.Now
	if now.Before(restored.Saved) {
		now = restored.Saved // the cluster's time never goes back
	}
	reason := fmt.Sprintf("the cluster was restored on member %s from a snapshot of index %d", o.MemberName, restored.Index)
	if _, err := beginHistory(machine, restored.Index, restored.record(o.Version), restored.Epoch, reason, now); err != nil {
		return nil, fmt.Errorf("restore %s: %w", from, err)
	}
	err = create(dir, restored.Identity, func(log boltStore, snapshots raft.SnapshotStore, identity Identity) error {
		return seed(log, snapshots, identity, machine.Snapshot())
	})
	if err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	return restored, nil
}

// readSaved reads a saved snapshot and believes none of it before the whole is
// verified.
func readSaved(path string) (_ *fsm.Machine, err error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("it is no file: name one that `roster member snapshot save` wrote")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	machine := fsm.New()
	switch err := machine.Restore(file); {
	case errors.Is(err, fsm.ErrSchema):
		return nil, fmt.Errorf("%w: it was saved by a newer version of roster: restore it with that one", err)
	case err != nil:
		return nil, fmt.Errorf("%w. Nothing was made: take another copy of it, or an older one", err)
	}
	if machine.State().Cluster() == nil {
		return nil, errors.New("it holds no cluster: it was saved before there was one")
	}
	return machine, nil
}

// seed writes a state as the one snapshot of a new log, with this member as the
// one voter.
func seed(log boltStore, snapshots raft.SnapshotStore, identity Identity, state *fsm.Snapshot) (err error) {
	transport := nowhere(identity)
	defer func() { err = errors.Join(err, transport.Close()) }()
	sink, err := snapshots.Create(raft.SnapshotVersionMax, state.Index(), firstTerm, alone(identity), 1, transport)
	if err != nil {
		return fmt.Errorf("create snapshot: %w", err)
	}
	if err := (snapshot{state: state}).Persist(sink); err != nil {
		return err
	}
	if err := log.SetUint64(keyCurrentTerm, firstTerm); err != nil {
		return fmt.Errorf("write the term: %w", err)
	}
	return nil
}

// refuseFull refuses a directory that holds anything at all: whoever restores
// in haste is not to mix two members' files.
func refuseFull(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look into data directory: %w", err)
	}
	for _, entry := range entries {
		if entry.Name() == lockName {
			continue
		}
		if err := refuseUsed(dir); err != nil {
			return err
		}
		return fmt.Errorf("%s: %w: %s is in it; name a new or an empty one", dir, ErrUsed, entry.Name())
	}
	return nil
}
