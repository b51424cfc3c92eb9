package fsm

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"google.golang.org/protobuf/proto"

	storev1 "roster/proto/roster/store/v1"
)

// snapshotMagic begins every snapshot.
const snapshotMagic = "roster snapshot"

// Snapshot is a state that can be written.
type Snapshot struct{ state *State }

// Snapshot captures the state. It costs nothing; writing does.
func (m *Machine) Snapshot() *Snapshot { return &Snapshot{state: m.State()} }

// Index is that of the captured state.
func (s *Snapshot) Index() uint64 { return s.state.Index() }

// WriteTo writes the state as records, each after its length (a varint): the
// header first, each kind in its order, the trailer last.
func (s *Snapshot) WriteTo(w io.Writer) (int64, error) {
	buffered := bufio.NewWriterSize(w, 64<<10)
	var (
		written int64
		records uint64
		sum     uint32
		buf     []byte
	)
	write := func(r *storev1.SnapshotRecord) error {
		var err error
		buf = binary.AppendUvarint(buf[:0], uint64(proto.Size(r)))
		if buf, err = (proto.MarshalOptions{UseCachedSize: true, Deterministic: true}).MarshalAppend(buf, r); err != nil {
			return err
		}
		sum = crc32.Update(sum, castagnoli, buf)
		records++
		n, err := buffered.Write(buf)
		written += int64(n)
		return err
	}
	if err := s.state.walk(write); err != nil {
		return written, fmt.Errorf("write snapshot %d: %w", s.Index(), err)
	}
	trailer := &storev1.SnapshotTrailer{Records: records, Crc32C: sum}
	if err := write(&storev1.SnapshotRecord{Record: &storev1.SnapshotRecord_Trailer{Trailer: trailer}}); err != nil {
		return written, fmt.Errorf("write snapshot %d: %w", s.Index(), err)
	}
	if err := buffered.Flush(); err != nil {
		return written, fmt.Errorf("write snapshot %d: %w", s.Index(), err)
	}
	return written, nil
}

// walk visits the whole state as snapshot records, in the order of a snapshot,
// without the trailer.
func (s *State) walk(visit func(*storev1.SnapshotRecord) error) error {
	txn := s.db.Txn(false)
	header := &storev1.SnapshotHeader{
		Magic: snapshotMagic, Schema: max(1, s.cluster.GetSchema()), Index: s.index, ClusterId: s.cluster.GetId(),
		EventsDroppedIndex: s.eventsDropped, Evicted: map[string]string{},
	}
	for _, e := range all[evictedID](txn, tableEvicted) {
		header.Evicted[e.caller] = e.id
	}
	if err := visit(&storev1.SnapshotRecord{Record: &storev1.SnapshotRecord_Header{Header: header}}); err != nil {
		return err
	}
	if s.cluster != nil {
		if err := visit(&storev1.SnapshotRecord{Record: &storev1.SnapshotRecord_Cluster{Cluster: s.cluster}}); err != nil {
			return err
		}
	}
	for _, m := range s.Members() {
		if err := visit(&storev1.SnapshotRecord{Record: &storev1.SnapshotRecord_Member{Member: m}}); err != nil {
			return err
		}
	}
	revisions := s.Revisions()
	for i := range revisions {
		t := revisions[len(revisions)-1-i]
		if err := visit(&storev1.SnapshotRecord{Record: &storev1.SnapshotRecord_Topology{Topology: t}}); err != nil {
			return err
		}
	}
	for _, n := range s.Nodes() {
		if err := visit(&storev1.SnapshotRecord{Record: &storev1.SnapshotRecord_Node{Node: n}}); err != nil {
			return err
		}
	}
	for _, r := range all[storev1.RemovedNode](txn, tableRemoved) {
		if err := visit(&storev1.SnapshotRecord{Record: &storev1.SnapshotRecord_RemovedNode{RemovedNode: r}}); err != nil {
			return err
		}
	}
	for _, service := range sortedKeys(s.floors) {
		if err := visit(&storev1.SnapshotRecord{Record: &storev1.SnapshotRecord_Floor{Floor: s.floors[service]}}); err != nil {
			return err
		}
	}
	for i := range s.requests.len() {
		if err := visit(&storev1.SnapshotRecord{Record: &storev1.SnapshotRecord_Request{Request: s.requests.at(i)}}); err != nil {
			return err
		}
	}
	for i := range s.events.len() {
		if err := visit(&storev1.SnapshotRecord{Record: &storev1.SnapshotRecord_Event{Event: s.events.at(i)}}); err != nil {
			return err
		}
	}
	return s.walkRestraints(visit)
}

// walkRestraints visits what keeps Roster from acting, and what lets it.
func (s *State) walkRestraints(visit func(*storev1.SnapshotRecord) error) error {
	var records []*storev1.SnapshotRecord
	for _, f := range s.Freezes() {
		records = append(records, &storev1.SnapshotRecord{Record: &storev1.SnapshotRecord_Freeze{Freeze: f}})
	}
	if s.hold != nil {
		records = append(records, &storev1.SnapshotRecord{Record: &storev1.SnapshotRecord_Hold{Hold: s.hold}})
	}
	if s.override != nil {
		records = append(records, &storev1.SnapshotRecord{Record: &storev1.SnapshotRecord_HoldOverride{HoldOverride: s.override}})
	}
	for _, a := range s.approvals {
		records = append(records, &storev1.SnapshotRecord{Record: &storev1.SnapshotRecord_Approval{Approval: a}})
	}
	if s.order != nil {
		records = append(records, &storev1.SnapshotRecord{Record: &storev1.SnapshotRecord_RolloutOrder{RolloutOrder: s.order}})
	}
	for _, r := range records {
		if err := visit(r); err != nil {
			return err
		}
	}
	return nil
}
