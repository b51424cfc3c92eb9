package fsm

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"roster/fsm/topology"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

func topologyOf(t *v1.Topology) *v1.Topology { return topology.Effective(t) }

// rolling is a machine on which revision 1 is carried out on two of four nodes,
// and revision 2 ordered: two services on all.
func rolling(t testing.TB) *rig {
	b := initialised(t)
	b.nodes(4)
	first := unified("imap")
	first.Pools[0].Size = &v1.Pool_Count{Count: 2}
	b.topology(first)
	b.serve("node-1", "imap")
	b.serve("node-2", "imap")
	b.mustDo(b.settle())
	b.topology(floor(unified("imap", "jmap"), "imap", 2))
	return b
}

// canaried is the same, but that one node of each pool goes first.
func canaried(t testing.TB, onFail v1.OnFail) *rig {
	b := rolling(t)
	top := floor(unified("imap", "jmap"), "imap", 1)
	top.Policy = &v1.Policy{Rollout: &v1.RolloutPolicy{Canary: 1, Bake: durationpb.New(time.Minute), OnFail: onFail}}
	b.topology(top)
	return b
}

func (b *rig) verdict() *storev1.SettleCanary {
	return &storev1.SettleCanary{Revision: b.m.State().Topology().GetRevision(), Order: b.m.State().RolloutOrder().GetOrder()}
}

func rebalance(m *v1.Move) *v1.Move {
	m.Cause = v1.Cause_CAUSE_REBALANCE
	return m
}

func TestAnOrderRemembersWhereItBegan(t *testing.T) {
	b := rolling(t)
	want := []*v1.Seat{{Pool: "all", Node: "node-1"}, {Pool: "all", Node: "node-2"}}
	began := func() {
		t.Helper()
		o := b.m.State().RolloutOrder()
		if o.GetFromRevision() != 1 || !slices.EqualFunc(o.GetStart(), want, func(x, y *v1.Seat) bool { return proto.Equal(x, y) }) || !o.GetOpen() {
			t.Fatalf("the order in force: %v", o)
		}
	}
	began()
	b.mustDo(b.wave(start("node-3", "imap")))
	// What joins it while it is open begins where it began.
	b.topology(unified("imap"))
	began()
	b.mustDo(drainOf("node-2", time.Minute))
	began()
	b.mustDo(&storev1.DrainNode{Id: "node-2"})
	began()
	b.mustDo(b.settle())
	if o := b.m.State().RolloutOrder(); o.GetOpen() || o.GetFromRevision() != 0 || len(o.GetStart()) != 0 {
		t.Fatalf("what is carried out begins nowhere: %v", o)
	}
	// A drain alone has no topology to go back to; one that joins it has.
	b.mustDo(drainOf("node-2", time.Minute))
	if o := b.m.State().RolloutOrder(); !o.GetOpen() || o.GetFromRevision() != 0 {
		t.Fatalf("a drain: %v", o)
	}
	b.topology(unified("imap", "webdav"))
	if o := b.m.State().RolloutOrder(); o.GetFromRevision() != 3 || len(o.GetStart()) != 3 {
		t.Fatalf("a topology after a drain: %v", o)
	}
}

func TestTheFirstTopologyBeginsNowhere(t *testing.T) {
	b := initialised(t)
	b.nodes(1)
	top := unified("imap")
	top.Policy = &v1.Policy{Rollout: &v1.RolloutPolicy{Canary: 1}}
	b.topology(top)
	if o := b.m.State().RolloutOrder(); o.GetFromRevision() != 0 || o.GetStart() != nil || o.GetCanary() != nil {
		t.Fatalf("the order in force: %v", o)
	}
	b.refuse(ReasonNothingBefore, &storev1.AbortRollout{})
}

