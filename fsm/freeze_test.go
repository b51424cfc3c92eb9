package fsm

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

func freeze(id, scope string, within time.Duration) *storev1.CreateFreeze {
	return &storev1.CreateFreeze{Freeze: &v1.Freeze{Id: id, Scope: scope, Reason: "a disk is copied"}, Within: durationpb.New(within)}
}

// regions is a cluster of two nodes in two regions that both serve imap and
// jmap, whose floors are 0.
func regions(t *testing.T) *rig {
	b := initialised(t)
	top := floor(floor(unified("imap", "jmap"), "imap", 0), "jmap", 0)
	b.topology(top)
	for i, region := range []string{"a", "b"} {
		c := claims("imap", "jmap", "webdav")
		c.Region, c.Zone = region, region+"1"
		b.register(nodeID(i+1), c)
		b.serve(nodeID(i+1), "imap", "jmap")
	}
	return b
}

func TestAFreezeIsKeptWithWhoAndWhyAndUntilWhen(t *testing.T) {
	b := regions(t)
	b.mustDo(freeze("f1", "", time.Hour))
	f := b.m.State().Freezes()[0]
	if f.GetScope() != "all" || f.GetBy() != operator || f.GetReason() != "a disk is copied" || !f.GetExpires().AsTime().Equal(f.GetSince().AsTime().Add(time.Hour)) {
		t.Fatalf("freeze: %v", f)
	}
	e := b.wantEvent(EventFreezeCreated, nil)
	if e.GetActor() != operator || e.GetReason() == "" || !strings.Contains(e.GetMessage(), "all is frozen until 2026-03-01T13:") {
		t.Fatalf("event: %v", e)
	}
	at := timestamppb.New(b.now.Add(time.Minute))
	b.mustDo(&storev1.CreateFreeze{Freeze: &v1.Freeze{Id: "f2", Scope: "node:node-1", Reason: "r", Expires: at}})
	if e := b.wantEvent(EventFreezeCreated, func(e *v1.Event) bool { return e.GetNode() == "node-1" }); e.GetReason() != "r" {
		t.Fatalf("event: %v", e)
	}
	if f := b.m.State().HandsOff("node-1", b.now); f.GetId() != "f2" {
		t.Fatalf("hands off: %v", f)
	}
	if b.m.State().HandsOff("node-1", at.AsTime()) != nil || b.m.State().HandsOff("node-2", b.now) != nil {
		t.Fatal("hands off what is not frozen")
	}
}

func TestBadFreezesAreRefused(t *testing.T) {
	b := regions(t)
	b.mustDo(freeze("f1", "all", time.Hour))
	change := func(f func(*storev1.CreateFreeze)) *storev1.CreateFreeze {
		c := freeze("f2", "all", time.Hour)
		f(c)
		return c
	}
	for name, c := range map[string]*storev1.CreateFreeze{
		"nothing":               {},
		"no id":                 freeze("", "all", time.Hour),
		"an odd id":             freeze("a b", "all", time.Hour),
		"no reason":             change(func(c *storev1.CreateFreeze) { c.Freeze.Reason = " " }),
		"a long reason":         change(func(c *storev1.CreateFreeze) { c.Freeze.Reason = strings.Repeat("a", maxText+1) }),
		"a reason in colours":   change(func(c *storev1.CreateFreeze) { c.Freeze.Reason = "\x1b[31mred" }),
		"no end":                change(func(c *storev1.CreateFreeze) { c.Within = nil }),
		"an end in the past":    change(func(c *storev1.CreateFreeze) { c.Freeze.Expires = timestamppb.New(began.Add(-time.Hour)) }),
		"an end that is none":   change(func(c *storev1.CreateFreeze) { c.Freeze.Expires = &timestamppb.Timestamp{Nanos: -1} }),
		"an end far away":       change(func(c *storev1.CreateFreeze) { c.Freeze.Expires = timestamppb.New(began.Add(31 * 24 * time.Hour)) }),
		"too short":             freeze("f2", "all", time.Millisecond),
		"too long":              freeze("f2", "all", 31*24*time.Hour),
		"for less than no time": freeze("f2", "all", -time.Hour),
		"for no duration":       change(func(c *storev1.CreateFreeze) { c.Within = &durationpb.Duration{Seconds: 1, Nanos: -1} }),
		"a scope without kind":  freeze("f2", "imap", time.Hour),
		"a scope without name":  freeze("f2", "node:", time.Hour),
		"an unknown kind":       freeze("f2", "rack:1", time.Hour),
		"an unknown node":       freeze("f2", "node:node-9", time.Hour),
		"an unknown pool":       freeze("f2", "pool:web", time.Hour),
		"an unknown service":    freeze("f2", "service:imaps", time.Hour),
		"an unknown region":     freeze("f2", "region:z", time.Hour),
		"an unknown zone":       freeze("f2", "zone:a", time.Hour),
	} {
		t.Log(name)
		b.refuse(ReasonInvalid, c)
	}
	b.refuse(ReasonFreezeExists, freeze("f1", "all", time.Hour))
	for _, scope := range []string{"node:node-1", "pool:all", "service:imap", "service:webdav", "region:b", "zone:b1"} {
		b.mustDo(freeze("ok-"+scope, scope, time.Hour))
	}
}

func TestThereIsABoundOnFreezes(t *testing.T) {
	l := standardLimits
	l.freezes = 2
	b := initialisedWith(t, l)
	b.mustDo(freeze("f1", "all", time.Hour))
	b.mustDo(freeze("f2", "all", time.Hour))
	b.refuse(ReasonFull, freeze("f3", "all", time.Hour))
}

