package raftnode

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

const (
	// fileLockWait bounds the wait for the lock of the log's file. Our own
	// lock on the directory was taken before, so only a foreign program can
	// hold it.
	fileLockWait = time.Second
	// mapSize is how much address space the log's file gets at first: growing
	// it later makes writers wait for readers.
	mapSize = 256 << 20
	// snapshotsKept is how many snapshots stay on disk: where the newest one
	// is damaged, raft falls back to the one before.
	snapshotsKept = 2
	// logCacheSize is how many entries are kept in memory for followers.
	logCacheSize = 4096
)

// logStore is what raft keeps its log, term and vote in.
type logStore interface {
	raft.LogStore
	raft.StableStore
}

// boltStore is a logStore in a file.
type boltStore interface {
	logStore
	Close() error
}

// openLog opens the log's file, or makes it. Its pages carry no checksums, and
// a torn one makes bbolt panic or fault: that becomes an error with an
// instruction.
func openLog(dir string) (boltStore, error) {
	path := filepath.Join(dir, logName)
	if err := checkPages(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, damaged(dir, logName, err)
	}
	var store *raftboltdb.BoltStore
	err := guarded(func() (err error) {
		store, err = raftboltdb.New(raftboltdb.Options{
			Path:                    path,
			MsgpackUseNewTimeFormat: true,
			BoltOptions: &bbolt.Options{
				Timeout: fileLockWait,
				// A free list of megabytes is not to be written with each append.
				NoFreelistSync:  true,
				FreelistType:    bbolt.FreelistMapType,
				InitialMmapSize: mapSize,
			},
		})
		return err
	})
	switch {
	case err == nil:
		return store, nil
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fmt.Errorf("%s: %w: another program has %s open", dir, ErrInUse, logName)
	default:
		return nil, damaged(dir, logName, err)
	}
}

// damage is an ErrDamaged with its place, its cause and what to do.
type damage struct {
	path  string
	cause error
	mend  string
}

func damaged(dir, file string, err error) error {
	return &damage{path: filepath.Join(dir, file), cause: err, mend: rejoin(dir)}
}

// Error says all of it.
func (d *damage) Error() string {
	return fmt.Sprintf("%s: %s: %s. %s", ErrDamaged, d.path, d.cause, d.mend)
}

// Unwrap gives the kind and the cause.
func (d *damage) Unwrap() []error { return []error{ErrDamaged, d.cause} }

// openSnapshots opens the folder of snapshots.
func openSnapshots(dir string, logger hclog.Logger) (raft.SnapshotStore, error) {
	store, err := raft.NewFileSnapshotStoreWithLogger(dir, snapshotsKept, logger)
	if err != nil {
		return nil, fmt.Errorf("open snapshots: %w", err)
	}
	return store, nil
}

// guarded runs f and returns its panic, or its fault on a page of a mapped
// file that is not there, as an error.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("reading it failed: %v", p)
		}
	}()
	return f()
}
