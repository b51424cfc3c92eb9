package fsm

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"roster/fsm/placement"
	"roster/fsm/rollout"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// inZones is a machine with nodes of zones a1, a1, b1, b1, …, that can run
// everything.
func inZones(t testing.TB, n int) *rig {
	b := initialised(t)
	for i := range n {
		c := claims(allServices...)
		c.Zone = []string{"a1", "b1"}[i/2%2]
		b.register(nodeID(i+1), c)
	}
	return b
}

// perZone keeps one of imap ready in each zone, and so many altogether.
func perZone(least uint32) *v1.Topology {
	t := floor(unified("imap"), "imap", least)
	t.Services[0].Floors = []*v1.Floor{{Min: 1, Per: "zone"}}
	return t
}

func inZone(zone string) *storev1.FloorInForce {
	return &storev1.FloorInForce{Service: "imap", Where: labels("zone", zone)}
}

// tell is what the leader says is asked of parts of the nodes.
func tell(c *storev1.MoveAssignments, parts ...*storev1.FloorInForce) *storev1.MoveAssignments {
	c.WithParts, c.Parts = true, parts
	return c
}

const (
	inA1 = "imap@zone=a1"
	inB1 = "imap@zone=b1"
)

func TestAWaveThatBreaksAFloorOverAPartIsRefused(t *testing.T) {
	b := inZones(t, 4)
	b.topology(perZone(1))
	for i := range 3 {
		b.serve(nodeID(i+1), "imap") // two in a1, one in b1
	}
	b.mustDo(tell(b.wave(), inZone("a1"), inZone("b1")))
	for key, ready := range map[string]uint32{inA1: 2, inB1: 1} {
		f := b.m.State().Floors()[key]
		if f.GetFloor() != 1 || f.GetTarget() != 1 || b.m.State().ReadyCounts()[key] != ready {
			t.Fatalf("%s: %v with %d ready", key, f, b.m.State().ReadyCounts()[key])
		}
	}
	before := b.content()
	r := b.do(b.wave(drain("node-3", "imap")))
	if len(r.GetParts()) != 1 || !strings.Contains(r.GetParts()[0].GetMessage(), "zone=b1") || b.content() != before {
		t.Fatalf("the last of zone b1 was drained, or nobody says which floor that breaks: %v", r)
	}
	r = b.do(b.wave(drain("node-1", "imap"), drain("node-2", "imap")))
	if len(r.GetParts()) != 1 {
		t.Fatalf("both of zone a1 in one wave: %v", r)
	}
	if got := b.m.State().ReadyCounts()[inA1]; got != 1 {
		t.Fatalf("%d are ready in a1", got)
	}
}

func TestAPartIsKeptFromTheMomentItWasFirstReached(t *testing.T) {
	b := inZones(t, 4)
	b.topology(perZone(1))
	b.mustDo(tell(b.wave(start("node-1", "imap")), inZone("a1")))
	if f := b.m.State().Floors()[inA1]; f.GetFloor() != 0 || f.GetTarget() != 1 {
		t.Fatalf("before anything was ready: %v", f)
	}
	b.mustDo(b.reports("node-1", serving, "imap"))
	b.wantEvent(EventFloorReached, func(e *v1.Event) bool {
		return e.GetService() == "imap" && strings.Contains(e.GetMessage(), "in zone=a1")
	})
	b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_DOWN))
	b.wantEvent(EventFloorBroken, func(e *v1.Event) bool {
		return e.GetMessage() == "imap has 0 ready in zone=a1, under its floor of 1"
	})
	if f := b.m.State().Floors()[inA1]; f.GetFloor() != 1 {
		t.Fatalf("a floor that was reached is kept: %v", f)
	}
	b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_UP))
	b.mustDo(b.reports("node-1", serving, "imap"))
	b.wantEvent(EventFloorRestored, func(e *v1.Event) bool { return strings.Contains(e.GetMessage(), "in zone=a1") })
}

func TestAPartThatNobodyAsksForAnyMoreIsNoFloor(t *testing.T) {
	b := inZones(t, 4)
	b.topology(perZone(1))
	b.serve("node-1", "imap")
	b.serve("node-3", "imap")
	b.mustDo(tell(b.wave(), inZone("a1"), inZone("b1")))
	r := b.mustDo(tell(b.wave(), inZone("b1")))
	if !r.GetChanged() || b.m.State().Floors()[inA1] != nil || b.m.State().ReadyCounts()[inA1] != 0 {
		t.Fatalf("a1 is asked for still: %v", b.m.State().Floors())
	}
	if r := b.mustDo(tell(b.wave(), inZone("b1"))); r.GetChanged() {
		t.Error("the same parts again changed something")
	}
	b.mustDo(b.wave(drain("node-1", "imap")))
	// A topology that asks for no part takes them all away, at once.
	b.topology(floor(unified("imap"), "imap", 1))
	if len(b.m.State().Floors()) != 1 {
		t.Errorf("floors %v", b.m.State().Floors())
	}
}

