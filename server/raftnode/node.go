package raftnode

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// Node is a member's part in the Raft group. Open makes it, Run runs it.
type Node struct {
	cfg    Config
	timing timing

	lock      *dirLock
	log       boltStore
	snapshots raft.SnapshotStore
	listener  net.Listener

	watch   *diskWatch
	replica *replica
	throne  *throne
	queue   *queue
	reads   chan chan readAnswer
	store   *watchedStore
	witness *witness
	cache   *raft.LogCache

	// node is set before started is closed.
	node    atomic.Pointer[raft.Raft]
	started chan struct{}
	// done is closed when stopping begins, gone when nothing is waited for any
	// more.
	done, gone chan struct{}
	ran        atomic.Bool
	// fatal gets the first reason to stop.
	fatal chan error
	calls *calls
	// places are held by entries that are being made or committed.
	places chan struct{}

	clock struct {
		sync.Mutex
		// What was given out last, and when, by the member's own clock.
		last, at time.Time
	}
	// epoch of the member's data, 0 while it is not known.
	epoch atomic.Uint64
	// refusedSince is when a hand-over of leadership began to refuse writes.
	refusedSince atomic.Pointer[time.Time]
	// entries counts entries of ours that were committed.
	entries atomic.Uint64
}

// Open takes hold of a data directory and opens what is in it, and the Raft
// port. It starts nothing; Close undoes it where Run was not called.
func Open(cfg Config) (_ *Node, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("raft member: %w", err)
	}
	cfg = cfg.withDefaults()
	n := &Node{
		cfg: cfg, throne: newThrone(), queue: newQueue(), reads: make(chan chan readAnswer),
		started: make(chan struct{}), done: make(chan struct{}), gone: make(chan struct{}), fatal: make(chan error, 1),
		calls: newCalls(), places: make(chan struct{}, entriesInFlight),
		watch: newDiskWatch(cfg.Dir, cfg.DiskBound),
	}
	n.watch.committed = n.CommitIndex
	n.replica = &replica{machine: cfg.Machine, stop: n.stop, dir: cfg.Dir}
	if n.timing, err = timingOf(cfg.Profile, cfg.RoundTripMS); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.closeFiles())
		}
	}()
	if err := n.openFiles(); err != nil {
		return nil, err
	}
	if n.listener = cfg.Listener; n.listener == nil && cfg.transport == nil {
		if n.listener, err = listen(cfg.Bind); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func (n *Node) openFiles() (err error) {
	if n.lock, err = lockDir(n.cfg.Dir); err != nil {
		return err
	}
	kept, err := Load(n.cfg.Dir)
	if err != nil {
		return err
	}
	if brokenOff(n.cfg.Dir) {
		return fmt.Errorf("%s: %w: run `roster member recover` again, or delete the folder and `roster join` the others", n.cfg.Dir, ErrHalfRecovered)
	}
	if kept.ID != n.cfg.Identity.ID || kept.ClusterID != n.cfg.Identity.ClusterID {
		return fmt.Errorf("%s holds member %s of cluster %s, not member %s of cluster %s",
			n.cfg.Dir, kept.ID, kept.ClusterID, n.cfg.Identity.ID, n.cfg.Identity.ClusterID)
	}
	n.epoch.Store(kept.Epoch)
	if _, err := os.Stat(filepath.Join(n.cfg.Dir, logName)); err != nil {
		// Beginning with an empty log would forget votes that were given.
		return damaged(n.cfg.Dir, logName, err)
	}
	if n.log, err = openLog(n.cfg.Dir); err != nil {
		return err
	}
	if n.snapshots, err = openSnapshots(n.cfg.Dir, newRaftLog(n.cfg.Logger)); err != nil {
		return err
	}
	inner := logStore(n.log)
	if n.cfg.wrapStore != nil {
		inner = n.cfg.wrapStore(inner)
	}
	n.store = &watchedStore{inner: inner, watch: n.watch, dir: n.cfg.Dir, me: raft.ServerID(n.cfg.Identity.ID)}
	if n.cache, err = raft.NewLogCache(logCacheSize, &edgeStore{LogStore: n.store, snapshots: n.snapshots}); err != nil {
		return fmt.Errorf("make log cache: %w", err)
	}
	return nil
}

func (n *Node) closeFiles() error {
	var faults []error
	if n.listener != nil {
		if err := n.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			faults = append(faults, fmt.Errorf("close raft port: %w", err))
		}
	}
	if n.log != nil {
		if err := n.log.Close(); err != nil {
			faults = append(faults, fmt.Errorf("close log: %w", err))
		}
	}
	if n.lock != nil {
		if err := n.lock.release(); err != nil {
			faults = append(faults, fmt.Errorf("release data directory: %w", err))
		}
	}
	return errors.Join(faults...)
}

// Close gives back what Open took, where Run is not called.
func (n *Node) Close() error {
	if !n.ran.CompareAndSwap(false, true) {
		return nil
	}
	close(n.done)
	close(n.gone)
	return n.closeFiles()
}

// Started is closed once this member's own state is read from disk and it takes
// part in the group.
func (n *Node) Started() <-chan struct{} { return n.started }

// RememberCertificates notes in the data directory, for good, that the member
// runs with certificates.
func (n *Node) RememberCertificates() error {
	kept, err := Load(n.cfg.Dir)
	if err != nil || kept.Certificates {
		return err
	}
	kept.Certificates = true
	return kept.write(n.cfg.Dir)
}

// Identity is who this member is.
func (n *Node) Identity() Identity { return n.cfg.Identity }

// Term is the newest term that this member knows.
func (n *Node) Term() uint64 {
	if n.raft() == nil {
		return 0
	}
	return n.raft().CurrentTerm()
}

// CommitIndex is the last entry that is committed as far as this member knows.
func (n *Node) CommitIndex() uint64 {
	if n.raft() == nil {
		return 0
	}
	return n.raft().CommitIndex()
}

// AppliedIndex is the last entry that was given to the state machine, to be
// compared with a CommitIndex. What the machine itself has applied is at
// State().Index(), which knows commands only.
func (n *Node) AppliedIndex() uint64 {
	if n.raft() == nil {
		return 0
	}
	return n.raft().AppliedIndex()
}

func (n *Node) raft() *raft.Raft { return n.node.Load() }

// stop tells Run to end with err; the first reason counts.
func (n *Node) stop(err error) {
	select {
	case n.fatal <- err:
	default:
	}
}

func (n *Node) stopped() bool {
	select {
	case <-n.done:
		return true
	default:
		return false
	}
}

// running waits until raft runs; afterwards it is quick.
func (n *Node) running(ctx context.Context) error {
	if n.stopped() {
		return ErrStopping
	}
	select {
	case <-n.started:
		return nil
	case <-n.done:
		return ErrStopping
	case <-ctx.Done():
		return fmt.Errorf("wait for this member to start: %w", ctx.Err())
	}
}

// wait runs a call of raft, which may block for longer than the context lasts,
// and gives its error or the context's.
func (n *Node) wait(ctx context.Context, doing string, call func() error) error {
	answer := make(chan error, 1)
	n.calls.Go(func() { answer <- call() })
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	case <-n.gone:
		return fmt.Errorf("%s: %w", doing, ErrStopping)
	}
}
