package exec

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

// record is what is on disk of a service that this driver started or took over; none:
// it did neither. It is never changed, only replaced.
type record struct {
	// Since is for people.
	Since time.Time `json:"since"`
	// DrainingSince is set before a drain is begun, so that it is taken back even
	// if this agent died in between.
	DrainingSince time.Time `json:"draining_since,omitzero"`
}

const recordFile = "exec.json"

// readRecord returns nil where there is none.
func readRecord(dir string) (*record, error) {
	path := filepath.Join(dir, recordFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read record: %w", err)
	}
	var r record
	if err := json.Unmarshal(text, &r); err != nil || r.Since.IsZero() {
		return nil, fmt.Errorf("record %s is damaged (%w): remove it; what runs is then taken over anew once it is asked for",
			path, errors.Join(err, errDamaged))
	}
	return &r, nil
}

var errDamaged = errors.New("no time in it")

func (r *record) write(dir string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(filepath.Join(dir, recordFile), append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	return nil
}

// forget takes the record away.
func forget(dir string) error {
	if err := os.Remove(filepath.Join(dir, recordFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget record: %w", err)
	}
	return nil
}