func TestAPartFollowsFromTheTopologyAtOnceWhereItNamesItsNodes(t *testing.T) {
	b := inZones(t, 4)
	b.topology(floor(unified("imap"), "imap", 1))
	b.serve("node-1", "imap")
	b.serve("node-2", "imap")
	top := floor(unified("imap"), "imap", 1)
	top.Services[0].Floors = []*v1.Floor{{Min: 2, Where: labels("zone", "a1")}, {Min: 1, Where: labels("zone", "b1")}}
	b.topology(top)
	a1, b1 := b.m.State().Floors()[inA1], b.m.State().Floors()[inB1]
	if a1.GetFloor() != 2 || a1.GetTarget() != 2 || b1.GetFloor() != 0 || b1.GetTarget() != 1 {
		t.Fatalf("in force: %v and %v", a1, b1)
	}
	if r := b.do(b.wave(drain("node-2", "imap"))); len(r.GetParts()) != 1 {
		t.Fatalf("the second of zone a1 was drained: %v", r)
	}
	// The leader cannot take such a floor away.
	b.mustDo(tell(b.wave()))
	if f := b.m.State().Floors()[inA1]; f.GetFloor() != 2 {
		t.Fatalf("taken away by a wave: %v", f)
	}
	// A higher one is min(the one before, the new one) until it is reached.
	higher := proto.CloneOf(top)
	higher.Services[0].Floors[0].Min = 3
	b.topology(higher)
	if f := b.m.State().Floors()[inA1]; f.GetFloor() != 2 || f.GetTarget() != 3 {
		t.Fatalf("raised before it was reached: %v", f)
	}
}

func TestANodeThatMovesHouseIsCountedWhereItIs(t *testing.T) {
	b := inZones(t, 2)
	b.topology(perZone(0))
	b.serve("node-1", "imap")
	b.mustDo(tell(b.wave(), inZone("a1"), inZone("b1")))
	b.mustDo(&storev1.UpdateNode{Id: "node-1", Zone: proto.String("b1")})
	if ready := b.m.State().ReadyCounts(); ready[inA1] != 0 || ready[inB1] != 1 || ready["imap"] != 1 {
		t.Fatalf("ready: %v", ready)
	}
	b.wantEvent(EventFloorBroken, func(e *v1.Event) bool { return strings.Contains(e.GetMessage(), "zone=a1") })
	b.mustDo(&storev1.RemoveNode{Id: "node-1", Force: true})
	if ready := b.m.State().ReadyCounts(); len(ready) != 0 {
		t.Fatalf("ready without a node: %v", ready)
	}
}

func TestAWaveCannotAskForPartsThatTheTopologyDoesNot(t *testing.T) {
	b := inZones(t, 2)
	b.topology(perZone(1))
	for name, part := range map[string]*storev1.FloorInForce{
		"another service": {Service: "jmap", Where: labels("zone", "a1")},
		"another label":   {Service: "imap", Where: labels("region", "a")},
		"two values":      {Service: "imap", Where: labels("zone", "a1", "b1")},
		"no part":         {Service: "imap"},
	} {
		if r := b.refuse(ReasonInvalid, tell(b.wave(start("node-1", "imap")), part)); r.GetRefusal() == nil {
			t.Errorf("%s was taken", name)
		}
	}
	// What is asked is the topology's to say, whoever counted it.
	high := inZone("a1")
	high.Target, high.Floor = 7, 7
	b.mustDo(tell(b.wave(), high))
	if f := b.m.State().Floors()[inA1]; f.GetTarget() != 1 || f.GetFloor() != 0 {
		t.Errorf("the wave set the floor to %v", f)
	}
}

func TestAPlannedTopologyIsJudgedByThePartsThatItWouldBeginWith(t *testing.T) {
	b := inZones(t, 4)
	b.topology(perZone(1))
	b.serve("node-1", "imap")
	b.serve("node-3", "imap")
	b.mustDo(tell(b.wave(), inZone("a1"), inZone("b1")))
	s := b.m.State()
	seen := Placement(s, s.Effective(), b.now)
	if len(seen.Parts) != 2 || seen.Parts[0].Min != 1 || len(seen.Floors) != 1 {
		t.Fatalf("placed by parts %v, floors %v", seen.Parts, seen.Floors)
	}
	planned := floor(unified("imap"), "imap", 1)
	planned.Services[0].Floors = []*v1.Floor{{Min: 2, Where: labels("zone", "b1")}}
	effective := topologyOf(planned)
	if seen := Placement(s, effective, b.now); len(seen.Parts) != 1 || placement.PartName(seen.Parts[0].Where) != "zone=b1" || seen.Parts[0].Min != 1 {
		t.Fatalf("a plan is placed by parts %v", seen.Parts)
	}
	view := Rollout(s, effective, nil, b.now, nil)
	if f := view.Floors[inB1]; f.GetFloor() != 1 || f.GetTarget() != 2 || len(view.Floors) != 2 {
		t.Fatalf("a plan begins with floors %v", view.Floors)
	}
	if rollout.FloorKey("imap", "zone=b1") != inB1 {
		t.Error("the key is another")
	}
}
