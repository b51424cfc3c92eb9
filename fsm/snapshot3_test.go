package fsm

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"

	"roster/fsm/rollout"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// inProgress is a machine in the middle of a rollout that tries first, with
// floors over parts, and data on a node's disk.
func inProgress(t testing.TB) *rig {
	b := inZones(t, 4)
	b.topology(unified("imap"))
	b.serve("node-1", "imap")
	top := unified("imap", "jmap")
	top.Services = []*v1.Service{
		{Name: "imap", Floors: []*v1.Floor{{Min: 1, Per: "zone"}}, Data: v1.Data_DATA_LOCAL}, {Name: "jmap", Data: v1.Data_DATA_LOCAL},
	}
	top.Policy = &v1.Policy{Rollout: &v1.RolloutPolicy{Canary: 2}}
	b.topology(top)
	b.mustDo(tell(b.wave(rebalance(start("node-3", "imap")), rebalance(start("node-1", "jmap"))), inZone("a1"), inZone("b1")))
	b.mustDo(b.reports("node-3", serving, "imap"))
	b.mustDo(b.reports("node-1", serving, "imap", "jmap"))
	b.mustDo(&storev1.PauseRollout{Paused: true, Reason: "lunch"})
	return b
}

func TestARolloutInProgressIsRestoredWhole(t *testing.T) {
	b := inProgress(t)
	other := New()
	if err := other.Restore(bytes.NewReader(snapshotOf(t, b.m))); err != nil {
		t.Fatal(err)
	}
	was, is := b.m.State(), other.State()
	if !proto.Equal(was.RolloutOrder(), is.RolloutOrder()) || is.RolloutOrder().GetPause() == nil || len(is.RolloutOrder().GetCanary().GetNodes()) != 2 {
		t.Errorf("the order was %v, it is %v", was.RolloutOrder(), is.RolloutOrder())
	}
	if is.ReadyCounts()[inA1] != 1 || is.ReadyCounts()[inB1] != 1 || is.Floors()[inB1].GetFloor() != 1 {
		t.Errorf("ready %v, floors %v", is.ReadyCounts(), is.Floors())
	}
	if len(is.Node("node-1").GetHolds()) != 2 || is.parts.None() {
		t.Errorf("node-1 holds %v", is.Node("node-1").GetHolds())
	}
	// What is worked out goes on: a node that moves house is counted elsewhere.
	b.m = other
	b.mustDo(&storev1.UpdateNode{Id: "node-3", Zone: proto.String("a1")})
	if ready := other.State().ReadyCounts(); ready[inA1] != 2 || ready[inB1] != 0 {
		t.Errorf("ready %v", ready)
	}
}

func TestASnapshotOfARolloutThatNoBuildWroteIsRefused(t *testing.T) {
	b := inProgress(t)
	of := func(l []*storev1.SnapshotRecord, is func(*storev1.SnapshotRecord) bool) *storev1.SnapshotRecord {
		for _, r := range l {
			if is(r) {
				return r
			}
		}
		t.Fatal("there is no such record")
		return nil
	}
	order := func(l []*storev1.SnapshotRecord) *storev1.RolloutOrder {
		return of(l, func(r *storev1.SnapshotRecord) bool { return r.GetRolloutOrder() != nil }).GetRolloutOrder()
	}
	for name, tamper := range map[string]func([]*storev1.SnapshotRecord){
		"closed with seats":  func(l []*storev1.SnapshotRecord) { o := order(l); o.Open, o.Pause, o.Canary = false, nil, nil },
		"closed and paused":  func(l []*storev1.SnapshotRecord) { o := order(l); o.Open, o.Start, o.Canary = false, nil, nil },
		"closed with canary": func(l []*storev1.SnapshotRecord) { o := order(l); o.Open, o.Start, o.Pause = false, nil, nil },
		"a future order":     func(l []*storev1.SnapshotRecord) { order(l).Order = 1 << 40 },
		"an unsorted canary": func(l []*storev1.SnapshotRecord) {
			n := order(l).GetCanary().GetNodes()
			n[0], n[1] = n[1], n[0]
		},
		"a floor twice": func(l []*storev1.SnapshotRecord) {
			of(l, func(r *storev1.SnapshotRecord) bool { return rollout.KeyOf(r.GetFloor()) == inB1 }).GetFloor().Where = labels("zone", "a1")
		},
		"unsorted data": func(l []*storev1.SnapshotRecord) {
			h := of(l, func(r *storev1.SnapshotRecord) bool { return len(r.GetNode().GetHolds()) > 1 }).GetNode().GetHolds()
			h[0], h[1] = h[1], h[0]
		},
	} {
		l := records(t, snapshotOf(t, b.m))
		tamper(l)
		mustNotRestore(t, New(), name, seal(t, l))
	}
}