func TestARolloutWaitsFromPauseToResume(t *testing.T) {
	b := rolling(t)
	b.refuse(ReasonNotPaused, &storev1.PauseRollout{})
	b.mustDo(&storev1.PauseRollout{Paused: true, Reason: "lunch"})
	p := b.m.State().RolloutOrder().GetPause()
	if p.GetBy() != operator || p.GetReason() != "lunch" || !p.GetTime().AsTime().Equal(b.now.Add(-time.Second)) {
		t.Fatalf("paused: %v", p)
	}
	b.wantEvent(EventRolloutPaused, func(e *v1.Event) bool { return e.GetReason() == "lunch" && e.GetRevision() == 2 })
	if r := Rollout(b.m.State(), b.m.State().Effective(), nil, b.now, nil).Restraints; r.Pause != p || !r.Open {
		t.Fatalf("the loop is told %v", r)
	}
	if r := b.mustDo(&storev1.PauseRollout{Paused: true, Reason: "tea"}); r.GetChanged() || b.m.State().RolloutOrder().GetPause() != p {
		t.Error("the first word does not count")
	}
	b.refuse(ReasonUnsettled, b.settle())
	// A drain joins it, and waits.
	b.mustDo(drainOf("node-2", time.Minute))
	if b.m.State().RolloutOrder().GetPause() != p {
		t.Error("a drain ended the pause")
	}
	b.mustDo(&storev1.PauseRollout{Reason: "on"})
	b.wantEvent(EventRolloutResumed, func(e *v1.Event) bool { return e.GetReason() == "on" })
	if b.m.State().RolloutOrder().GetPause() != nil {
		t.Error("it is paused still")
	}
	b.mustDo(&storev1.PauseRollout{Paused: true})
	b.topology(unified("imap"))
	if b.m.State().RolloutOrder().GetPause() != nil {
		t.Error("a new topology waits for what held up the last one")
	}
	b.mustDo(b.settle())
	b.refuse(ReasonNoRollout, &storev1.PauseRollout{Paused: true})
	b.refuse(ReasonNoRollout, &storev1.PauseRollout{})
	b.refuse(ReasonNoRollout, &storev1.AbortRollout{})
	b.refuse(ReasonInvalid, &storev1.PauseRollout{Paused: true, Reason: strings.Repeat("x", maxText+1)})
	b.refuse(ReasonInvalid, &storev1.AbortRollout{Reason: strings.Repeat("x", maxText+1)})
}

func TestAnAbortGoesBackToTheRevisionAndTheSeatsThatItBeganWith(t *testing.T) {
	b := rolling(t)
	b.mustDo(b.wave(start("node-3", "imap"), start("node-3", "jmap")))
	start := b.m.State().RolloutOrder().GetStart()
	b.mustDo(&storev1.PauseRollout{Paused: true, Reason: "odd"})
	r := b.mustDo(&storev1.AbortRollout{Reason: "it is worse"})
	now := b.m.State().Topology()
	first := b.m.State().Revision(1)
	if !r.GetChanged() || now.GetRevision() != 3 || now.GetRollbackOf() != 1 || !proto.Equal(now.GetTopology(), first.GetTopology()) || string(now.GetSource()) != string(first.GetSource()) {
		t.Fatalf("in force: %v", now)
	}
	o := b.m.State().RolloutOrder()
	if !o.GetAborting() || !o.GetOpen() || o.GetPause() != nil || o.GetOrder() != b.index || o.GetFromRevision() != 1 {
		t.Fatalf("the order in force: %v", o)
	}
	if seen := Placement(b.m.State(), b.m.State().Effective(), b.now); !slices.Equal(seen.Prefer, start) {
		t.Fatalf("placed by seats %v, it began with %v", seen.Prefer, start)
	}
	if c := Hypothetical(b.m.State(), b.m.State().Effective(), b.now); !slices.Equal(c.Prefer, start) || c.Revision != 3 {
		t.Fatalf("asked what if of %v", c)
	}
	if seen := Placement(b.m.State(), topologyOf(unified("imap")), b.now); seen.Prefer != nil {
		t.Error("another topology is planned by the old seats")
	}
	b.wantEvent(EventRolloutAborted, func(e *v1.Event) bool { return e.GetReason() == "it is worse" && e.GetRevision() == 2 })
	b.wantEvent(EventTopologyRolledBack, nil)
	b.refuse(ReasonAborting, &storev1.AbortRollout{})
	b.mustDo(b.settle())
	if seen := Placement(b.m.State(), b.m.State().Effective(), b.now); seen.Prefer != nil {
		t.Error("the old seats are preferred for ever")
	}
}

func TestAnAbortOfWhatIsNotKeptIsRefused(t *testing.T) {
	b := initialisedWith(t, limits{events: 1000, eventBytes: 1 << 20, revisions: 2, requests: 10, nodes: 10, members: 3, freezes: 3})
	b.nodes(2)
	b.topology(unified("imap"))
	b.mustDo(b.settle())
	b.topology(unified("imap", "jmap"))
	b.topology(unified("imap", "webdav"))
	b.refuse(ReasonRevisionNotKept, &storev1.AbortRollout{})
	b.mustDo(b.settle())
	b.mustDo(drainOf("node-1", time.Minute))
	b.refuse(ReasonNothingBefore, &storev1.AbortRollout{})
}

