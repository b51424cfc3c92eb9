package fsm

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/hashicorp/go-memdb"
	"google.golang.org/protobuf/proto"

	"roster/fsm/rollout"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// ErrSnapshot says that bytes are not a whole snapshot that this build reads.
var ErrSnapshot = errors.New("not a whole snapshot")

// maxRecord is the most bytes of one record of a snapshot.
const maxRecord = 8 << 20

// Restore replaces the state by a snapshot's. Everything is read and verified
// aside first: after an error the state is what it was.
func (m *Machine) Restore(r io.Reader) error {
	l := &loader{limits: m.limits, requests: map[requestKey]*storev1.RequestRecord{}}
	if err := l.read(r); err != nil {
		return fmt.Errorf("restore snapshot: %w", err)
	}
	if err := m.replace(l); err != nil {
		return fmt.Errorf("restore snapshot: %w", err)
	}
	return nil
}

// replace swaps everything in one transaction of the database that is there, so
// that whoever watches a record of it hears.
func (m *Machine) replace(l *loader) error {
	txn := m.db.Txn(true)
	defer txn.Abort()
	for _, table := range []string{tableNodes, tableMembers, tableTopologies, tableRemoved, tableEvicted, tableFreezes} {
		if _, err := txn.DeleteAll(table, byID); err != nil {
			return err
		}
	}
	for _, insert := range []error{
		insertAll(txn, tableNodes, l.nodes), insertAll(txn, tableMembers, l.members), insertAll(txn, tableTopologies, l.topologies),
		insertAll(txn, tableRemoved, l.removed), insertAll(txn, tableEvicted, l.evicted),
		insertAll(txn, tableFreezes, l.freezes),
	} {
		if insert != nil {
			return insert
		}
	}
	m.seen, m.broken = l.requests, nil
	m.publish(l.core, txn)
	return nil
}

func insertAll[T any](txn *memdb.Txn, table string, rows []*T) error {
	for _, row := range rows {
		if err := txn.Insert(table, row); err != nil {
			return fmt.Errorf("put into %s: %w", table, err)
		}
	}
	return nil
}

// loader is a snapshot on its way in.
type loader struct {
	core
	limits     limits
	header     *storev1.SnapshotHeader
	nodes      []*v1.Node
	members    []*v1.Member
	topologies []*v1.TopologyRevision
	removed    []*storev1.RemovedNode
	evicted    []*evictedID
	freezes    []*v1.Freeze
	requests   map[requestKey]*storev1.RequestRecord
	lastFloor  string
	// Kind of the last record, as the number of its field: kinds come in order.
	kind int32
	// Records so far.
	records uint64
}

// read takes records until the trailer, and checks that it tells the truth.
func (l *loader) read(r io.Reader) error {
	buffered := bufio.NewReaderSize(r, 64<<10)
	var sum uint32
	var buf []byte
	for {
		size, err := binary.ReadUvarint(buffered)
		if err != nil {
			return fmt.Errorf("%w: it ends after record %d: %w", ErrSnapshot, l.records, err)
		}
		if size > maxRecord {
			return fmt.Errorf("%w: record %d has %d bytes", ErrSnapshot, l.records, size)
		}
		start := len(binary.AppendUvarint(buf[:0], size))
		if need := start + int(size); cap(buf) < need {
			buf = make([]byte, need, 2*need)
		}
		buf = buf[:start+int(size)]
		binary.PutUvarint(buf, size)
		if _, err := io.ReadFull(buffered, buf[start:]); err != nil {
			return fmt.Errorf("%w: it ends in record %d: %w", ErrSnapshot, l.records, err)
		}
		record := &storev1.SnapshotRecord{}
		if err := proto.Unmarshal(buf[start:], record); err != nil {
			return fmt.Errorf("%w: record %d: %w", ErrSnapshot, l.records, err)
		}
		if trailer := record.GetTrailer(); trailer != nil {
			if err := l.finish(trailer, sum); err != nil {
				return err
			}
			if _, err := buffered.ReadByte(); !errors.Is(err, io.EOF) {
				return fmt.Errorf("%w: there is more after its trailer", ErrSnapshot)
			}
			return nil
		}
		if err := l.take(record); err != nil {
			return fmt.Errorf("%w: record %d: %w", ErrSnapshot, l.records, err)
		}
		sum = crc32.Update(sum, castagnoli, buf)
		l.records++
	}
}

