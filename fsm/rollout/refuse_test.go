package rollout

import (
	"maps"
	"strings"
	"testing"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

func mapsEqual(a, b map[string]string) bool { return maps.Equal(a, b) }

// sets writes every node's set.
func (c *cluster) sets() map[string]string {
	sets := map[string]string{}
	for _, n := range c.nodes {
		sets[n.Id] = writeSet(n)
	}
	return sets
}

func move(action v1.Action, service, node string) *v1.Move {
	return &v1.Move{Action: action, Service: service, Node: node, Pool: "imap"}
}

func floorOf(service string, n uint32) map[string]*storev1.FloorInForce {
	return map[string]*storev1.FloorInForce{service: {Service: service, Floor: n, Target: n}}
}

func refusedNodes(refused []Refusal) string {
	var nodes []string
	for _, r := range refused {
		nodes = append(nodes, r.Node)
	}
	return strings.Join(nodes, " ")
}

func TestReadyIsWantedServingReportedServingAndLive(t *testing.T) {
	for _, tc := range []struct {
		state  v1.NodeState
		wanted v1.Wanted
		report v1.ServiceState
		ready  bool
	}{
		{v1.NodeState_NODE_STATE_UP, v1.Wanted_WANTED_SERVING, v1.ServiceState_SERVICE_STATE_SERVING, true},
		{v1.NodeState_NODE_STATE_SUSPECT, v1.Wanted_WANTED_SERVING, v1.ServiceState_SERVICE_STATE_SERVING, true},
		{v1.NodeState_NODE_STATE_DOWN, v1.Wanted_WANTED_SERVING, v1.ServiceState_SERVICE_STATE_SERVING, false},
		{v1.NodeState_NODE_STATE_UNSPECIFIED, v1.Wanted_WANTED_SERVING, v1.ServiceState_SERVICE_STATE_SERVING, false},
		{v1.NodeState_NODE_STATE_UP, v1.Wanted_WANTED_DRAINING, v1.ServiceState_SERVICE_STATE_SERVING, false},
		{v1.NodeState_NODE_STATE_UP, v1.Wanted_WANTED_SERVING, v1.ServiceState_SERVICE_STATE_STARTING, false},
		{v1.NodeState_NODE_STATE_UP, v1.Wanted_WANTED_SERVING, v1.ServiceState_SERVICE_STATE_FAILING, false},
	} {
		n := newNode("node-1", "a1")
		n.State = tc.state
		n.Assignments = []*v1.Assignment{{Service: "imap", Wanted: tc.wanted}}
		n.Reports = []*v1.ServiceReport{{Service: "imap", State: tc.report}}
		if got := Ready(n, "imap"); got != tc.ready {
			t.Errorf("%v: ready is %v", tc, got)
		}
		if Ready(n, "jmap") {
			t.Errorf("%v: jmap is ready without an assignment", tc)
		}
	}
	if Ready(nil, "imap") {
		t.Errorf("no node is ready")
	}
}

func TestMovesThatAreSafeAloneAreRefusedTogether(t *testing.T) {
	c := running(t, nodesOf(3), topologyOf(count("imap", 3, "imap")))
	moves := []*v1.Move{move(v1.Action_ACTION_DRAIN, "imap", "node-1"), move(v1.Action_ACTION_DRAIN, "imap", "node-2"), move(v1.Action_ACTION_DRAIN, "imap", "node-3")}
	for floor, want := range map[uint32]string{0: "", 1: "node-3", 2: "node-2 node-3", 3: "node-1 node-2 node-3"} {
		if got := refusedNodes(Refuse(c.nodes, floorOf("imap", floor), moves)); got != want {
			t.Errorf("with a floor of %d, %q are refused, want %q", floor, got, want)
		}
	}
}

func TestUnderTheFloorNothingReadyIsTaken(t *testing.T) {
	c := running(t, nodesOf(2), topologyOf(count("imap", 2, "imap")))
	refused := Refuse(c.nodes, floorOf("imap", 5), []*v1.Move{move(v1.Action_ACTION_DRAIN, "imap", "node-1"), move(v1.Action_ACTION_STOP, "imap", "node-2")})
	if got, want := refusedNodes(refused), "node-1 node-2"; got != want {
		t.Errorf("%q are refused, want %q", got, want)
	}
	if want := "draining imap on node-1: imap has 2 ready and a floor in force of 5"; refused[0].Message != want {
		t.Errorf("it says %q, want %q", refused[0].Message, want)
	}
}

func TestWhatIsNotReadyMayAlwaysEnd(t *testing.T) {
	c := running(t, nodesOf(2), topologyOf(count("imap", 2, "imap")))
	c.node("node-1").State = v1.NodeState_NODE_STATE_DOWN
	if refused := Refuse(c.nodes, floorOf("imap", 1), []*v1.Move{move(v1.Action_ACTION_DRAIN, "imap", "node-1")}); len(refused) > 0 {
		t.Errorf("%v", refused)
	}
	if refused := Refuse(c.nodes, floorOf("imap", 1), []*v1.Move{move(v1.Action_ACTION_DRAIN, "imap", "nobody")}); len(refused) > 0 {
		t.Errorf("%v", refused)
	}
}

func TestARestartTakesTheWholeGroup(t *testing.T) {
	for _, tc := range []struct {
		name  string
		nodes []*v1.Node
		move  *v1.Move
		want  string
	}{
		{"start in the group", grouped(nodesOf(1)), move(v1.Action_ACTION_START, "jmap", "node-1"),
			"starting jmap on node-1 restarts imap there: imap has 1 ready and a floor in force of 1"},
		{"start outside the group", grouped(nodesOf(1), "imap", "webdav"), move(v1.Action_ACTION_START, "jmap", "node-1"), ""},
		{"start alone in its group", grouped(nodesOf(1), "jmap"), move(v1.Action_ACTION_START, "jmap", "node-1"), ""},
		{"change of pool", grouped(nodesOf(1)), move(v1.Action_ACTION_START, "imap", "node-1"), ""},
		{"stop in the group", grouped(nodesOf(1)), move(v1.Action_ACTION_STOP, "webdav", "node-1"),
			"stopping webdav on node-1 restarts imap there: imap has 1 ready and a floor in force of 1"},
		{"drain in the group", grouped(nodesOf(1)), move(v1.Action_ACTION_DRAIN, "webdav", "node-1"), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := running(t, tc.nodes, topologyOf(count("imap", 1, "imap", "webdav")))
			if tc.move.Action == v1.Action_ACTION_STOP {
				assignment(c.node("node-1"), "webdav").Wanted = v1.Wanted_WANTED_DRAINING
			}
			got := ""
			for _, r := range Refuse(c.nodes, floorOf("imap", 1), []*v1.Move{tc.move}) {
				got = r.Message
			}
			if got != tc.want {
				t.Errorf("it says %q, want %q", got, tc.want)
			}
		})
	}
}

