package fsm

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

func TestDifferentMessagesHaveDifferentEncodings(t *testing.T) {
	gen := rapid.Custom(func(t *rapid.T) *v1.Node {
		small := rapid.SampledFrom([]string{"", "a", "b", "ab"})
		n := &v1.Node{
			Id: small.Draw(t, "id"), Instance: small.Draw(t, "instance"), Region: small.Draw(t, "region"),
			Generation: rapid.Uint64Range(0, 2).Draw(t, "generation"), Capacity: rapid.Uint32Range(0, 1).Draw(t, "capacity"),
			State: v1.NodeState(rapid.IntRange(0, 2).Draw(t, "state")),
		}
		if rapid.Bool().Draw(t, "labels") {
			n.Labels = rapid.MapOfN(small, small, 0, 2).Draw(t, "labels")
		}
		if rapid.Bool().Draw(t, "time") {
			n.StateSince = &timestamppb.Timestamp{Seconds: rapid.Int64Range(-1, 1).Draw(t, "seconds")}
		}
		if rapid.Bool().Draw(t, "settings") {
			n.Settings = &v1.NodeSettings{Region: proto.String(small.Draw(t, "set"))}
		}
		for range rapid.IntRange(0, 2).Draw(t, "assignments") {
			n.Assignments = append(n.Assignments, &v1.Assignment{Service: small.Draw(t, "service"), Pool: small.Draw(t, "pool")})
		}
		return n
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := gen.Draw(t, "a"), gen.Draw(t, "b")
		same := bytes.Equal(appendCanonical(nil, a.ProtoReflect()), appendCanonical(nil, b.ProtoReflect()))
		if same != proto.Equal(a, b) {
			t.Fatalf("equal: %t, same encoding: %t\n%v\n%v", proto.Equal(a, b), same, a, b)
		}
	})
}

// Wording may be improved: members of two builds still agree.
func TestTheHashIsDeafToSentences(t *testing.T) {
	b := rich(t)
	want := b.m.State().Hash()
	all := records(t, snapshotOf(t, b.m))
	for _, r := range all {
		if e := r.GetEvent(); e != nil {
			e.Message, e.Reason = "said differently", "for the same reason"
		}
	}
	m := newMachine(b.m.limits)
	if err := m.Restore(bytes.NewReader(seal(t, all))); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(m.State().Hash(), want) {
		t.Fatal("the wording of events is in the hash")
	}
	for name, change := range map[string]func(*storev1.SnapshotRecord){
		"an event's kind": func(r *storev1.SnapshotRecord) {
			if r.GetEvent() != nil {
				r.GetEvent().Kind = "other"
			}
		},
		"a node's label": func(r *storev1.SnapshotRecord) {
			if r.GetNode() != nil {
				r.GetNode().Labels = map[string]string{"a": "b"}
			}
		},
		"a result": func(r *storev1.SnapshotRecord) {
			if r.GetRequest() != nil {
				r.GetRequest().GetResult().Changed = !r.GetRequest().GetResult().GetChanged()
			}
		},
		"an evicted id": func(r *storev1.SnapshotRecord) {
			if r.GetHeader() != nil {
				r.GetHeader().Evicted[operator] = requestID(999)
			}
		},
	} {
		all := records(t, snapshotOf(t, b.m))
		for _, r := range all {
			change(r)
		}
		m := newMachine(b.m.limits)
		if err := m.Restore(bytes.NewReader(seal(t, all))); err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(m.State().Hash(), want) {
			t.Errorf("%s is not in the hash", name)
		}
	}
}
