package fsm

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

func TestCopyingANodeCopiesEveryField(t *testing.T) {
	n := &v1.Node{}
	m := n.ProtoReflect()
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		switch {
		case field.IsList() && field.Message() == nil:
			n.Holds = []string{"a"}
		case field.IsList():
			m.Mutable(field).List().AppendMutable()
		case field.IsMap():
			n.Labels = map[string]string{"a": "b"}
		case field.Message() != nil:
			m.Mutable(field)
		case field.Enum() != nil:
			m.Set(field, protoreflect.ValueOfEnum(1))
		}
	}
	n.Id, n.Instance, n.Region, n.Zone, n.AgentVersion, n.Frozen = "1", "2", "3", "4", "5", "6"
	n.Flaps, n.Unconfirmed = 11, true
	n.Capacity, n.Generation, n.ReportedGeneration, n.Index, n.AssignmentIndex = 6, 7, 8, 9, 10
	for i := range fields.Len() {
		if !m.Has(fields.Get(i)) {
			t.Fatalf("this test does not set %s", fields.Get(i).Name())
		}
	}
	if !proto.Equal(n, copyNode(n)) {
		t.Fatalf("copy of %v is %v", n, copyNode(n))
	}
	settings := &v1.NodeSettings{
		Region: proto.String("a"), Zone: proto.String("b"), Labels: map[string]string{"c": "d"}, Capacity: proto.Uint32(1), Cordoned: true, CordonReason: "e",
		Drain: &v1.NodeDrain{Reason: "f"}, Activated: true,
	}
	if got := settings.ProtoReflect().Descriptor().Fields().Len(); got != 8 {
		t.Fatalf("this test sets 8 of %d fields of the settings", got)
	}
	if !proto.Equal(settings, copySettings(settings)) {
		t.Fatal("settings are not copied whole")
	}
}

func TestANewNodeRegisters(t *testing.T) {
	b := initialised(t)
	c := claims("imap", "jmap")
	c.Labels = map[string]string{"disk": "ssd"}
	n := b.register("node-1", c)
	if n.GetState() != v1.NodeState_NODE_STATE_UP || n.GetGeneration() != firstGeneration || n.GetCapacity() != 100 || n.GetIndex() != b.index {
		t.Fatalf("node: %v", n)
	}
	if n.GetRegion() != "a" || n.GetZone() != "a1" || n.GetLabels()["disk"] != "ssd" {
		t.Fatalf("its claims are not in force: %v", n)
	}
	b.wantEvent(EventNodeRegistered, func(e *v1.Event) bool { return e.GetNode() == "node-1" && e.GetActor() == operator })
	before := b.m.State()
	if r := b.mustDo(&storev1.RegisterNode{Id: "node-1", Instance: instance("node-1"), Claims: c, Version: "1"}); r.GetChanged() {
		t.Fatalf("registering the same again changed it: %v", r)
	}
	if b.m.State().Node("node-1") != before.Node("node-1") {
		t.Fatal("the record was replaced though nothing changed")
	}
}

func TestClaimsAreChecked(t *testing.T) {
	b := initialised(t)
	many := claims()
	many.Labels = map[string]string{}
	for i := range maxLabels + 1 {
		many.Labels["l"+strings.Repeat("x", i%20)+nodeID(i)] = "v"
	}
	twice := claims("imap", "imap")
	noGroup := claims("imap")
	noGroup.Services[0].ChangeMode = v1.ChangeMode_CHANGE_MODE_RESTART
	port := claims("imap")
	port.Services[0].Endpoints[0].Port = 70000
	reserved := claims("imap")
	reserved.Labels = map[string]string{"Zone": "x"}
	heavy := claims("imap")
	heavy.Capacity = maxCapacity + 1
	for name, c := range map[string]*storev1.RegisterNode{
		"no id":                   {Instance: "i"},
		"a look-alike id":         {Id: "nоde-1", Instance: "i"}, // a Cyrillic letter
		"no instance":             {Id: "node-1"},
		"too many labels":         {Id: "node-1", Instance: "i", Claims: many},
		"a service twice":         {Id: "node-1", Instance: "i", Claims: twice},
		"restarts without group":  {Id: "node-1", Instance: "i", Claims: noGroup},
		"a port that is none":     {Id: "node-1", Instance: "i", Claims: port},
		"a label that is a field": {Id: "node-1", Instance: "i", Claims: reserved},
		"too much capacity":       {Id: "node-1", Instance: "i", Claims: heavy},
		"a service with no name":  {Id: "node-1", Instance: "i", Claims: claims("")},
	} {
		t.Log(name)
		b.refuse(ReasonInvalid, c)
	}
	if n := len(b.m.State().Nodes()); n != 0 {
		t.Fatalf("%d nodes registered", n)
	}
}

