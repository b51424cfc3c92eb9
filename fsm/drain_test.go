package fsm

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

func drainOf(id string, within time.Duration) *storev1.DrainNode {
	c := &storev1.DrainNode{Id: id, Drained: true, Reason: "new disk"}
	if within >= 0 {
		c.Within = durationpb.New(within)
	}
	return c
}

func TestADrainIsAnOrderThatIsKeptInTheRecord(t *testing.T) {
	b := regions(t)
	b.mustDo(drainOf("node-1", time.Hour))
	drained := b.m.State().Node("node-1").GetSettings().GetDrain()
	if drained.GetBy() != operator || drained.GetReason() != "new disk" || !drained.GetDeadline().AsTime().Equal(drained.GetSince().AsTime().Add(time.Hour)) {
		t.Fatalf("drain: %v", drained)
	}
	if o := b.m.State().RolloutOrder(); !o.GetOpen() || o.GetOrder() != b.index {
		t.Fatalf("it opened no order: %v", o)
	}
	b.wantEvent(EventNodeDrain, func(e *v1.Event) bool { return e.GetNode() == "node-1" && e.GetReason() == "new disk" })
	if len(b.m.State().Node("node-1").GetAssignments()) != 2 {
		t.Fatal("it took something away at once")
	}
	b.register("node-3", claims("imap"))
	b.mustDo(drainOf("node-3", -1))
	b.part(b.wave(start("node-3", "imap")), "drained")

	b.now = b.now.Add(time.Minute)
	b.mustDo(drainOf("node-1", 2*time.Hour))
	if again := b.m.State().Node("node-1").GetSettings().GetDrain(); !proto.Equal(again.GetSince(), drained.GetSince()) || proto.Equal(again.GetDeadline(), drained.GetDeadline()) {
		t.Fatalf("a new deadline: %v", again)
	}
	same := &storev1.DrainNode{Id: "node-1", Drained: true, Reason: "new disk", Deadline: b.m.State().Node("node-1").GetSettings().GetDrain().GetDeadline()}
	if r := b.mustDo(same); r.GetChanged() {
		t.Fatal("the same drain again changed something")
	}
	order := b.index
	b.mustDo(&storev1.DrainNode{Id: "node-1"})
	if n := b.m.State().Node("node-1"); n.GetSettings().GetDrain() != nil || b.m.State().RolloutOrder().GetOrder() <= order {
		t.Fatalf("undrained: %v, %v", n.GetSettings(), b.m.State().RolloutOrder())
	}
	b.wantEvent(EventNodeUndrain, nil)
	if r := b.mustDo(&storev1.DrainNode{Id: "node-1"}); r.GetChanged() {
		t.Fatal("undrained twice")
	}
}

func TestBadDrainsAreRefused(t *testing.T) {
	b := regions(t)
	b.refuse(ReasonNoNode, drainOf("node-9", 0))
	b.refuse(ReasonStaleGeneration, &storev1.DrainNode{Id: "node-1", Drained: true, ExpectedGeneration: proto.Uint64(99)})
	for name, c := range map[string]*storev1.DrainNode{
		"a long reason":  {Id: "node-1", Drained: true, Reason: strings.Repeat("a", maxText+1)},
		"a past end":     {Id: "node-1", Drained: true, Deadline: timestamppb.New(began.Add(-time.Hour))},
		"no time":        {Id: "node-1", Drained: true, Deadline: &timestamppb.Timestamp{Nanos: -1}},
		"negative":       drainOf("node-1", -time.Hour),
		"too long a way": drainOf("node-1", 31*24*time.Hour),
	} {
		if name == "negative" {
			c.Within = durationpb.New(-time.Hour)
		}
		t.Log(name)
		b.refuse(ReasonInvalid, c)
	}
	observing := claims("imap")
	observing.Mode = v1.AgentMode_AGENT_MODE_OBSERVE
	b.register("node-3", observing)
	b.refuse(ReasonObserves, drainOf("node-3", 0))
}

// A service's drain ends with its node's deadline, and never later than its own
// bound.
func TestAServiceDrainsNoLongerThanItsNodesDeadline(t *testing.T) {
	for name, c := range map[string]struct{ own, left, want time.Duration }{
		"its own bound is shorter":    {own: time.Minute, left: time.Hour, want: time.Minute},
		"the deadline comes first":    {own: time.Hour, left: 10 * time.Minute, want: 10*time.Minute - time.Second},
		"the deadline has passed":     {own: time.Hour, left: 0, want: 0},
		"there is no deadline at all": {own: time.Hour, left: -1, want: time.Hour},
	} {
		b := initialised(t)
		top := floor(unified("imap"), "imap", 0)
		top.Services[0].Drain = durationpb.New(c.own)
		b.topology(top)
		b.nodes(1)
		b.serve("node-1", "imap")
		b.mustDo(drainOf("node-1", c.left))
		b.mustDo(b.wave(drain("node-1", "imap")))
		if got := assignment(b.m.State().Node("node-1"), "imap").GetDrain().AsDuration(); got != c.want {
			t.Errorf("%s: the bound is %s, want %s", name, got, c.want)
		}
	}
}

