package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
)

// record is what is on disk of a process that was started. Pid and start time
// together name one process; a pid alone is used again.
type record struct {
	PID int `json:"pid"`
	// Start is when the kernel says that it began, in clock ticks since boot.
	Start uint64 `json:"start_ticks"`
	// Boot is the boot that Start counts from.
	Boot string `json:"boot_id"`
	// Argv is the command that it was started with.
	Argv []string `json:"argv"`
	// LogAt is how long the log was at the start: what is behind it is this process's.
	LogAt int64 `json:"log_at,omitzero"`
	// Adopted is true where something else started it.
	Adopted bool `json:"adopted,omitzero"`
	// Began, or was taken over; for people.
	Began time.Time `json:"began"`
	// DrainingSince is set before a drain is begun, so that it is taken back even
	// if this agent died in between.
	DrainingSince time.Time `json:"draining_since,omitzero"`
}

const recordFile = "process.json"

// readRecord returns nil where there is none.
func readRecord(dir string) (*record, error) {
	text, err := os.ReadFile(filepath.Join(dir, recordFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read process record: %w", err)
	}
	var r record
	if err := json.Unmarshal(text, &r); err != nil || r.PID <= 1 || r.Start == 0 {
		return nil, fmt.Errorf("process record %s is damaged (%w): see with ps whether the service runs, stop it if so, then remove the file",
			filepath.Join(dir, recordFile), errors.Join(err, errDamaged))
	}
	return &r, nil
}

var errDamaged = errors.New("no pid and start time")

func (r *record) write(dir string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(filepath.Join(dir, recordFile), append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write process record: %w", err)
	}
	return nil
}

// forget takes the record away.
func forget(dir string) error {
	if err := os.Remove(filepath.Join(dir, recordFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget process record: %w", err)
	}
	return nil
}

// alive says whether the process of the record runs. One that only waits to be
// reaped does not.
func (r *record) alive() bool {
	if r == nil || r.Boot != bootID() {
		return false
	}
	s, err := readStat(r.PID)
	return err == nil && s.start == r.Start && !s.ended()
}