func TestOneRestartIsCountedOnce(t *testing.T) {
	c := running(t, grouped(nodesOf(2)), topologyOf(count("imap", 2, "imap")))
	both := []*v1.Move{move(v1.Action_ACTION_START, "jmap", "node-1"), move(v1.Action_ACTION_START, "webdav", "node-1")}
	if refused := Refuse(c.nodes, floorOf("imap", 1), both); len(refused) > 0 {
		t.Errorf("%v", refused)
	}
	if got, want := refusedNodes(Refuse(c.nodes, floorOf("imap", 1), append(both, move(v1.Action_ACTION_START, "jmap", "node-2")))), "node-2"; got != want {
		t.Errorf("%q are refused, want %q", got, want)
	}
}

func TestAFloorComesIntoForceWhenItWasReached(t *testing.T) {
	top := func(n uint32) *v1.Topology { return floor(topologyOf(count("imap", 3, "imap")), "imap", n) }
	floors := AdvanceFloors(nil, top(3), nil, nil)
	for i, step := range []struct {
		target, ready, want uint32
	}{
		{3, 2, 0}, // not reached yet
		{3, 3, 3}, // reached
		{3, 1, 3}, // a failure lowers nothing
		{5, 4, 3}, // raised, not reached
		{5, 5, 5},
		{2, 1, 2}, // lowered at once
		{4, 3, 2},
		{3, 3, 3},
		{0, 0, 0},
	} {
		before := floors
		floors = AdvanceFloors(floors, top(step.target), nil, map[string]uint32{"imap": step.ready})
		if got := floors["imap"]; got.Floor != step.want || got.Target != step.target {
			t.Errorf("step %d: %v, want %d", i, got, step.want)
		}
		if again := AdvanceFloors(floors, top(step.target), nil, map[string]uint32{"imap": step.ready}); again["imap"] != floors["imap"] {
			t.Errorf("step %d: nothing changed, but the record did", i)
		}
		_ = before
	}
	if left := AdvanceFloors(floors, nil, nil, nil); len(left) > 0 {
		t.Errorf("without a topology, %v", left)
	}
}
