package raftnode

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/renameio/v2"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"roster/fsm"
	v1 "roster/proto/roster/v1"
)

// Survivor is what a stopped member still has of its cluster.
type Survivor struct {
	Identity
	// Before is the epoch that it is in.
	Before uint64
	// LastIndex and LastTerm are of the last entry that it has: of several
	// survivors the one with the highest term has most, and among those the one
	// with the highest index.
	LastIndex, LastTerm uint64
	// Committed is up to where a majority had the entries for certain. Those
	// after it may never have been acknowledged: nobody keeps which.
	Committed uint64
	// Time is the cluster's at the last entry.
	Time time.Time
	// Voter says whether it had a vote.
	Voter bool
	// Others are the members that will be forgotten.
	Others []*v1.Member
	// Nodes that the cluster has.
	Nodes int
}

// Recovery holds the directory of a stopped member that shall go on alone. It
// is for one goroutine.
type Recovery struct {
	survivor  Survivor
	dir       string
	lock      *dirLock
	log       boltStore
	snapshots raft.SnapshotStore
	machine   *fsm.Machine
	latest    time.Time
}

// OpenRecovery takes hold of a stopped member's directory and reads all of it.
// It changes nothing; Close gives it back.
func OpenRecovery(dir string) (_ *Recovery, err error) {
	r := &Recovery{dir: dir}
	if r.survivor.Identity, err = Load(dir); err != nil {
		return nil, fmt.Errorf("recover: %w", unrecoverable(err))
	}
	if r.lock, err = lockDir(dir); err != nil {
		return nil, fmt.Errorf("recover: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("recover: %w", unrecoverable(err)), r.Close())
		}
	}()
	if _, err := os.Stat(filepath.Join(dir, logName)); err != nil {
		return nil, damaged(dir, logName, err)
	}
	if r.log, err = openLog(dir); err != nil {
		return nil, err
	}
	if r.snapshots, err = openSnapshots(dir, hclog.NewNullLogger()); err != nil {
		return nil, err
	}
	var found replayed
	r.machine = fsm.New()
	err = guarded(func() (err error) { found, err = replay(r.machine, r.log, r.snapshots); return err })
	switch {
	case errors.Is(err, fsm.ErrSchema):
		return nil, fmt.Errorf("%w: run the version of roster that this member ran", err)
	case err != nil:
		return nil, damaged(dir, "", err)
	}
	r.latest = found.latest
	return r, r.judge(found)
}

// judge says whether a recovery of this member makes sense, and what it is.
func (r *Recovery) judge(found replayed) error {
	me, state := &r.survivor, r.machine.State()
	i := slices.IndexFunc(found.group.Servers, func(s raft.Server) bool { return string(s.ID) == me.ID })
	switch {
	case state.Cluster() == nil:
		return fmt.Errorf("%w: member %s has not got the cluster's state yet. Recover a member that has, or make a new one from a saved snapshot: `roster member restore`",
			ErrNothingToRecover, me.Name)
	case state.Cluster().GetId() != me.ClusterID:
		return fmt.Errorf("%w: its log is of cluster %s, its member file of %s", ErrDamaged, state.Cluster().GetId(), me.ClusterID)
	case i < 0:
		return fmt.Errorf("%w: member %s is not in the newest configuration that it knows: it was removed. Recover one that was not", ErrNothingToRecover, me.Name)
	case len(found.group.Servers) == 1 && !brokenOff(r.dir):
		return fmt.Errorf("%w: member %s is the only one of its group and needs nobody else: start it", ErrNothingToRecover, me.Name)
	}
	me.Before = max(me.Epoch, state.Cluster().GetEpoch())
	me.LastIndex, me.LastTerm, me.Committed = found.index, found.term, min(max(found.snapshot, readCommitted(r.dir)), found.index)
	me.Time, me.Voter, me.Nodes = state.Time(), found.group.Servers[i].Suffrage == raft.Voter, len(state.Nodes())
	me.Others = others(me.ID, state.Members(), found.group.Servers)
	return nil
}