func TestAGapIsOnlyLetThroughWhereTheOperatorAcceptedOne(t *testing.T) {
	b := rolling(t)
	gap := b.wave(rebalance(drain("node-1", "imap")))
	gap.AcceptGap = true
	b.refuse(ReasonNeedsAcceptGap, gap)
	top := b.m.State().Topology()
	b.mustDo(&storev1.ApplyTopology{Topology: top.GetTopology(), Source: top.GetSource(), AcceptGap: true})
	if s := b.m.State(); !s.RolloutOrder().GetAcceptGap() || s.Topology().GetRevision() != 2 || !Rollout(s, s.Effective(), nil, b.now, nil).Restraints.AcceptGap {
		t.Fatalf("the order in force: %v", s.RolloutOrder())
	}
	b.wantEvent(EventGapAccepted, nil)
	without := b.wave(rebalance(drain("node-1", "imap")))
	if r := b.do(without); len(r.GetParts()) != 1 {
		t.Fatalf("a wave that says nothing of a gap broke a floor: %v", r)
	}
	two := b.wave(rebalance(drain("node-1", "imap")), rebalance(drain("node-2", "imap")))
	two.AcceptGap = true
	b.refuse(ReasonInvalid, two)
	repair := b.wave(drain("node-1", "imap"))
	repair.AcceptGap, repair.Nodes[0].Moves[0].Cause = true, v1.Cause_CAUSE_REPAIR
	if r := b.do(repair); len(r.GetParts()) != 1 || b.m.State().ReadyCounts()["imap"] != 2 {
		t.Fatalf("a repair broke a floor: %v", r)
	}
	b.mustDo(gap)
	if b.m.State().ReadyCounts()["imap"] != 1 {
		t.Error("the gap was not let through")
	}
	b.wantEvent(EventFloorBroken, nil)
	// Another topology has to be accepted anew.
	b.topology(unified("imap"))
	if b.m.State().RolloutOrder().GetAcceptGap() {
		t.Error("a gap was accepted for a topology that was not seen yet")
	}
}

func TestACanaryIsWhatAWaveMovedFirst(t *testing.T) {
	b := canaried(t, 0)
	if c := b.m.State().RolloutOrder().GetCanary(); c == nil || len(c.GetNodes()) != 0 {
		t.Fatalf("it begins with %v", c)
	}
	planned := topologyOf(b.m.State().Topology().GetTopology())
	if r := Rollout(b.m.State(), planned, nil, b.now, nil).Restraints; r.Canary == nil {
		t.Error("a plan of it has no canary")
	}
	repair := start("node-4", "imap")
	repair.Cause = v1.Cause_CAUSE_REPAIR
	b.mustDo(b.wave(rebalance(start("node-3", "imap")), rebalance(start("node-3", "jmap")), repair))
	b.mustDo(b.wave(rebalance(start("node-1", "jmap"))))
	c := b.m.State().RolloutOrder().GetCanary()
	if !slices.Equal(c.GetNodes(), []string{"node-1", "node-3"}) {
		t.Fatalf("the canary has %v", c.GetNodes())
	}
	if r := Rollout(b.m.State(), b.m.State().Effective(), nil, b.now, nil).Restraints; r.Canary != c {
		t.Errorf("the loop is told %v", r.Canary)
	}
	b.refuse(ReasonUnsettled, b.settle())
	// What is known already joins nothing.
	b.mustDo(b.wave(rebalance(start("node-1", "imap")), rebalance(undrain("node-3", "imap"))))
	b.mustDo(drainOf("node-4", time.Minute))
	if now := b.m.State().RolloutOrder().GetCanary(); now != c {
		t.Errorf("the canary is %v", now)
	}
	// Another topology tries first with other nodes, or not at all.
	again := proto.CloneOf(b.m.State().Topology().GetTopology())
	again.Name = "again"
	b.topology(again)
	if c := b.m.State().RolloutOrder().GetCanary(); c == nil || len(c.GetNodes()) != 0 {
		t.Errorf("another topology begins with %v", c)
	}
	b.topology(unified("imap"))
	if c := b.m.State().RolloutOrder().GetCanary(); c != nil {
		t.Errorf("a topology without canary begins with %v", c)
	}
}