func TestANodeIsDrainedWhenItsLastAssignmentIsGone(t *testing.T) {
	b := regions(t)
	b.mustDo(drainOf("node-1", -1))
	for _, service := range []string{"imap", "jmap"} {
		for _, kind := range b.kinds() {
			if kind == EventNodeDrained {
				t.Fatal("it is said to be empty too early")
			}
		}
		b.mustDo(b.wave(drain("node-1", service)))
		b.mustDo(b.reports("node-1", drained, service))
		b.mustDo(b.wave(stop("node-1", service)))
	}
	b.wantEvent(EventNodeDrained, func(e *v1.Event) bool { return e.GetNode() == "node-1" && e.GetMessage() != "" })
	b.register("node-3", claims("imap"))
	b.mustDo(drainOf("node-3", -1))
	b.wantEvent(EventNodeDrained, func(e *v1.Event) bool { return e.GetNode() == "node-3" })
}

// A drain that is called off leaves everything as it was: what drains serves
// again, and who came for it only stands in from then on.
func TestACalledOffDrainGivesTheNodeItsSeatBack(t *testing.T) {
	for name, c := range map[string]struct {
		draining, frozen bool
	}{"in the middle": {draining: true}, "before it began": {}, "under a freeze": {draining: true, frozen: true}} {
		b := regions(t)
		b.now = b.now.Add(time.Minute)
		b.mustDo(drainOf("node-1", -1))
		b.now = b.now.Add(time.Minute)
		b.register("node-3", claims("imap", "jmap"))
		b.serve("node-3", "imap", "jmap")
		if c.draining {
			b.mustDo(b.wave(drain("node-1", "imap"), drain("node-1", "jmap")))
		}
		if c.frozen {
			b.mustDo(freeze("f1", "service:imap", time.Hour))
		}
		generation := b.m.State().Node("node-1").GetGeneration()
		r := b.mustDo(&storev1.DrainNode{Id: "node-1"})
		for _, service := range []string{"imap", "jmap"} {
			frozen := c.frozen && service == "imap"
			here, there, came := assignment(b.m.State().Node("node-1"), service), assignment(b.m.State().Node("node-2"), service), assignment(b.m.State().Node("node-3"), service)
			if serves := here.GetWanted() == v1.Wanted_WANTED_SERVING; serves == frozen || here.GetBorrowed() || here.GetPool() != "all" {
				t.Errorf("%s: %v", name, here)
			}
			if came.GetBorrowed() == frozen || came.GetWanted() != v1.Wanted_WANTED_SERVING || came.GetPool() != "all" {
				t.Errorf("%s: who came for it: %v", name, came)
			}
			if there.GetBorrowed() {
				t.Errorf("%s: who was there before: %v", name, there)
			}
		}
		if now := b.m.State().Node("node-1").GetGeneration(); r.GetGeneration() != now || (now > generation) != c.draining {
			t.Errorf("%s: generation %d, answered %d, was %d", name, now, r.GetGeneration(), generation)
		}
	}
}

// Calling a drain off is an order like any other: where a service that no longer
// runs would be begun again with its restart group, the group's floors come
// first, and it waits for a wave.
func TestACalledOffDrainRestartsNothingThatAFloorNeeds(t *testing.T) {
	for name, c := range map[string]struct {
		spare bool
	}{"the floor needs it": {}, "another node serves it": {spare: true}} {
		b := initialised(t)
		b.topology(floor(unified("imap", "jmap"), "imap", 0))
		b.register("node-1", grouped("imap", "jmap"))
		b.serve("node-1", "imap", "jmap")
		if c.spare {
			b.register("node-2", grouped("jmap"))
			b.serve("node-2", "jmap")
		}
		b.mustDo(drainOf("node-1", -1))
		b.mustDo(b.wave(drain("node-1", "imap")))
		ended := b.reports("node-1", v1.ServiceState_SERVICE_STATE_STOPPED, "imap")
		ended.Reports = append(ended.Reports, report1("jmap"))
		b.mustDo(ended)
		before := b.m.State().ready["jmap"]
		b.mustDo(&storev1.DrainNode{Id: "node-1"})
		n := b.m.State().Node("node-1")
		if after := b.m.State().ready["jmap"]; after < min(1, before) {
			t.Errorf("%s: jmap had %d ready, and has %d after the drain was called off", name, before, after)
		}
		if serves := assignment(n, "imap").GetWanted() == v1.Wanted_WANTED_SERVING; serves != c.spare {
			t.Errorf("%s: imap: %v", name, assignment(n, "imap"))
		}
		if n.GetSettings().GetDrain() != nil || assignment(n, "imap").GetBorrowed() {
			t.Errorf("%s: %v", name, n)
		}
	}
}