func TestFreezesEndByIdByScopeAndByTime(t *testing.T) {
	b := regions(t)
	for i, scope := range []string{"all", "node:node-1", "node:node-1", "pool:all"} {
		b.mustDo(freeze(fmt.Sprintf("f%d", i), scope, time.Duration(i+1)*time.Hour))
	}
	for name, c := range map[string]*storev1.DeleteFreezes{
		"none named": {}, "id and scope": {Id: "f1", Scope: "all"}, "id and expired": {Id: "f1", Expired: true}, "scope and expired": {Scope: "all", Expired: true},
	} {
		t.Log(name)
		b.refuse(ReasonInvalid, c)
	}
	b.refuse(ReasonNoFreeze, &storev1.DeleteFreezes{Id: "f9"})
	b.refuse(ReasonNoFreeze, &storev1.DeleteFreezes{Scope: "node:node-2"})
	if r := b.mustDo(&storev1.DeleteFreezes{Expired: true}); r.GetChanged() || r.GetEnded() != 0 {
		t.Fatalf("nothing had expired: %v", r)
	}
	if r := b.mustDo(&storev1.DeleteFreezes{Scope: "node:node-1"}); r.GetEnded() != 2 || !r.GetChanged() {
		t.Fatalf("by scope: %v", r)
	}
	if r := b.mustDo(&storev1.DeleteFreezes{Id: "f3"}); r.GetEnded() != 1 {
		t.Fatalf("by id: %v", r)
	}
	b.wantEvent(EventFreezeEnded, func(e *v1.Event) bool { return e.GetPool() == "all" })
	b.now = b.now.Add(2 * time.Hour)
	if r := b.mustDo(&storev1.DeleteFreezes{Expired: true}); r.GetEnded() != 1 || len(b.m.State().Freezes()) != 0 {
		t.Fatalf("by time: %v", r)
	}
	b.wantEvent(EventFreezeExpired, nil)
}

func TestWhoWatchesFreezesIsWokenByEach(t *testing.T) {
	b := regions(t)
	for _, c := range []func(){
		func() { b.mustDo(freeze("f1", "all", time.Hour)) },
		func() { b.mustDo(&storev1.DeleteFreezes{Id: "f1"}) },
	} {
		_, watch := b.m.State().FreezesAndWatch()
		select {
		case <-watch:
			t.Fatal("woken for nothing")
		default:
		}
		c()
		woken(t, watch)
	}
}

// woken wants a watch to have fired: Apply and Restore do that before they
// return.
func woken(t *testing.T, watch <-chan struct{}) {
	t.Helper()
	select {
	case <-watch:
	default:
		t.Fatal("whoever watches freezes was not woken")
	}
}

// frozenMoves is one move of each kind on node-1, each possible where nothing is
// frozen.
func frozenMoves(b *rig) map[string]*v1.Move {
	return map[string]*v1.Move{
		"start":   {Node: "node-1", Service: "webdav", Pool: "web", Action: v1.Action_ACTION_START},
		"drain":   drain("node-1", "imap"),
		"reseat":  {Node: "node-1", Service: "imap", Pool: "all", Action: v1.Action_ACTION_RESEAT, Borrowed: true},
		"undrain": undrain("node-1", "jmap"),
	}
}

func TestNothingFrozenIsMovedRepairIncluded(t *testing.T) {
	for scope, covers := range map[string]func(*v1.Move) bool{
		"all":          func(*v1.Move) bool { return true },
		"node:node-1":  func(*v1.Move) bool { return true },
		"node:node-2":  func(*v1.Move) bool { return false },
		"pool:all":     func(m *v1.Move) bool { return m.GetService() != "webdav" },
		"pool:web":     func(m *v1.Move) bool { return m.GetService() == "webdav" },
		"service:imap": func(m *v1.Move) bool { return m.GetService() == "imap" },
		"region:a":     func(*v1.Move) bool { return true },
		"region:b":     func(*v1.Move) bool { return false },
		"zone:a1":      func(*v1.Move) bool { return true },
		"zone:b1":      func(*v1.Move) bool { return false },
	} {
		for name := range frozenMoves(nil) {
			b := regions(t)
			top := floor(floor(unified("imap", "jmap"), "imap", 0), "jmap", 0)
			top.Pools = append(top.Pools, &v1.Pool{Name: "web", Services: []string{"webdav"}, Size: &v1.Pool_Count{Count: 1}})
			b.topology(top)
			b.mustDo(b.wave(drain("node-1", "jmap")))
			b.mustDo(freeze("f", scope, time.Hour))
			m := frozenMoves(b)[name]
			m.Cause = v1.Cause_CAUSE_REPAIR
			r := b.do(b.wave(m))
			if refused := len(r.GetParts()) == 1; refused != covers(m) || refused == r.GetChanged() {
				t.Errorf("%s while %s is frozen: %v", name, scope, r)
			}
			if covers(m) && !strings.Contains(r.GetParts()[0].GetMessage(), "frozen until") {
				t.Errorf("it does not say so: %v", r)
			}
		}
	}
}

func TestAFreezeWhoseTimeHasPassedHoldsNothing(t *testing.T) {
	b := regions(t)
	b.mustDo(freeze("f", "all", time.Minute))
	b.part(b.wave(drain("node-1", "imap")), "frozen")
	b.now = b.now.Add(2 * time.Minute)
	if len(b.m.State().Freezes()) != 1 {
		t.Fatal("it is no longer kept: this test shows nothing")
	}
	b.mustDo(b.wave(drain("node-1", "imap")))
}