func TestASecondLiveAgentOfANodeIsRefused(t *testing.T) {
	b := initialised(t)
	b.topology(unified("imap"))
	b.register("node-1", claims("imap"))
	b.serve("node-1", "imap")
	second := &storev1.RegisterNode{Id: "node-1", Instance: "i-other", Claims: claims("imap")}
	b.refuse(ReasonNodeInUse, second)
	b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_SUSPECT))
	before := b.m.State().Node("node-1")
	b.mustDo(second)
	after := b.m.State().Node("node-1")
	if after.GetInstance() != "i-other" || after.GetState() != v1.NodeState_NODE_STATE_UP || len(after.GetAssignments()) != 1 {
		t.Fatalf("it did not take over with its set: %v", after)
	}
	if len(after.GetReports()) != 0 || after.GetGeneration() <= before.GetGeneration() {
		t.Fatalf("what the old agent reported still counts: %v", after)
	}
	if n := b.m.State().ReadyCounts()["imap"]; n != 0 {
		t.Fatalf("%d ready", n)
	}
}

func TestARemovedNodeStaysRemoved(t *testing.T) {
	b := initialised(t)
	b.topology(unified("imap"))
	b.register("node-1", claims("imap"))
	b.serve("node-1", "imap")
	b.refuse(ReasonNodeInUse, &storev1.RemoveNode{Id: "node-1"})
	b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_DOWN))
	b.refuse(ReasonNodeInUse, &storev1.RemoveNode{Id: "node-1"})
	before := b.index
	b.mustDo(&storev1.RemoveNode{Id: "node-1", Force: true})
	if b.m.State().Node("node-1") != nil || b.m.State().Removed("node-1").GetInstance() != instance("node-1") {
		t.Fatal("it is not removed")
	}
	if _, removed := b.m.State().ChangedNodes(before); len(removed) != 1 {
		t.Fatalf("watchers hear of %d removals", len(removed))
	}
	b.refuse(ReasonNodeRemoved, &storev1.RegisterNode{Id: "node-1", Instance: instance("node-1"), Claims: claims("imap")})
	b.mustDo(&storev1.RegisterNode{Id: "node-1", Instance: "i-new", Claims: claims("imap")})
	if _, removed := b.m.State().ChangedNodes(before); len(removed) != 0 {
		t.Fatal("watchers hear that a node is gone which is there")
	}
	b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_DOWN))
	b.refuse(ReasonNodeRemoved, &storev1.RegisterNode{Id: "node-1", Instance: instance("node-1"), Claims: claims("imap")})
	b.mustDo(&storev1.RemoveNode{Id: "node-1"})
	if got := b.m.State().Removed("node-1").GetInstance(); got != "i-new" {
		t.Fatalf("the newest removal is of %s", got)
	}
}

func TestWhatTheOperatorSetsWinsOverClaims(t *testing.T) {
	b := initialised(t)
	c := claims("imap")
	c.Labels, c.Capacity = map[string]string{"disk": "hdd", "rack": "1"}, 50
	b.register("node-1", c)
	b.mustDo(&storev1.UpdateNode{
		Id: "node-1", Region: proto.String("b"), Zone: proto.String("b2"), Capacity: proto.Uint32(200), SetLabels: map[string]string{"disk": "ssd", "egress": "yes"},
	})
	n := b.m.State().Node("node-1")
	if n.GetRegion() != "b" || n.GetZone() != "b2" || n.GetCapacity() != 200 || n.GetLabels()["disk"] != "ssd" || n.GetLabels()["rack"] != "1" || n.GetLabels()["egress"] != "yes" {
		t.Fatalf("in force: %v", n)
	}
	if n.GetClaims().GetLabels()["disk"] != "hdd" {
		t.Fatal("the claim is no longer shown")
	}
	// The agent's new claims do not win either.
	c = proto.CloneOf(c)
	c.Region = "z"
	b.mustDo(&storev1.RegisterNode{Id: "node-1", Instance: instance("node-1"), Claims: c, Version: "1"})
	if got := b.m.State().Node("node-1").GetRegion(); got != "b" {
		t.Fatalf("region %s", got)
	}
	// Taken back.
	b.mustDo(&storev1.UpdateNode{Id: "node-1", Region: proto.String(""), Capacity: proto.Uint32(0), RemoveLabels: []string{"disk", "absent"}})
	n = b.m.State().Node("node-1")
	if n.GetRegion() != "z" || n.GetZone() != "b2" || n.GetCapacity() != 50 || n.GetLabels()["disk"] != "hdd" {
		t.Fatalf("in force: %v", n)
	}
	if r := b.mustDo(&storev1.UpdateNode{Id: "node-1", RemoveLabels: []string{"disk"}}); r.GetChanged() {
		t.Fatal("nothing was to be changed")
	}
}

