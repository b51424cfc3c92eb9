// Package backup owns snapshot files on the operator's disk: writing one whole
// or not at all, and saying what one has. It reads them as a member does and
// knows no connection. Safe from any goroutine on different files.
package backup

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/google/renameio/v2"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/types/known/timestamppb"

	"roster/fsm"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// ErrExists means that there is a file of that name already.
var ErrExists = errors.New("there is a file of that name already")

// Save writes a snapshot that comes in pieces: next returns io.EOF after the
// last one. The file is there whole and verified, or not at all; one that is
// there is replaced only where replace says so. progress hears how many bytes
// have come.
func Save(path string, replace bool, next func() ([]byte, error), progress func(bytes uint64)) (*storev1.SnapshotSummary, error) {
	if err := mayWrite(path, replace); err != nil {
		return nil, err
	}
	file, err := renameio.NewPendingFile(path, renameio.WithPermissions(0o600))
	if err != nil {
		return nil, fmt.Errorf("save the snapshot: %w", err)
	}
	defer func() { _ = file.Cleanup() }() // nothing to do once it has its name
	var size uint64
	for {
		data, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if _, err := file.Write(data); err != nil {
			return nil, fmt.Errorf("save the snapshot: %w", err)
		}
		size += uint64(len(data))
		progress(size)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("save the snapshot: %w", err)
	}
	summary, err := Read(file)
	if err != nil {
		return nil, fmt.Errorf("what the member sent: %w", err)
	}
	if err := mayWrite(path, replace); err != nil {
		return nil, err
	}
	if err := file.CloseAtomicallyReplace(); err != nil {
		return nil, fmt.Errorf("save the snapshot: %w", err)
	}
	return summary, nil
}

// mayWrite refuses a name that is taken, before anything is asked for and again
// before the file gets it.
func mayWrite(path string, replace bool) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("save the snapshot: %w", err)
	case info.IsDir():
		return fmt.Errorf("save the snapshot: %s is a folder: name a file in it", path)
	case !replace:
		return fmt.Errorf("save the snapshot: %s: %w", path, ErrExists)
	default:
		return nil
	}
}

// Inspect says what a snapshot file has, if it is whole.
func Inspect(path string) (*storev1.SnapshotSummary, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the snapshot: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	summary, err := Read(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return summary, nil
}

// Read says what a snapshot has, if it is whole; it takes all of it.
func Read(r io.ReadSeeker) (*storev1.SnapshotSummary, error) {
	header := &storev1.SnapshotRecord{}
	if err := (protodelim.UnmarshalOptions{MaxSize: 1 << 20}).UnmarshalFrom(bufio.NewReader(r), header); err != nil {
		return nil, fmt.Errorf("%w: it does not begin as one: %w", fsm.ErrSnapshot, err)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	count := &counter{Reader: r}
	machine := fsm.New()
	if err := machine.Restore(count); err != nil {
		return nil, err
	}
	return summary(machine.State(), header.GetHeader().GetSchema(), count.bytes), nil
}

func summary(s *fsm.State, schema uint32, size uint64) *storev1.SnapshotSummary {
	out := &storev1.SnapshotSummary{
		SizeBytes: size, Schema: schema, Index: s.Index(), Cluster: s.Cluster(), Members: s.Members(),
		Revisions: uint32(len(s.Revisions())), Nodes: uint32(len(s.Nodes())), Freezes: uint32(len(s.Freezes())),
		StateHash: hex.EncodeToString(s.Hash()),
	}
	if now := s.Time(); !now.IsZero() {
		out.Time = timestamppb.New(now)
	}
	if t := s.Topology(); t != nil {
		out.Topology = &v1.StatusTopology{Name: t.GetTopology().GetName(), Revision: t.GetRevision()}
	}
	for _, n := range s.Nodes() {
		out.Assignments += uint32(len(n.GetAssignments()))
	}
	if events, _, err := s.Events(0, 0); err == nil {
		out.Events = uint32(len(events))
	}
	return out
}

// counter counts what was read.
type counter struct {
	io.Reader
	bytes uint64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.bytes += uint64(n)
	return n, err
}
