package agent

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// ErrFolderInUse says that another agent runs over the same data folder.
var ErrFolderInUse = errors.New("data folder is in use by another agent")

// folder is the agent's data folder, locked for this process.
type folder struct {
	path     string
	instance string
	lock     *os.File
}

// openFolder makes the folder where absent, locks it, and reads the instance id or
// makes one.
func openFolder(path string) (*folder, error) {
	if err := os.MkdirAll(path, 0o755); err != nil { //nolint:gosec // daemons under other users work below it
		return nil, fmt.Errorf("open data folder: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open data folder: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("open data folder %s: %w: stop that one, or give this one a folder of its own", path, ErrFolderInUse)
		}
		return nil, fmt.Errorf("lock data folder %s: %w", path, err)
	}
	f := &folder{path: path, lock: lock}
	if f.instance, err = instanceID(filepath.Join(path, "instance")); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func (f *folder) file(name string) string { return filepath.Join(f.path, name) }

func (f *folder) close() { _ = f.lock.Close() }

// instanceID is random and made once: two folders are never one instance.
func instanceID(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err == nil {
		id := strings.TrimSpace(string(text))
		if raw, err := hex.DecodeString(id); err != nil || len(raw) != 16 {
			return "", fmt.Errorf("instance id in %s is damaged (%q): restore the file, or remove it to register as a new instance of this node", path, id)
		}
		return id, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read instance id: %w", err)
	}
	var raw [16]byte
	_, _ = rand.Read(raw[:])
	id := hex.EncodeToString(raw[:])
	if err := renameio.WriteFile(path, []byte(id+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("write instance id: %w", err)
	}
	return id, nil
}
