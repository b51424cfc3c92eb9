package raftnode

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"roster/fsm"
	storev1 "roster/proto/roster/store/v1"
)

// replica puts the state machine under raft. Raft calls it from one goroutine.
type replica struct {
	machine *fsm.Machine
	// stop tells the member to stop.
	stop func(error)
	dir  string

	mu sync.Mutex
	// broken is why nothing is applied, snapshotted or restored any more.
	broken error
	// newest is the latest time in what was applied.
	newest time.Time
	// armed is set once raft runs, unread is why the last snapshot could not be
	// restored, and failed how many in a row could not.
	armed  bool
	unread error
	failed int
}

var _ raft.FSM = (*replica)(nil)

// applied is the machine's answer to one entry.
type applied struct {
	results []*storev1.Result
	err     error
}

// Apply implements raft.FSM.
func (r *replica) Apply(entry *raft.Log) any {
	if err := r.failure(); err != nil {
		return applied{err: err}
	}
	results, err := r.machine.Apply(entry.Index, entry.Data)
	if err != nil {
		return applied{err: r.fail(fmt.Errorf("%w at entry %d: %w. Nothing further is applied here, nothing is lost on the other members. Mend: %s",
			ErrBroken, entry.Index, err, mendBroken(r.dir, err)))}
	}
	if t, ok := timeOfEntry(entry.Data); ok {
		r.see(t)
	}
	return applied{results: results}
}

func mendBroken(dir string, err error) string {
	if errors.Is(err, fsm.ErrSchema) {
		return "run the version of roster that the other members run"
	}
	return rejoin(dir)
}

// Snapshot implements raft.FSM. A broken machine gives none: it would carry the
// index of entries that were not applied.
func (r *replica) Snapshot() (raft.FSMSnapshot, error) {
	if err := r.failure(); err != nil {
		return nil, err
	}
	return snapshot{state: r.machine.Snapshot()}, nil
}

// Restore implements raft.FSM.
func (r *replica) Restore(source io.ReadCloser) error {
	if err := r.failure(); err != nil {
		return err
	}
	if err := r.restored(r.machine.Restore(source)); err != nil {
		return err
	}
	state := r.machine.State()
	if created := state.Cluster().GetCreated(); created.IsValid() {
		r.see(created.AsTime())
	}
	if events, _, err := state.LastEvents(0, 1, nil); err == nil && len(events) > 0 {
		r.see(events[len(events)-1].GetTime().AsTime())
	}
	return nil
}

// restoresInARow is how many snapshots may fail one after the other. While it
// starts, raft tries an older one; later, the leader sends it again, for ever.
const restoresInARow = 3

func (r *replica) restored(err error) error {
	r.mu.Lock()
	r.unread = err
	if err == nil {
		r.failed = 0
		r.mu.Unlock()
		return nil
	}
	r.failed++
	hopeless := r.armed && r.failed >= restoresInARow
	r.mu.Unlock()
	err = fmt.Errorf("%w: %d snapshots in a row cannot be restored: %w. Mend: %s", ErrBroken, r.failed, err, mendBroken(r.dir, err))
	if hopeless {
		return r.fail(err)
	}
	return err
}

// arm says that raft runs: from now on nobody falls back to an older snapshot.
func (r *replica) arm() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.armed, r.failed = true, 0
}

// explain gives the better reason, where there is one, why raft did not start.
func (r *replica) explain(err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.broken != nil:
		return r.broken
	case errors.Is(r.unread, fsm.ErrSchema):
		return fmt.Errorf("%w: %w. Mend: %s", ErrBroken, r.unread, mendBroken(r.dir, r.unread))
	default:
		return err
	}
}

func (r *replica) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.broken
}

func (r *replica) fail(err error) error {
	r.mu.Lock()
	r.broken = err
	r.mu.Unlock()
	r.stop(err)
	return err
}

// index is that of the last command that was applied.
func (r *replica) index() uint64 { return r.machine.State().Index() }

func (r *replica) see(t time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t.After(r.newest) {
		r.newest = t
	}
}

// latest is the latest time in what was applied; zero where nothing was.
func (r *replica) latest() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.newest
}

type snapshot struct{ state *fsm.Snapshot }

// Persist implements raft.FSMSnapshot.
func (s snapshot) Persist(sink raft.SnapshotSink) error {
	if _, err := s.state.WriteTo(sink); err != nil {
		return errors.Join(fmt.Errorf("write snapshot: %w", err), sink.Cancel())
	}
	if err := sink.Close(); err != nil {
		return fmt.Errorf("close snapshot: %w", err)
	}
	return nil
}

// Release implements raft.FSMSnapshot; the state needs no release.
func (snapshot) Release() {}

// Numbers of the fields on the way to an envelope's time, see command.proto.
const (
	fieldEntryItems   = 1
	fieldItemEnvelope = 1
	fieldEnvelopeTime = 5
)

// timeOfEntry reads the time of an entry's last envelope without decoding the
// rest: all envelopes of an entry carry the same time.
func timeOfEntry(entry []byte) (time.Time, bool) {
	item, ok := lastBytes(entry, fieldEntryItems)
	if !ok {
		return time.Time{}, false
	}
	envelope, ok := lastBytes(item, fieldItemEnvelope)
	if !ok {
		return time.Time{}, false
	}
	raw, ok := lastBytes(envelope, fieldEnvelopeTime)
	if !ok {
		return time.Time{}, false
	}
	var t timestamppb.Timestamp
	if proto.Unmarshal(raw, &t) != nil || !t.IsValid() {
		return time.Time{}, false
	}
	return t.AsTime(), true
}

// lastBytes finds the last occurrence of a field of type bytes.
func lastBytes(message []byte, field protowire.Number) (found []byte, ok bool) {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return nil, false
		}
		message = message[n:]
		if n = protowire.ConsumeFieldValue(number, kind, message); n < 0 {
			return nil, false
		}
		if number == field && kind == protowire.BytesType {
			found, _ = protowire.ConsumeBytes(message)
			ok = true
		}
		message = message[n:]
	}
	return found, ok
}
