package fsm

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "roster/proto/roster/store/v1"
)

// goldenEntries are real ones to begin with.
func goldenEntries(f *testing.F) []logged {
	var entries []logged
	for _, schema := range []string{"schema1", "schema2"} {
		entries = append(entries, readLog(f, filepath.Join(golden, schema+".log"))...)
	}
	return entries
}

// lived is a machine in the middle of a life, from the golden snapshot.
func lived(t testing.TB) *Machine {
	snap, err := os.ReadFile(filepath.Join(golden, "schema2.snap"))
	if err != nil {
		t.Fatal(err)
	}
	m := New()
	if err := m.Restore(bytes.NewReader(snap)); err != nil {
		t.Fatal(err)
	}
	return m
}

// FuzzApply applies any bytes as an entry: an error or results, never a panic,
// and after an error nothing changed.
func FuzzApply(f *testing.F) {
	for _, l := range goldenEntries(f) {
		f.Add(l.entry)
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, entry []byte) {
		m := lived(t)
		before := m.State()
		if _, err := m.Apply(1000, entry); err != nil && m.State() != before {
			t.Fatal("the state changed by a broken entry")
		}
	})
}

// FuzzCommand applies any command in a sound envelope, several times over, to a
// machine in the middle of its life, and restores what comes out.
func FuzzCommand(f *testing.F) {
	for _, l := range goldenEntries(f) {
		envelopes, err := decodeEntry(l.entry)
		if err != nil {
			f.Fatal(err)
		}
		for _, env := range envelopes {
			raw, err := proto.Marshal(env.GetCommand())
			if err != nil {
				f.Fatal(err)
			}
			f.Add(raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c := &storev1.Command{}
		if proto.Unmarshal(raw, c) != nil || c.GetCommand() == nil {
			return
		}
		m := lived(t)
		for i := range uint64(2) {
			env := &storev1.Envelope{Schema: 1 + uint32(i)%Schema, ClusterId: clusterID, Caller: operator, Time: timestamppb.New(began), Command: c, RequestId: requestID(500 + i)}
			entry, err := EncodeEntry([]*storev1.Envelope{env})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.Apply(1000+i, entry); err != nil {
				t.Fatalf("a command in a sound envelope is a broken invariant: %v", err)
			}
		}
		other := New()
		if err := other.Restore(bytes.NewReader(snapshotOf(t, m))); err != nil {
			t.Fatalf("what it made cannot be restored: %v", err)
		}
		if !bytes.Equal(m.State().Hash(), other.State().Hash()) {
			t.Fatal("the restored state is another one")
		}
		for _, n := range m.State().Nodes() {
			Assignments(n)
			Endpoints(n)
		}
	})
}

// FuzzEnvelope decodes any bytes as an entry, and encodes again what it took.
func FuzzEnvelope(f *testing.F) {
	for _, l := range goldenEntries(f) {
		f.Add(l.entry)
	}
	f.Fuzz(func(t *testing.T, entry []byte) {
		envelopes, err := decodeEntry(entry)
		if err != nil {
			return
		}
		again, err := EncodeEntry(envelopes)
		if err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
		twice, err := decodeEntry(again)
		if err != nil || len(twice) != len(envelopes) {
			t.Fatalf("%d of %d commands, %v", len(twice), len(envelopes), err)
		}
		for i := range twice {
			if !proto.Equal(twice[i], envelopes[i]) {
				t.Fatalf("command %d changed on the way", i)
			}
		}
	})
}

// FuzzRestore restores any bytes, once as they are and once sealed with a true
// trailer: an error and the old state, or a state that can be written and read
// again.
func FuzzRestore(f *testing.F) {
	snap := snapshotOf(f, lived(f))
	f.Add(snap, false)
	f.Add(snap, true)
	f.Add(snapshotOf(f, New()), true)
	f.Add(snapshotOf(f, rich(f).m), true)
	f.Fuzz(func(t *testing.T, raw []byte, sealed bool) {
		if sealed {
			if raw = reseal(t, raw); raw == nil {
				return
			}
		}
		m := New()
		before := m.State()
		if err := m.Restore(bytes.NewReader(raw)); err != nil {
			if m.State() != before {
				t.Fatal("the state changed by a bad snapshot")
			}
			return
		}
		other := New()
		if err := other.Restore(bytes.NewReader(snapshotOf(t, m))); err != nil {
			t.Fatalf("what was restored cannot be restored again: %v", err)
		}
		if !bytes.Equal(m.State().Hash(), other.State().Hash()) {
			t.Fatal("the second state is another one")
		}
		for _, n := range m.State().Nodes() {
			Assignments(n)
			Endpoints(n)
		}
	})
}

// reseal gives what records can be read of raw a true trailer.
func reseal(t testing.TB, raw []byte) []byte {
	var whole []*storev1.SnapshotRecord
	for len(raw) > 0 {
		size, n := binary.Uvarint(raw)
		if n <= 0 || size > uint64(len(raw)-n) {
			break
		}
		record := &storev1.SnapshotRecord{}
		if proto.Unmarshal(raw[n:n+int(size)], record) != nil {
			break
		}
		raw = raw[n+int(size):]
		if record.GetTrailer() == nil {
			whole = append(whole, record)
		}
	}
	if len(whole) == 0 {
		return nil
	}
	return seal(t, whole)
}
