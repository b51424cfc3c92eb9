package raftnode

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// errorsInARow is how many writes may fail one after the other. One may be
// luck; a member whose disk keeps failing would be elected again and again.
const errorsInARow = 3

// diskWatch times writes to the disk and counts failures. Raft itself would
// wait for a hung disk for ever, and with it the whole cluster: heartbeats go
// on, so nobody elects another leader.
type diskWatch struct {
	dir   string
	bound time.Duration

	mu      sync.Mutex
	running map[uint64]diskWrite
	next    uint64
	failed  int
}

type diskWrite struct {
	what  string
	since time.Time
}

func newDiskWatch(dir string, bound time.Duration) *diskWatch {
	return &diskWatch{dir: dir, bound: bound, running: map[uint64]diskWrite{}}
}

// begin notes that a write began; the returned function notes its end.
func (w *diskWatch) begin(what string) func(error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := w.next
	w.next++
	w.running[id] = diskWrite{what: what, since: time.Now()}
	return func(err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.running, id)
		if err != nil {
			w.failed++
		} else {
			w.failed = 0
		}
	}
}

// check says whether a write hangs.
func (w *diskWatch) check(now time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, write := range w.running {
		if took := now.Sub(write.since); took > w.bound {
			return fmt.Errorf("%w: %s in %s has not ended for %s. This member stops so that another one can lead. "+
				"Mend: look at the disk (dmesg, mount options, remote storage), then start this member again; its data is kept",
				ErrDisk, write.what, w.dir, took.Round(time.Millisecond))
		}
	}
	return nil
}

// failing says whether too many writes failed in a row; err is the last one.
func (w *diskWatch) failing(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed < errorsInARow {
		return nil
	}
	mend := "look at the disk (dmesg), then start this member again; if it cannot be read any more: " + rejoin(w.dir)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		mend = "the disk is full: make room on the file system of " + w.dir + ", then start this member again; its data is kept"
	}
	return fmt.Errorf("%w: %d writes in a row failed in %s, the last one: %w. This member stops so that another one can lead. Mend: %s",
		ErrDisk, w.failed, w.dir, err, mend)
}

// run looks at the writes until the context ends or one hangs.
func (w *diskWatch) run(ctx context.Context) error {
	tick := time.NewTicker(max(w.bound/10, 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			if err := w.check(now); err != nil {
				return err
			}
		}
	}
}

// probe writes a small file again and again, so that a hung disk is noticed on
// a member that has nothing else to write.
func (w *diskWatch) probe(ctx context.Context) error {
	tick := time.NewTicker(max(w.bound/4, 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			end := w.begin("a probe write")
			err := writeProbe(filepath.Join(w.dir, probeName), now)
			end(err)
			if err := w.failing(err); err != nil {
				return err
			}
		}
	}
}

func writeProbe(path string, now time.Time) (err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open probe: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.WriteAt([]byte(now.UTC().Format(time.RFC3339Nano)+"\n"), 0); err != nil {
		return fmt.Errorf("write probe: %w", err)
	}
	if err := file.Sync(); err != nil {
		return fmt.Errorf("sync probe: %w", err)
	}
	return nil
}