func TestACanaryThatStaysWellLetsTheRestFollow(t *testing.T) {
	b := canaried(t, 0)
	b.mustDo(b.wave(rebalance(start("node-3", "imap"))))
	well := b.verdict()
	well.WellSince = timestamppb.New(b.now)
	b.mustDo(well)
	c := b.m.State().RolloutOrder().GetCanary()
	if !proto.Equal(c.GetWellSince(), well.GetWellSince()) || !c.GetUntil().AsTime().Equal(b.now.Add(time.Minute-time.Second)) {
		t.Fatalf("well, until %v: %v", c.GetUntil().AsTime(), c)
	}
	if r := b.mustDo(well); r.GetChanged() {
		t.Error("no news is taken for news")
	}
	b.mustDo(b.verdict())
	if c := b.m.State().RolloutOrder().GetCanary(); c.GetWellSince() != nil || c.GetUntil() != nil || len(c.GetNodes()) != 1 {
		t.Fatalf("no longer well: %v", c)
	}
	stale := b.verdict()
	stale.Order--
	b.refuse(ReasonStaleOrder, stale)
	never := b.verdict()
	never.WellSince = &timestamppb.Timestamp{Nanos: -1}
	b.refuse(ReasonInvalid, never)
	passed := b.verdict()
	passed.Passed = true
	b.mustDo(passed)
	if o := b.m.State().RolloutOrder(); o.GetCanary() != nil || o.GetPause() != nil || !o.GetOpen() {
		t.Fatalf("the order in force: %v", o)
	}
	b.wantEvent(EventCanaryPassed, nil)
	if r := b.mustDo(b.verdict()); r.GetChanged() {
		t.Error("a canary that is over was judged")
	}
	b.mustDo(b.settle())
}

func TestACanaryThatFailsWaitsForTheOperator(t *testing.T) {
	b := canaried(t, v1.OnFail_ON_FAIL_PAUSE)
	b.mustDo(b.wave(rebalance(start("node-3", "imap"))))
	failed := b.verdict()
	failed.Failure = "node-3 is down"
	b.mustDo(failed)
	o := b.m.State().RolloutOrder()
	if o.GetPause().GetBy() != "" || o.GetPause().GetReason() != "the canary failed: node-3 is down" || o.GetCanary().GetFailure() != "node-3 is down" {
		t.Fatalf("the order in force: %v", o)
	}
	b.wantEvent(EventCanaryFailed, func(e *v1.Event) bool { return e.GetReason() == "node-3 is down" })
	b.wantEvent(EventRolloutPaused, nil)
	if r := b.mustDo(b.verdict()); r.GetChanged() {
		t.Error("a canary was judged while its rollout is paused")
	}
	// Whoever lets it go on has mended it: it has to prove itself anew.
	b.mustDo(&storev1.PauseRollout{Reason: "mended"})
	if o := b.m.State().RolloutOrder(); o.GetPause() != nil || o.GetCanary().GetFailure() != "" || !slices.Equal(o.GetCanary().GetNodes(), []string{"node-3"}) {
		t.Fatalf("the order in force: %v", o)
	}
}

func TestACanaryThatFailsIsWalkedBackWherePolicySaysSo(t *testing.T) {
	b := canaried(t, v1.OnFail_ON_FAIL_REVERT)
	failed := b.verdict()
	failed.Failure = "imap did not start on node-3"
	b.mustDo(failed)
	s := b.m.State()
	if s.Topology().GetRollbackOf() != 1 || !s.RolloutOrder().GetAborting() || s.RolloutOrder().GetCanary() != nil || s.RolloutOrder().GetPause() != nil {
		t.Fatalf("revision %v, order %v", s.Topology().GetRollbackOf(), s.RolloutOrder())
	}
	b.wantEvent(EventCanaryFailed, nil)
	b.wantEvent(EventRolloutAborted, func(e *v1.Event) bool { return strings.Contains(e.GetReason(), "imap did not start") })
}

func TestACanaryThatFailsWithNoWayBackWaits(t *testing.T) {
	b := initialisedWith(t, limits{events: 1000, eventBytes: 1 << 20, revisions: 1, requests: 10, nodes: 10, members: 3, freezes: 3})
	b.nodes(2)
	b.topology(unified("imap"))
	top := unified("imap", "jmap")
	top.Policy = &v1.Policy{Rollout: &v1.RolloutPolicy{Canary: 1, OnFail: v1.OnFail_ON_FAIL_REVERT}}
	b.topology(top)
	failed := b.verdict()
	failed.Failure = "node-2 is down"
	b.mustDo(failed)
	if o := b.m.State().RolloutOrder(); o.GetAborting() || o.GetPause() == nil || b.m.State().Topology().GetRevision() != 2 {
		t.Fatalf("the order in force: %v", o)
	}
}
