package rollout

import (
	"testing"

	"google.golang.org/protobuf/proto"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// perZone adds a floor for each zone.
func perZone(top *v1.Topology, service string, n uint32) *v1.Topology {
	for _, s := range top.Services {
		if s.Name == service {
			s.Floors = append(s.Floors, &v1.Floor{Min: n, Per: "zone"})
		}
	}
	return top
}

func TestAPartKeepsItsFloorThoughOthersHaveMoreThanEnough(t *testing.T) {
	c := running(t, grouped([]*v1.Node{newNode("node-1", "a1"), newNode("node-2", "b1"), newNode("node-3", "b1")}),
		perZone(topologyOf(all("imap", "imap")), "imap", 1))
	// webdav is added everywhere, with a restart of imap: zone a1 has one node.
	c.adopt(moving(perZone(topologyOf(all("imap", "imap", "webdav")), "imap", 1), 100))
	step := c.expect("start webdav node-2")
	mustSay(t, step, "starting webdav on node-1 restarts imap there: imap has 1 ready in zone=a1 and a floor in force of 1 there")
	if len(step.Parts) != 2 || step.Parts[0].Target != 1 {
		t.Errorf("asked of parts is %v", step.Parts)
	}
	refused := Refuse(c.nodes, c.floors, []*v1.Move{{Service: "webdav", Node: "node-1", Pool: "imap", Action: v1.Action_ACTION_START}})
	if len(refused) != 1 || refused[0].Message != "starting webdav on node-1 restarts imap there: imap has 1 ready in zone=a1 and a floor in force of 1 there" {
		t.Errorf("Apply refuses %v", refused)
	}
}

func TestAStartThatAPartNeedsIsARepairAndPassesAHold(t *testing.T) {
	top := perZone(topologyOf(all("imap", "imap")), "imap", 1)
	c := running(t, []*v1.Node{newNode("node-1", "a1"), newNode("node-2", "b1"), newNode("node-3", "b1"), newNode("node-4", "a1")}, top)
	c.node("node-4").Assignments = nil
	c.fail("node-1")
	c.restraints.Hold = holding(false)
	step := c.aim(targetOf("imap: node-1 node-2 node-3 node-4"), "start imap node-4")
	mustCause(t, step, repair)
}

func TestAFloorOverAPartRisesByBeingReachedAndEndsWhenNobodyAsks(t *testing.T) {
	top := topologyOf(count("p", 1, "imap"))
	part := func(n uint32) []*storev1.FloorInForce {
		return []*storev1.FloorInForce{{Service: "imap", Target: n, Where: map[string]*v1.LabelValues{"zone": {Values: []string{"a2", "a1"}}}}}
	}
	const key = "imap@zone=a1|a2"
	var floors map[string]*storev1.FloorInForce
	for _, step := range []struct{ asked, ready, want uint32 }{{2, 0, 0}, {2, 1, 0}, {2, 2, 2}, {2, 1, 2}, {3, 2, 2}, {1, 0, 1}, {3, 3, 3}} {
		floors = AdvanceFloors(floors, top, part(step.asked), map[string]uint32{key: step.ready, "imap": step.ready})
		if got := floors[key]; got.GetFloor() != step.want || got.GetTarget() != step.asked || !proto.Equal(got.Where["zone"], part(1)[0].Where["zone"]) {
			t.Fatalf("%v: %v", step, got)
		}
	}
	if again := AdvanceFloors(floors, top, PartsOf(floors), map[string]uint32{key: 3, "imap": 3}); again[key] != floors[key] {
		t.Errorf("asked the same again, it is another floor")
	}
	if left := AdvanceFloors(floors, top, nil, nil); left[key] != nil || left["imap"] == nil {
		t.Errorf("nobody asks any longer, and left is %v", left)
	}
	if left := AdvanceFloors(floors, topologyOf(count("p", 1, "jmap")), part(3), nil); left[key] != nil {
		t.Errorf("no pool has imap any longer, and left is %v", left)
	}
}

func TestReadyNodesCountForEveryPartThatTheyLieIn(t *testing.T) {
	nodes := serving5([]*v1.Node{newNode("node-1", "a1"), newNode("node-2", "a2"), newNode("node-3", "b1")})
	nodes[2].Labels = map[string]string{"egress": "yes"}
	where := func(key string, values ...string) map[string]*v1.LabelValues {
		return map[string]*v1.LabelValues{key: {Values: values}}
	}
	both := where("region", "b")
	both["egress"] = &v1.LabelValues{Values: []string{"yes", "no"}}
	floors := AdvanceFloors(nil, topologyOf(count("p", 1, "imap")), []*storev1.FloorInForce{
		{Service: "imap", Target: 1, Where: where("zone", "a1")}, {Service: "imap", Target: 1, Where: where("region", "a", "b")},
		{Service: "imap", Target: 1, Where: where("egress", "yes")}, {Service: "imap", Target: 1, Where: both},
		{Service: "imap", Target: 1, Where: where("id", "node-7")},
	}, nil)
	counts := ReadyCounts(nodes, floors)
	for key, want := range map[string]uint32{
		"imap": 3, "jmap": 3, "imap@zone=a1": 1, "imap@region=a|b": 3, "imap@egress=yes": 1, "imap@egress=no|yes,region=b": 1, "imap@id=node-7": 0,
	} {
		if counts[key] != want {
			t.Errorf("%s has %d ready, want %d", key, counts[key], want)
		}
	}
}