func TestUpdatesThatCannotBeAreRefused(t *testing.T) {
	b := initialised(t)
	b.nodes(1)
	b.refuse(ReasonNoNode, &storev1.UpdateNode{Id: "node-9"})
	b.refuse(ReasonStaleGeneration, &storev1.UpdateNode{Id: "node-1", ExpectedGeneration: proto.Uint64(77)})
	b.refuse(ReasonInvalid, &storev1.UpdateNode{Id: "node-1", SetLabels: map[string]string{"region": "x"}})
	b.refuse(ReasonInvalid, &storev1.UpdateNode{Id: "node-1", SetLabels: map[string]string{"a b": "x"}})
	b.refuse(ReasonInvalid, &storev1.UpdateNode{Id: "node-1", SetLabels: map[string]string{"a": strings.Repeat("x", maxLabelValue+1)}})
	b.refuse(ReasonInvalid, &storev1.UpdateNode{Id: "node-1", SetLabels: map[string]string{"a": "x\n"}})
	b.refuse(ReasonInvalid, &storev1.UpdateNode{Id: "node-1", SetLabels: map[string]string{"a": "x"}, RemoveLabels: []string{"a"}})
	b.refuse(ReasonInvalid, &storev1.UpdateNode{Id: "node-1", Region: proto.String(strings.Repeat("r", 64))})
	b.mustDo(&storev1.UpdateNode{Id: "node-1", ExpectedGeneration: proto.Uint64(firstGeneration), SetLabels: map[string]string{"a": "x"}})
}

func TestACordonIsSetAndEnded(t *testing.T) {
	b := initialised(t)
	b.nodes(1)
	b.mustDo(&storev1.CordonNode{Id: "node-1", Cordoned: true, Reason: "new disk"})
	s := b.m.State().Node("node-1").GetSettings()
	if !s.GetCordoned() || s.GetCordonReason() != "new disk" {
		t.Fatalf("settings: %v", s)
	}
	if r := b.mustDo(&storev1.CordonNode{Id: "node-1", Cordoned: true, Reason: "new disk"}); r.GetChanged() {
		t.Fatal("cordoning twice changed something")
	}
	b.mustDo(&storev1.CordonNode{Id: "node-1", Reason: "done"})
	if s := b.m.State().Node("node-1").GetSettings(); s.GetCordoned() || s.GetCordonReason() != "" {
		t.Fatalf("settings: %v", s)
	}
	b.refuse(ReasonNoNode, &storev1.CordonNode{Id: "node-9", Cordoned: true})
	b.wantEvent(EventNodeCordoned, func(e *v1.Event) bool { return e.GetReason() == "new disk" })
	b.wantEvent(EventNodeUncordoned, nil)
}

func TestNodesAreBounded(t *testing.T) {
	l := standardLimits
	l.nodes = 2
	b := initialisedWith(t, l)
	b.nodes(2)
	b.refuse(ReasonFull, &storev1.RegisterNode{Id: "node-3", Instance: "i"})
}

func TestLivenessIsRecordedForTheSameAgentOnly(t *testing.T) {
	b := initialised(t)
	b.nodes(2)
	r := b.do(&storev1.SetNodeStates{Changes: []*storev1.NodeStateChange{
		{Id: "node-1", Instance: "another", State: v1.NodeState_NODE_STATE_DOWN},
		{Id: "node-2", Instance: instance("node-2"), State: v1.NodeState_NODE_STATE_DOWN, Reason: "silent for 10s"},
		{Id: "node-9", Instance: "i", State: v1.NodeState_NODE_STATE_DOWN},
		{Id: "node-1", Instance: instance("node-1")},
	}})
	if len(r.GetParts()) != 3 || !r.GetChanged() {
		t.Fatalf("result: %v", r)
	}
	if b.m.State().Node("node-1").GetState() != v1.NodeState_NODE_STATE_UP || b.m.State().Node("node-2").GetState() != v1.NodeState_NODE_STATE_DOWN {
		t.Fatal("states are wrong")
	}
	b.wantEvent(EventNodeDown, func(e *v1.Event) bool { return e.GetNode() == "node-2" && e.GetReason() == "silent for 10s" })
	if r := b.mustDo(b.state("node-2", v1.NodeState_NODE_STATE_DOWN)); r.GetChanged() {
		t.Fatal("down twice changed something")
	}
}

func TestMarkingANodeDownNeverChangesItsSet(t *testing.T) {
	b := initialised(t)
	b.topology(unified("imap"))
	b.nodes(1)
	b.serve("node-1", "imap")
	before := b.m.State().Node("node-1")
	b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_DOWN))
	after := b.m.State().Node("node-1")
	if after.GetGeneration() != before.GetGeneration() || len(after.GetAssignments()) != 1 {
		t.Fatalf("its set changed: %v", after)
	}
	if n := b.m.State().ReadyCounts()["imap"]; n != 0 {
		t.Fatalf("%d ready on a node that is down", n)
	}
	if after.GetAssignmentIndex() != b.index {
		t.Fatal("what is ready changed, its index did not")
	}
}
