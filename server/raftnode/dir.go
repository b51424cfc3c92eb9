package raftnode

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// What a data directory holds.
const (
	identityName  = "member.json"
	lockName      = "lock"
	logName       = "raft.db"
	snapshotsName = "snapshots"
	probeName     = "probe"
	// recoveringName is there while a recovery is under way.
	recoveringName = "recovering"
)

// rejoin is the instruction for a member whose files cannot be used any more.
func rejoin(dir string) string {
	return fmt.Sprintf("What it held is on the other members. Mend: on another member run `roster member remove` with this member's id, "+
		"then delete %s here and run `roster join`. Where this was the only member, make a new one from a saved snapshot: `roster member restore`. "+
		"Never copy single files from another member", dir)
}

// dirLock is the hold that one process has on a data directory. The kernel
// gives it back when the process ends, however it ends.
type dirLock struct{ file *os.File }

// lockDir takes hold of a directory, or says that another process has it.
func lockDir(dir string) (*dirLock, error) {
	path := filepath.Join(dir, lockName)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer func() { _ = file.Close() }()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w by another process%s: stop that one first, or name another directory", dir, ErrInUse, holder(file))
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	// For people and for the message above; nothing relies on it.
	if err := file.Truncate(0); err == nil {
		_, _ = fmt.Fprintf(file, "%d\n", os.Getpid())
	}
	return &dirLock{file: file}, nil
}

// holder names the process that wrote itself into the lock file, if one did.
func holder(file *os.File) string {
	var pid int
	if _, err := fmt.Fscan(file, &pid); err != nil || pid <= 0 {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}

func (l *dirLock) release() error { return l.file.Close() }

// syncDir makes the names in a directory last.
func syncDir(dir string) (err error) {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}

// claim makes the directory of a new member, takes hold of it and refuses one
// that holds anything: nothing that might be a member's data is written over.
func claim(dir string) (*dirLock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	if err := refuseUsed(dir); err != nil {
		return nil, errors.Join(err, lock.release())
	}
	return lock, nil
}

func refuseUsed(dir string) error {
	if identity, err := Load(dir); err == nil {
		return fmt.Errorf("%s: %w: it holds member %s (%s) of cluster %s; init, join and restore are done once",
			dir, ErrUsed, identity.Name, identity.ID, identity.ClusterName)
	}
	for _, name := range []string{identityName, logName, snapshotsName} {
		_, err := os.Lstat(filepath.Join(dir, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return fmt.Errorf("look into data directory: %w", err)
		default:
			return fmt.Errorf("%s: %w: %s is there already, left by an init, join or restore that did not end; if you are sure that nothing in it is needed, delete the directory and try again",
				dir, ErrUsed, name)
		}
	}
	return nil
}
