package placement

import (
	"fmt"
	"testing"

	v1 "roster/proto/roster/v1"
)

// The rules of the choice of members, in their order: in each test the rule
// named decides against the one that comes next.

// serves gives a node assignments of a pool.
func serves(n *v1.Node, pool string, services ...string) *v1.Node {
	for _, s := range services {
		n.Assignments = append(n.Assignments, &v1.Assignment{Service: s, Node: n.Id, Pool: pool, Wanted: v1.Wanted_WANTED_SERVING})
	}
	return n
}

func TestRuleObserversKeepTheirSeatsBeforeMembersAreUp(t *testing.T) {
	nodes := plainNodes(3)
	serves(nodes[0], "old", "imap").Settings.Cordoned = true
	serves(nodes[2], "imap", "imap").Mode = v1.AgentMode_AGENT_MODE_OBSERVE
	nodes[2].State = v1.NodeState_NODE_STATE_SUSPECT
	if got := seats(place(t, topologyOf(count("imap", 1, "imap")), nodes)); got != "imap: node-3" {
		t.Error(got)
	}
}

func TestRuleNewSeatsGoToNodesThatAreUpBeforeThoseWhoHadThem(t *testing.T) {
	nodes := plainNodes(2)
	serves(nodes[1], "old", "imap").Settings.Cordoned = true
	v := View{Topology: topologyOf(count("imap", 1, "imap")), Nodes: nodes, Prefer: []*v1.Seat{{Pool: "imap", Node: "node-2"}}}
	if got := seats(mustPlace(t, v)); got != "imap: node-1" {
		t.Error(got)
	}
}

func TestRuleThoseWhoHadTheSeatsComeBeforeFloorsOverParts(t *testing.T) {
	top := topologyOf(count("imap", 1, "imap"))
	top.Services = []*v1.Service{{Name: "imap", Floors: []*v1.Floor{floorIn(1, "region", "b")}}}
	v := View{Topology: top, Nodes: tenNodes(), Prefer: []*v1.Seat{{Pool: "imap", Node: "node-9"}}}
	if got := seats(mustPlace(t, v)); got != "imap: node-9" {
		t.Error(got)
	}
	v.Prefer = nil
	if got := seats(mustPlace(t, v)); got != "imap: node-4" {
		t.Error(got)
	}
}

func TestRuleFloorsOverPartsComeBeforeSpread(t *testing.T) {
	top := topologyOf(spread(count("imap", 3, "imap"), "region"))
	top.Services = []*v1.Service{{Name: "imap", Floors: []*v1.Floor{floorIn(2, "region", "a")}}}
	if got := seats(place(t, top, tenNodes())); got != "imap: node-1 node-2 node-4" {
		t.Error(got)
	}
}

func TestRuleSpreadOverTheFirstKeyComesBeforeTheSecond(t *testing.T) {
	// One node of rack y is in zone a, where the others are.
	var nodes []*v1.Node
	for i, place := range [][2]string{{"a", "x"}, {"a", "y"}, {"b", "x"}} {
		n := newNode(fmt.Sprintf("node-%d", i+1), "r", place[0])
		n.Labels = map[string]string{"rack": place[1]}
		nodes = append(nodes, n)
	}
	serves(nodes[0], "imap", "imap")
	if got := seats(place(t, topologyOf(spread(count("imap", 2, "imap"), "zone", "rack")), nodes[:3])); got != "imap: node-2 node-3" {
		t.Error(got)
	}
	if got := seats(place(t, topologyOf(spread(count("imap", 2, "imap"), "zone")), nodes)); got != "imap: node-1 node-3" {
		t.Error(got)
	}
	if got := seats(place(t, topologyOf(spread(count("imap", 2, "imap"), "rack")), nodes)); got != "imap: node-1 node-2" {
		t.Error(got)
	}
}

// Three of four members in region a would have a zone each.
func TestRuleSpreadOverRegionsComesBeforeZones(t *testing.T) {
	var nodes []*v1.Node
	for i, zone := range []string{"a1", "a2", "a3", "b1", "b1"} {
		nodes = append(nodes, newNode(fmt.Sprintf("node-%d", i+1), zone[:1], zone))
	}
	if got := seats(place(t, topologyOf(spread(count("imap", 4, "imap"), "region", "zone")), nodes)); got != "imap: node-1 node-2 node-4 node-5" {
		t.Error(got)
	}
}

func TestRuleSpreadComesBeforeStarts(t *testing.T) {
	nodes := tenNodes()
	for _, n := range nodes[6:8] { // both in c1
		serves(n, "old", "imap")
	}
	if got := seats(place(t, topologyOf(spread(count("imap", 2, "imap"), "zone")), nodes)); got != "imap: node-1 node-7" {
		t.Error(got)
	}
}

