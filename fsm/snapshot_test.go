package fsm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"

	"google.golang.org/protobuf/proto"

	storev1 "roster/proto/roster/store/v1"
)

// rich is a machine that has something of everything.
func rich(t testing.TB) *rig {
	l := standardLimits
	l.requests, l.events = 4, 60
	b := initialisedWith(t, l)
	b.mustDo(&storev1.PutMember{Member: member("m1")})
	b.mustDo(&storev1.PutMember{Member: member("m2")})
	b.topology(unified("imap"))
	b.topology(floor(unified("imap", "jmap"), "imap", 2))
	b.nodes(3)
	b.register("node-9", claims())
	b.mustDo(&storev1.RemoveNode{Id: "node-9", Force: true})
	b.register("node-8", claims())
	b.mustDo(&storev1.RemoveNode{Id: "node-8", Force: true})
	b.serve("node-1", "imap", "jmap")
	b.serve("node-2", "imap")
	b.mustDo(&storev1.CordonNode{Id: "node-3", Cordoned: true, Reason: "new disk"})
	for i := range uint64(8) {
		b.send(b.request(requestID(i+1), operator, nodeID(int(i))))
	}
	for i := range 40 {
		b.mustDo(&storev1.CordonNode{Id: "node-3", Cordoned: i%2 == 1})
	}
	b.mustDo(b.wave(start("node-2", "jmap")))
	return b
}

func snapshotOf(t testing.TB, m *Machine) []byte {
	t.Helper()
	var buf bytes.Buffer
	n, err := m.Snapshot().WriteTo(&buf)
	if err != nil || n != int64(buf.Len()) {
		t.Fatalf("%d bytes said, %d written, %v", n, buf.Len(), err)
	}
	return buf.Bytes()
}

// records takes a snapshot apart; seal puts one together, with a true trailer.
func records(t testing.TB, raw []byte) []*storev1.SnapshotRecord {
	t.Helper()
	var out []*storev1.SnapshotRecord
	for r := bytes.NewReader(raw); r.Len() > 0; {
		size, err := binary.ReadUvarint(r)
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, size)
		if _, err := r.Read(buf); err != nil {
			t.Fatal(err)
		}
		record := &storev1.SnapshotRecord{}
		if err := proto.Unmarshal(buf, record); err != nil {
			t.Fatal(err)
		}
		out = append(out, record)
	}
	return out[:len(out)-1]
}

func seal(t testing.TB, records []*storev1.SnapshotRecord) []byte {
	t.Helper()
	var out []byte
	add := func(r *storev1.SnapshotRecord) {
		raw, err := proto.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		out = append(binary.AppendUvarint(out, uint64(len(raw))), raw...)
	}
	for _, r := range records {
		add(r)
	}
	add(&storev1.SnapshotRecord{Record: &storev1.SnapshotRecord_Trailer{Trailer: &storev1.SnapshotTrailer{
		Records: uint64(len(records)), Crc32C: crc32.Checksum(out, castagnoli),
	}}})
	return out
}

func TestARestoredMachineIsTheSame(t *testing.T) {
	b := rich(t)
	raw := snapshotOf(t, b.m)
	other := newMachine(b.m.limits)
	if err := other.Restore(bytes.NewReader(raw)); err != nil {
		t.Fatal(err)
	}
	was, is := b.m.State(), other.State()
	if !bytes.Equal(was.Hash(), is.Hash()) {
		t.Fatal("hashes differ")
	}
	if !bytes.Equal(snapshotOf(t, other), raw) {
		t.Error("the snapshot of the restored machine is another one")
	}
	if was.Basis(nil) != is.Basis(nil) || was.Index() != is.Index() || !proto.Equal(was.Effective(), is.Effective()) || is.eventBytes != was.eventBytes {
		t.Error("what is worked out from the records differs")
	}
	// Both go on alike.
	env := b.request(requestID(8), operator, nodeID(7))
	entry, err := EncodeEntry([]*storev1.Envelope{env, b.request(requestID(1), operator, "x"), b.envelope(b.wave(drain("node-1", "imap")))})
	if err != nil {
		t.Fatal(err)
	}
	one, err1 := b.m.Apply(b.index+1, entry)
	two, err2 := other.Apply(b.index+1, entry)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	for i := range one {
		if !proto.Equal(one[i], two[i]) {
			t.Errorf("result %d: %v and %v", i, one[i], two[i])
		}
	}
	if !one[0].GetRepeated() || one[1].GetRefusal().GetReason() != ReasonRequestIDTooOld || len(one[2].GetParts()) != 1 {
		t.Fatalf("this test wants other results: %v", one)
	}
}

