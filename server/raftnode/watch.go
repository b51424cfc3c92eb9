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

// ticksPerBound is how often the watch looks within its bound.
const ticksPerBound = 10

// diskWatch times writes to the disk and counts failures. Raft itself would
// wait for a hung disk for ever, and with it the whole cluster: heartbeats go
// on, so nobody elects another leader.
type diskWatch struct {
	dir   string
	bound time.Duration
	// committed is up to where entries are known to be committed, kept beside the
	// probe for whoever has to recover this member alone; nil: nothing.
	committed func() uint64

	mu      sync.Mutex
	running map[uint64]diskWrite
	next    uint64
	// ticks is the watch's clock: it stands still while the process does, so a
	// member that was suspended does not blame its disk.
	ticks uint64
	// failed counts, by kind of write, those that failed since the last that
	// did not.
	failed map[string]int
}

type diskWrite struct {
	what  string
	begun uint64
}

func newDiskWatch(dir string, bound time.Duration) *diskWatch {
	return &diskWatch{dir: dir, bound: bound, running: map[uint64]diskWrite{}, failed: map[string]int{}}
}

// begin notes that a write began. The returned function notes its end, and says
// whether too many of its kind failed in a row.
func (w *diskWatch) begin(what string) func(error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := w.next
	w.next++
	w.running[id] = diskWrite{what: what, begun: w.ticks}
	return func(err error) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.running, id)
		if err == nil {
			w.failed[what] = 0
			return nil
		}
		if w.failed[what]++; w.failed[what] < errorsInARow {
			return nil
		}
		return w.failing(what, err)
	}
}

func (w *diskWatch) failing(what string, err error) error {
	mend := "look at the disk (dmesg), then start this member again; if it cannot be read any more: " + rejoin(w.dir)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		mend = "the disk is full: make room on the file system of " + w.dir + ", then start this member again; its data is kept"
	}
	return fmt.Errorf("%w: %s failed %d times in a row in %s: %w. This member stops so that another one can lead. Mend: %s",
		ErrDisk, what, w.failed[what], w.dir, err, mend)
}

// tick counts on and says whether a write hangs.
func (w *diskWatch) tick() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ticks++
	for _, write := range w.running {
		if w.ticks-write.begun > ticksPerBound {
			return fmt.Errorf("%w: %s in %s has not ended for more than %s. This member stops so that another one can lead. "+
				"Mend: look at the disk (dmesg, mount options, remote storage), then start this member again; its data is kept",
				ErrDisk, write.what, w.dir, w.bound)
		}
	}
	return nil
}

// run looks at the writes until the context ends or one hangs.
func (w *diskWatch) run(ctx context.Context) error {
	tick := time.NewTicker(max(w.bound/ticksPerBound, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := w.tick(); err != nil {
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
			if err := end(w.writeProbe(now)); err != nil {
				return err
			}
		}
	}
}

func (w *diskWatch) writeProbe(now time.Time) (err error) {
	var committed uint64
	if w.committed != nil {
		committed = w.committed()
	}
	file, err := os.OpenFile(filepath.Join(w.dir, probeName), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open probe: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	// Always as long, so that nothing of the one before shows.
	text := fmt.Sprintf("%s\ncommitted %020d\n", now.UTC().Format("2006-01-02T15:04:05.000000000Z"), committed)
	if _, err := file.WriteAt([]byte(text), 0); err != nil {
		return fmt.Errorf("write probe: %w", err)
	}
	if err := file.Sync(); err != nil {
		return fmt.Errorf("sync probe: %w", err)
	}
	return nil
}

// readCommitted is what the newest probe in a directory says; 0 where it says
// nothing. More may be committed, less is not.
func readCommitted(dir string) uint64 {
	file, err := os.Open(filepath.Join(dir, probeName))
	if err != nil {
		return 0
	}
	defer func() { _ = file.Close() }() // it was read only
	var at string
	var committed uint64
	if _, err := fmt.Fscanf(file, "%s\ncommitted %d\n", &at, &committed); err != nil {
		return 0
	}
	return committed
}