func TestRuleStartsComeBeforeRestarts(t *testing.T) {
	nodes := plainNodes(2)
	together(nodes[1], "imap", "jmap")
	serves(nodes[1], "old", "imap")
	// One start that restarts imap, or two.
	if got := seats(place(t, topologyOf(count("web", 1, "imap", "jmap")), nodes)); got != "web: node-2" {
		t.Error(got)
	}
}

func TestRuleRestartsComeBeforeDrainsCalledOff(t *testing.T) {
	nodes := plainNodes(2)
	together(nodes[0], "imap", "jmap")
	serves(nodes[0], "old", "imap")
	serves(nodes[1], "old", "imap")
	nodes[1].Assignments[0].Wanted = v1.Wanted_WANTED_DRAINING
	// One start each: that restarts imap, or calls off its drain.
	if got := seats(place(t, topologyOf(count("web", 1, "imap", "jmap")), nodes)); got != "web: node-2" {
		t.Error(got)
	}
}

func TestRuleDrainsCalledOffComeBeforeSeatsThatChangeHands(t *testing.T) {
	nodes := plainNodes(2)
	serves(nodes[0], "web", "jmap", "imap")
	nodes[0].Assignments[1].Wanted = v1.Wanted_WANTED_DRAINING
	serves(nodes[1], "old", "jmap", "imap")
	if got := seats(place(t, topologyOf(count("web", 1, "imap", "jmap")), nodes)); got != "web: node-2" {
		t.Error(got)
	}
}

func TestRuleSeatsThatChangeHandsComeBeforeCapacity(t *testing.T) {
	nodes := plainNodes(2)
	serves(nodes[0], "old", "imap")
	serves(nodes[1], "imap", "imap")
	nodes[0].Capacity = 1000
	if got := seats(place(t, topologyOf(count("imap", 1, "imap")), nodes)); got != "imap: node-2" {
		t.Error(got)
	}
}

func TestRuleCapacityInBucketsComesBeforeIds(t *testing.T) {
	nodes := plainNodes(3)
	nodes[0].Capacity, nodes[1].Capacity, nodes[2].Capacity = 64, 127, 128
	for want, n := range map[string]uint32{"imap: node-3": 1, "imap: node-1 node-3": 2} {
		if got := seats(place(t, topologyOf(count("imap", n, "imap")), nodes)); got != want {
			t.Errorf("%s, not %s: 64 and 127 are not told apart, 128 is", got, want)
		}
	}
}

func TestRuleEarlierPoolsGetTheFirstNodes(t *testing.T) {
	if got := seats(place(t, topologyOf(count("b", 2, "imap"), count("a", 2, "jmap")), plainNodes(12))); got != "b: node-1 node-2; a: node-3 node-4" {
		t.Error(got)
	}
}

// node-1 serves all that either pool wants. For imap alone that would be a waste:
// two more starts, not one.
func TestANodeIsLeftToThePoolThatNeedsItMost(t *testing.T) {
	nodes := plainNodes(2)
	serves(nodes[0], "old", "imap", "jmap")
	if got := seats(place(t, topologyOf(count("imap", 1, "imap"), count("both", 1, "imap", "jmap")), nodes)); got != "imap: node-2; both: node-1" {
		t.Error(got)
	}
}

// Any two of the three places would do.
func TestAmongEqualChoicesTheFirstNodesAreMembers(t *testing.T) {
	nodes := []*v1.Node{newNode("node-1", "a", "a1"), newNode("node-2", "a", "a2"), newNode("node-3", "b", "b1")}
	if got := seats(place(t, topologyOf(spread(count("one", 1, "imap"), "zone"), spread(count("two", 1, "imap"), "zone")), append(nodes, plainNodes(9)[3:]...))); got != "one: node-1; two: node-2" {
		t.Error(got)
	}
}

// together puts services of a node into one restart group.
func together(n *v1.Node, services ...string) {
	for _, s := range services {
		c := claimOf(n, s)
		c.ChangeMode, c.RestartGroup = v1.ChangeMode_CHANGE_MODE_RESTART, "mail"
	}
}

func mustPlace(t testing.TB, v View) *Target {
	t.Helper()
	target, err := Place(v)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func TestANodeThatIsDownGetsNoSeatByStandingIn(t *testing.T) {
	nodes := plainNodes(1)
	serves(nodes[0], "web", "webdav").State = v1.NodeState_NODE_STATE_DOWN
	nodes[0].Assignments[0].Borrowed = true
	if got := seats(place(t, topologyOf(count("web", 1, "webdav")), nodes)); got != "web: " {
		t.Error(got)
	}
}