func TestAnEmptyMachineCanBeSnapshot(t *testing.T) {
	raw := snapshotOf(t, New())
	m := New()
	if err := m.Restore(bytes.NewReader(raw)); err != nil {
		t.Fatal(err)
	}
}

func TestASnapshotIsOfTheMomentItWasTaken(t *testing.T) {
	b := rich(t)
	snap, want := b.m.Snapshot(), b.m.State().Hash()
	b.topology(unified("webdav"))
	b.register("node-30", claims())
	var buf bytes.Buffer
	if _, err := snap.WriteTo(&buf); err != nil {
		t.Fatal(err)
	}
	other := newMachine(b.m.limits)
	if err := other.Restore(&buf); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(other.State().Hash(), want) || snap.Index() != other.State().Index() {
		t.Fatal("later commands are in it")
	}
}

// mustNotRestore checks that nothing of a bad snapshot gets in.
func mustNotRestore(t *testing.T, m *Machine, name string, raw []byte) {
	t.Helper()
	before := m.State()
	err := m.Restore(bytes.NewReader(raw))
	if err == nil {
		t.Fatalf("%s: it was restored", name)
	}
	if !errors.Is(err, ErrSnapshot) {
		t.Errorf("%s: %v", name, err)
	}
	if m.State() != before {
		t.Fatalf("%s: the state changed", name)
	}
}

func TestATornSnapshotIsRefused(t *testing.T) {
	b := rich(t)
	raw := snapshotOf(t, b.m)
	m := newMachine(b.m.limits)
	for n := range raw {
		mustNotRestore(t, m, "cut", raw[:n])
	}
	mustNotRestore(t, m, "something after it", append(bytes.Clone(raw), 0))
	if err := m.Restore(bytes.NewReader(raw)); err != nil {
		t.Fatalf("the whole one: %v", err)
	}
}

func TestAFlippedByteInASnapshotIsFound(t *testing.T) {
	b := rich(t)
	raw := snapshotOf(t, b.m)
	m := newMachine(b.m.limits)
	for n := range raw {
		bad := bytes.Clone(raw)
		bad[n] ^= 1 << (n % 8)
		mustNotRestore(t, m, "flipped", bad)
	}
}