// others are the members that have a record or a place in the group, but one.
func others(me string, records []*v1.Member, group []raft.Server) []*v1.Member {
	all := slices.Clone(records)
	for _, s := range group {
		if !slices.ContainsFunc(all, func(m *v1.Member) bool { return m.GetId() == string(s.ID) }) {
			all = append(all, &v1.Member{Id: string(s.ID), RaftAddress: string(s.Address)})
		}
	}
	return slices.DeleteFunc(all, func(m *v1.Member) bool { return m.GetId() == me })
}

// Survivor says what is there.
func (r *Recovery) Survivor() Survivor { return r.survivor }

// Recover makes the member the only one of its group, in a new epoch. Every
// entry that it has counts as done, whether a majority ever had it or not. It
// may be run again where it broke off; until then the member does not start.
func (r *Recovery) Recover(now time.Time) (Identity, error) {
	identity, err := r.recover(now)
	if err != nil {
		return Identity{}, fmt.Errorf("recover: %w", unrecoverable(err))
	}
	return identity, nil
}

func (r *Recovery) recover(now time.Time) (_ Identity, err error) {
	identity, before := r.survivor.Identity, r.survivor
	identity.Epoch, identity.Replaces = epochAfter(before.Before, now), ""
	self := r.machine.State().Member(identity.ID)
	if self == nil {
		self = identity.record("")
	}
	if now.Before(r.latest) {
		now = r.latest
	}
	reason := fmt.Sprintf("the cluster lost its quorum and was recovered on member %s alone, from entry %d of term %d", identity.Name, before.LastIndex, before.LastTerm)
	entry, err := beginHistory(r.machine, before.LastIndex, self, identity.Epoch, reason, now)
	if err != nil {
		return Identity{}, err
	}
	if err := renameio.WriteFile(r.path(recoveringName), fmt.Appendf(nil, "%d\n", identity.Epoch), 0o600); err != nil {
		return Identity{}, fmt.Errorf("note that a recovery begins: %w", err)
	}
	if err := syncDir(r.dir); err != nil {
		return Identity{}, err
	}
	transport := nowhere(identity)
	defer func() { err = errors.Join(err, transport.Close()) }()
	fresh := &replica{machine: fsm.New(), stop: func(error) {}, dir: r.dir}
	amended := &amendedLog{LogStore: r.log, last: raft.Log{Index: before.LastIndex + 1, Term: before.LastTerm, Type: raft.LogCommand, Data: entry}}
	err = guarded(func() error {
		return raft.RecoverCluster(offline(identity), fresh, amended, r.log, r.snapshots, transport, alone(identity))
	})
	if err != nil {
		return Identity{}, fresh.explain(err)
	}
	if err := identity.write(r.dir); err != nil {
		return Identity{}, err
	}
	if err := os.Remove(r.path(recoveringName)); err != nil {
		return Identity{}, fmt.Errorf("note that the recovery is done: %w", err)
	}
	return identity, syncDir(r.dir)
}

func (r *Recovery) path(name string) string { return filepath.Join(r.dir, name) }

// Close gives the directory back.
func (r *Recovery) Close() error {
	var faults []error
	if r.log != nil {
		faults = append(faults, r.log.Close())
	}
	return errors.Join(append(faults, r.lock.release())...)
}

// brokenOff says whether a recovery was begun in a directory and did not end.
func brokenOff(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, recoveringName))
	return err == nil
}

// unrecoverable gives a damage the instruction for a group that has no quorum:
// the usual one sends people to members that are not there.
func unrecoverable(err error) error {
	var d *damage
	if errors.As(err, &d) {
		d.mend = "Mend: recover another member that survived, or make a new one from a saved snapshot: `roster member restore`"
	}
	return err
}