// finish checks the whole and works out what is not in the records.
func (l *loader) finish(trailer *storev1.SnapshotTrailer, sum uint32) error {
	if l.header == nil {
		return fmt.Errorf("%w: it has no header", ErrSnapshot)
	}
	if trailer.GetRecords() != l.records || trailer.GetCrc32C() != sum {
		return fmt.Errorf("%w: %w: %d records, its trailer counts %d", ErrSnapshot, ErrChecksum, l.records, trailer.GetRecords())
	}
	if l.cluster.GetId() != l.header.GetClusterId() {
		return fmt.Errorf("%w: its header says cluster %q, its record %q", ErrSnapshot, l.header.GetClusterId(), l.cluster.GetId())
	}
	if n := len(l.topologies); n > 0 {
		if err := purely(func() error { l.setTopology(l.topologies[n-1]); return nil }); err != nil {
			return fmt.Errorf("%w: %w", ErrSnapshot, err)
		}
	}
	l.nodeCount, l.ready = len(l.nodes), rollout.ReadyCounts(l.nodes, l.floors)
	l.parts, l.localClaims = rollout.PartKeysOf(l.floors), map[string]int{}
	for _, n := range l.nodes {
		l.unconfirmed += counts(n.GetUnconfirmed())
		for _, service := range localClaimsOf(n) {
			l.localClaims[service]++
		}
	}
	return nil
}

// take adds one record. Kinds come in the order of their fields, each sorted.
func (l *loader) take(record *storev1.SnapshotRecord) error {
	m := record.ProtoReflect()
	field := m.WhichOneof(m.Descriptor().Oneofs().ByName("record"))
	if field == nil {
		return errors.New("it is of no kind that this build knows")
	}
	kind := int32(field.Number())
	if kind < l.kind {
		return fmt.Errorf("a %s comes too late", field.Name())
	}
	if (l.header == nil) != (record.GetHeader() != nil) {
		return errors.New("a header comes first, and once")
	}
	if l.header != nil && (l.cluster == nil) != (record.GetCluster() != nil) {
		return errors.New("the cluster follows the header, once")
	}
	l.kind = kind
	switch r := record.GetRecord().(type) {
	case *storev1.SnapshotRecord_Header:
		return l.takeHeader(r.Header)
	case *storev1.SnapshotRecord_Cluster:
		return l.takeCluster(r.Cluster)
	case *storev1.SnapshotRecord_Member:
		return l.takeMember(r.Member)
	case *storev1.SnapshotRecord_Topology:
		return l.takeTopology(r.Topology)
	case *storev1.SnapshotRecord_Node:
		return l.takeNode(r.Node)
	case *storev1.SnapshotRecord_RemovedNode:
		return l.takeRemoved(r.RemovedNode)
	case *storev1.SnapshotRecord_Floor:
		return l.takeFloor(r.Floor)
	case *storev1.SnapshotRecord_Request:
		return l.takeRequest(r.Request)
	case *storev1.SnapshotRecord_Event:
		return l.takeEvent(r.Event)
	case *storev1.SnapshotRecord_Freeze:
		return l.takeFreeze(r.Freeze)
	case *storev1.SnapshotRecord_Hold:
		return l.takeHold(r.Hold)
	case *storev1.SnapshotRecord_HoldOverride:
		return l.takeOverride(r.HoldOverride)
	case *storev1.SnapshotRecord_Approval:
		return l.takeApproval(r.Approval)
	case *storev1.SnapshotRecord_RolloutOrder:
		return l.takeOrder(r.RolloutOrder)
	}
	return fmt.Errorf("no reader for a %s", field.Name())
}