func TestASnapshotThatNoBuildWroteIsRefused(t *testing.T) {
	b := rich(t)
	type list = []*storev1.SnapshotRecord
	at := func(l list, holds func(*storev1.SnapshotRecord) bool) int {
		for i, r := range l {
			if holds(r) {
				return i
			}
		}
		t.Fatal("there is no such record")
		return 0
	}
	node := func(r *storev1.SnapshotRecord) bool { return r.GetNode() != nil }
	event := func(r *storev1.SnapshotRecord) bool { return r.GetEvent() != nil }
	request := func(r *storev1.SnapshotRecord) bool { return r.GetRequest() != nil }
	top := func(r *storev1.SnapshotRecord) bool { return r.GetTopology() != nil }
	floor := func(r *storev1.SnapshotRecord) bool { return r.GetFloor() != nil }
	removed := func(r *storev1.SnapshotRecord) bool { return r.GetRemovedNode() != nil }
	swap := func(what func(*storev1.SnapshotRecord) bool) func(list) list {
		return func(l list) list { i := at(l, what); l[i], l[i+1] = l[i+1], l[i]; return l }
	}
	for name, tamper := range map[string]func(list) list{
		"no header":        func(l list) list { return l[1:] },
		"two headers":      func(l list) list { return append(list{l[0]}, l...) },
		"no cluster":       func(l list) list { return append(list{l[0]}, l[2:]...) },
		"two clusters":     func(l list) list { return append(list{l[0], l[1]}, l[1:]...) },
		"nothing":          func(list) list { return nil },
		"another magic":    func(l list) list { l[0].GetHeader().Magic = "consul snapshot"; return l },
		"future schema":    func(l list) list { l[0].GetHeader().Schema = Schema + 1; return l },
		"no schema":        func(l list) list { l[0].GetHeader().Schema = 0; return l },
		"other cluster":    func(l list) list { l[0].GetHeader().ClusterId = "c2"; return l },
		"odd evicted id":   func(l list) list { l[0].GetHeader().Evicted[operator] = "1"; return l },
		"dropped ahead":    func(l list) list { l[0].GetHeader().EventsDroppedIndex = 1 << 40; return l },
		"kinds mixed":      func(l list) list { return append(append(list{}, l...), l[at(l, node)]) },
		"unknown kind":     func(l list) list { return append(l, &storev1.SnapshotRecord{}) },
		"nodes unsorted":   swap(node),
		"a node twice":     func(l list) list { i := at(l, node); return append(append(append(list{}, l[:i]...), l[i]), l[i:]...) },
		"a future node":    func(l list) list { l[at(l, node)].GetNode().Index = 1 << 40; return l },
		"a stateless node": func(l list) list { l[at(l, node)].GetNode().State = 0; return l },
		"another's assignment": func(l list) list {
			l[at(l, node)].GetNode().Assignments[0].Node = "node-7"
			return l
		},
		"assignments unsorted": func(l list) list {
			a := l[at(l, node)].GetNode().Assignments
			a[0], a[1] = a[1], a[0]
			return l
		},
		"an odd assignment": func(l list) list { l[at(l, node)].GetNode().Assignments[0].Wanted = 0; return l },
		"reports unsorted": func(l list) list {
			r := l[at(l, node)].GetNode().Reports
			r[0], r[1] = r[1], r[0]
			return l
		},
		"members unsorted": swap(func(r *storev1.SnapshotRecord) bool { return r.GetMember() != nil }),
		"a future member": func(l list) list {
			l[at(l, func(r *storev1.SnapshotRecord) bool { return r.GetMember() != nil })].GetMember().Index = 1 << 40
			return l
		},
		"revisions unsorted": swap(top),
		"an empty revision":  func(l list) list { l[at(l, top)].GetTopology().Topology = nil; return l },
		"a future revision":  func(l list) list { l[at(l, top)].GetTopology().Index = 1 << 40; return l },
		"removals unsorted":  swap(removed),
		"floors unsorted":    swap(floor),
		"a floor too high":   func(l list) list { l[at(l, floor)].GetFloor().Floor = 99; return l },
		"requests unsorted":  swap(request),
		"a request twice": func(l list) list {
			i := at(l, request)
			return append(append(append(list{}, l[:i]...), l[i]), l[i:]...)
		},
		"a request without result": func(l list) list { l[at(l, request)].GetRequest().Result = nil; return l },
		"a request's odd id":       func(l list) list { l[at(l, request)].GetRequest().RequestId = "1"; return l },
		"too many requests": func(l list) list {
			i := at(l, request)
			for n := range 5 {
				r := proto.CloneOf(l[i])
				r.GetRequest().RequestId = requestID(uint64(n + 100))
				l = append(l[:i], append(list{r}, l[i:]...)...)
			}
			return l
		},
		"events unsorted": swap(event),
		"a future event":  func(l list) list { l[at(l, event)].GetEvent().Index = 1 << 40; return l },
		"a dropped event": func(l list) list { l[at(l, event)].GetEvent().Index = 1; return l },
	} {
		raw := seal(t, tamper(records(t, snapshotOf(t, b.m))))
		mustNotRestore(t, newMachine(b.m.limits), name, raw)
	}
	if err := newMachine(b.m.limits).Restore(bytes.NewReader(seal(t, records(t, snapshotOf(t, b.m))))); err != nil {
		t.Fatalf("as written: %v", err)
	}
}

func TestReadyCountsSurviveARestore(t *testing.T) {
	b := rich(t)
	other := newMachine(b.m.limits)
	if err := other.Restore(bytes.NewReader(snapshotOf(t, b.m))); err != nil {
		t.Fatal(err)
	}
	was, is := b.m.State().ReadyCounts(), other.State().ReadyCounts()
	if len(was) == 0 || len(was) != len(is) {
		t.Fatalf("%v and %v", was, is)
	}
	for s, n := range was {
		if is[s] != n {
			t.Fatalf("%v and %v", was, is)
		}
	}
}
