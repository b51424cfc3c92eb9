package fsm

import (
	"bytes"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// bound is a machine that has something of everything that keeps Roster from
// acting or lets it, and nodes in every condition.
func bound(t *testing.T) *rig {
	b := asking(t, approve, approve)
	b.mustDo(decision("p1", v1.Cause_CAUSE_REBALANCE, loan("node-1", "imap"), drain("node-1", "jmap")))
	b.mustDo(decision("p2", v1.Cause_CAUSE_REPAIR, drain("node-2", "imap")))
	b.mustDo(freeze("f1", "node:node-1", 3*time.Hour))
	b.mustDo(freeze("f2", "all", 3*time.Hour))
	b.mustDo(&storev1.OverrideHold{Reason: "it is real", Within: durationpb.New(time.Minute)})
	b.now = b.now.Add(time.Hour)
	b.mustDo(hold(4, true, "node-1", "node-2"))
	b.mustDo(drainOf("node-2", time.Hour))
	b.register("node-3", observing("imap", "jmap"))
	b.mustDo(b.reports("node-3", serving, "imap", "jmap"))
	b.mustDo(&storev1.RaiseEpoch{Epoch: b.m.State().Cluster().GetEpoch() + 1})
	b.mustDo(b.reports("node-3", serving, "imap", "jmap"))
	return b
}

func TestRestraintsAreRestored(t *testing.T) {
	b := bound(t)
	raw := snapshotOf(t, b.m)
	other := New()
	_, watch := other.State().FreezesAndWatch()
	if err := other.Restore(bytes.NewReader(raw)); err != nil {
		t.Fatal(err)
	}
	woken(t, watch)
	was, is := b.m.State(), other.State()
	if len(is.Freezes()) != 2 || !proto.Equal(is.Freezes()[0], was.Freezes()[0]) {
		t.Errorf("freezes: %v", is.Freezes())
	}
	if is.Hold() == nil || !proto.Equal(is.Hold(), was.Hold()) || is.HoldOverride() == nil || !proto.Equal(is.HoldOverride(), was.HoldOverride()) {
		t.Errorf("hold %v, override %v", is.Hold(), is.HoldOverride())
	}
	if len(is.Approvals()) != 2 || !proto.Equal(is.Approvals()[1], was.Approvals()[1]) {
		t.Errorf("approvals: %v", is.Approvals())
	}
	if !is.RolloutOrder().GetOpen() || !proto.Equal(is.RolloutOrder(), was.RolloutOrder()) || is.unconfirmed != 2 {
		t.Errorf("order %v, %d unconfirmed", is.RolloutOrder(), is.unconfirmed)
	}
	if !bytes.Equal(was.Hash(), is.Hash()) || !bytes.Equal(snapshotOf(t, other), raw) {
		t.Error("the restored state is another one")
	}
	// An older state that has none of it takes all of it away again.
	empty := snapshotOf(t, initialised(t).m)
	if err := other.Restore(bytes.NewReader(empty)); err != nil {
		t.Fatal(err)
	}
	if is := other.State(); len(is.Freezes())+len(is.Approvals()) > 0 || is.Hold() != nil || is.HoldOverride() != nil || is.RolloutOrder() != nil || is.unconfirmed != 0 {
		t.Error("something of the state before is left")
	}
}

func TestTheHashIsOverEveryRestraint(t *testing.T) {
	b := bound(t)
	last := b.m.State().Hash()
	for _, c := range []proto.Message{
		freeze("f3", "all", time.Hour), &storev1.DeleteFreezes{Id: "f1"}, hold(5, true), noHold("r"), &storev1.OverrideHold{Reason: "r"},
		decision("p4", v1.Cause_CAUSE_REPAIR, drain("node-2", "imap")), b.settle(),
	} {
		before := b.content()
		b.mustDo(c)
		if now := b.m.State().Hash(); bytes.Equal(now, last) || b.content() == before {
			t.Errorf("%T changes no hash", c)
		}
		last = b.m.State().Hash()
	}
}

func TestARestraintThatNoBuildWroteIsRefused(t *testing.T) {
	b := bound(t)
	type list = []*storev1.SnapshotRecord
	find := func(l list, has func(*storev1.SnapshotRecord) bool) int {
		for i, r := range l {
			if has(r) {
				return i
			}
		}
		t.Fatal("there is no such record")
		return 0
	}
	freeze := func(r *storev1.SnapshotRecord) bool { return r.GetFreeze() != nil }
	hold := func(r *storev1.SnapshotRecord) bool { return r.GetHold() != nil }
	override := func(r *storev1.SnapshotRecord) bool { return r.GetHoldOverride() != nil }
	approval := func(r *storev1.SnapshotRecord) bool { return r.GetApproval() != nil }
	order := func(r *storev1.SnapshotRecord) bool { return r.GetRolloutOrder() != nil }
	twice := func(has func(*storev1.SnapshotRecord) bool) func(list) list {
		return func(l list) list { i := find(l, has); return append(append(append(list{}, l[:i]...), l[i]), l[i:]...) }
	}
	swap := func(has func(*storev1.SnapshotRecord) bool) func(list) list {
		return func(l list) list { i := find(l, has); l[i], l[i+1] = l[i+1], l[i]; return l }
	}
	for name, tamper := range map[string]func(list) list{
		"freezes unsorted":        swap(freeze),
		"a freeze twice":          twice(freeze),
		"a freeze without id":     func(l list) list { l[find(l, freeze)].GetFreeze().Id = ""; return l },
		"a freeze without scope":  func(l list) list { l[find(l, freeze)].GetFreeze().Scope = ""; return l },
		"a freeze without end":    func(l list) list { l[find(l, freeze)].GetFreeze().Expires = nil; return l },
		"two holds":               twice(hold),
		"a hold of too many":      func(l list) list { l[find(l, hold)].GetHold().Silent = make([]string, maxSilent+1); return l },
		"two overrides":           twice(override),
		"an override without end": func(l list) list { l[find(l, override)].GetHoldOverride().Expires = nil; return l },
		"approvals unsorted":      swap(approval),
		"an approval twice":       twice(approval),
		"an approval of nothing":  func(l list) list { l[find(l, approval)].GetApproval().Cause = 0; return l },
		"two orders":              twice(order),
		"a future order":          func(l list) list { l[find(l, order)].GetRolloutOrder().Order = 1 << 40; return l },
		"troubles unsorted": func(l list) list {
			n := l[find(l, func(r *storev1.SnapshotRecord) bool { return r.GetNode() != nil })].GetNode()
			n.Troubles = []*v1.Trouble{{Service: "b"}, {Service: "a"}}
			return l
		},
	} {
		raw := seal(t, tamper(records(t, snapshotOf(t, b.m))))
		mustNotRestore(t, New(), name, raw)
	}
}
