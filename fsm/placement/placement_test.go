package placement

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	v1 "roster/proto/roster/v1"
)

// models are the six examples with the sizes that each must give on ten nodes,
// and the seats of a first placement.
var models = []struct {
	name  string
	top   *v1.Topology
	sizes string
	seats string
}{
	{
		"unified", topologyOf(all("all", five...)),
		"all 10/10",
		"all: node-1 node-2 node-3 node-4 node-5 node-6 node-7 node-8 node-9 node-10",
	},
	{
		"service-specific", topologyOf(count("imap", 2, "imap"), count("jmap", 2, "jmap"), count("webdav", 2, "webdav"),
			count("smtp-in", 2, "smtp-inbound"), count("smtp-out", 2, "smtp-outbound")),
		"imap 2/2, jmap 2/2, webdav 2/2, smtp-in 2/2, smtp-out 2/2",
		"imap: node-1 node-2; jmap: node-3 node-4; webdav: node-5 node-6; smtp-in: node-7 node-8; smtp-out: node-9 node-10",
	},
	{
		"weighted", topologyOf(weight("imap", 4, "imap"), weight("web", 2, "jmap", "webdav"),
			weight("smtp", 4, "smtp-inbound", "smtp-outbound")),
		"imap 4/4, web 2/2, smtp 4/4",
		"imap: node-1 node-2 node-3 node-4; web: node-5 node-6; smtp: node-7 node-8 node-9 node-10",
	},
	{
		"paired", topologyOf(count("mailbox", 4, "imap", "jmap"), count("webdav", 2, "webdav"),
			count("smtp", 4, "smtp-inbound", "smtp-outbound")),
		"mailbox 4/4, webdav 2/2, smtp 4/4",
		"mailbox: node-1 node-2 node-3 node-4; webdav: node-5 node-6; smtp: node-7 node-8 node-9 node-10",
	},
	{
		"geographic", topologyOf(
			where(count("a-imap", 1, "imap"), "region", "a"),
			where(count("a-smtp-in", 2, "smtp-inbound"), "region", "a"),
			where(count("b-mailbox", 1, "imap", "jmap"), "region", "b"),
			where(count("b-smtp-out", 2, "smtp-outbound"), "region", "b"),
			where(count("c-webdav", 2, "webdav"), "region", "c"),
			where(count("c-jmap", 1, "jmap"), "region", "c"),
			where(count("c-smtp", 1, "smtp-inbound", "smtp-outbound"), "region", "c")),
		"a-imap 1/1, a-smtp-in 2/2, b-mailbox 1/1, b-smtp-out 2/2, c-webdav 2/2, c-jmap 1/1, c-smtp 1/1",
		"a-imap: node-1; a-smtp-in: node-2 node-3; b-mailbox: node-4; b-smtp-out: node-5 node-6; c-webdav: node-7 node-8; c-jmap: node-9; c-smtp: node-10",
	},
	{
		"mixed", topologyOf(spread(count("imap-only", 2, "imap"), "zone"),
			where(count("out-only", 2, "smtp-outbound"), "region", "b"), all("unified", five...)),
		"imap-only 2/2, out-only 2/2, unified 6/6",
		"imap-only: node-1 node-3; out-only: node-4 node-5; unified: node-2 node-6 node-7 node-8 node-9 node-10",
	},
}

func TestTheSixExamplesGetTheirSizesAndSeats(t *testing.T) {
	for _, m := range models {
		t.Run(m.name, func(t *testing.T) {
			target := place(t, m.top, tenNodes())
			if got := sizes(target); got != m.sizes {
				t.Errorf("sizes are %s, want %s", got, m.sizes)
			}
			if got := seats(target); got != m.seats {
				t.Errorf("seats are %s, want %s", got, m.seats)
			}
			if len(target.Shortages) > 0 {
				t.Errorf("shortages: %v", target.Shortages)
			}
		})
	}
}

func TestPlacingAgainAfterARolloutMovesNothing(t *testing.T) {
	for _, first := range models {
		for _, second := range models {
			nodes := settle(tenNodes(), first.top, place(t, first.top, tenNodes()))
			target := place(t, second.top, nodes)
			again := place(t, second.top, settle(nodes, second.top, target))
			if seats(again) != seats(target) {
				t.Errorf("%s, then %s: %s became %s", first.name, second.name, seats(target), seats(again))
			}
		}
	}
}

func TestWeightsDoubleOnTwiceTheNodes(t *testing.T) {
	if got, want := sizes(place(t, models[2].top, plainNodes(20))), "imap 8/8, web 4/4, smtp 8/8"; got != want {
		t.Errorf("sizes are %s, want %s", got, want)
	}
}

func TestAPoolMakesWayForOneThatHasNoOtherNode(t *testing.T) {
	nodes := plainNodes(2)
	nodes[0].Labels = map[string]string{"egress": "yes"}
	target := place(t, topologyOf(count("any", 1, "imap"), where(count("egress", 1, "smtp-outbound"), "egress", "yes")), nodes)
	if got, want := seats(target), "any: node-2; egress: node-1"; got != want {
		t.Errorf("seats are %s, want %s", got, want)
	}
}

func TestATransitionReusesNodesThatRunTheServices(t *testing.T) {
	nodes := plainNodes(4)
	before := topologyOf(count("imap", 2, "imap"), count("jmap", 2, "jmap"))
	nodes = settle(nodes, before, place(t, before, nodes))
	// The file lists the pools the other way round, under other names.
	after := topologyOf(count("web", 2, "jmap"), count("mail", 2, "imap"))
	if got, want := seats(place(t, after, nodes)), "web: node-3 node-4; mail: node-1 node-2"; got != want {
		t.Errorf("seats are %s, want %s", got, want)
	}
}

func TestMembersKeepTheirSeatsWhereOthersAreBetterByOrder(t *testing.T) {
	nodes := plainNodes(3)
	top := topologyOf(count("imap", 2, "imap"))
	nodes = settle(nodes[1:], top, place(t, top, nodes[1:]))
	nodes = append(nodes, newNode("node-1", "a", "a1"))
	if got, want := seats(place(t, top, nodes)), "imap: node-2 node-3"; got != want {
		t.Errorf("seats are %s, want %s", got, want)
	}
}

func TestPoolsOfTheSameServiceDoNotSwapMembers(t *testing.T) {
	before := topologyOf(count("west", 1, "imap"), count("east", 1, "imap"))
	nodes := settle(plainNodes(2), before, place(t, before, plainNodes(2)))
	after := topologyOf(count("east", 1, "imap"), count("west", 1, "imap"))
	if got, want := seats(place(t, after, nodes)), "east: node-2; west: node-1"; got != want {
		t.Errorf("seats are %s, want %s", got, want)
	}
}

func TestAPoolThatGrowsKeepsItsMembersAndTakesUnusedNodes(t *testing.T) {
	before := topologyOf(count("imap", 2, "imap"), count("jmap", 2, "jmap"))
	nodes := settle(plainNodes(6), before, place(t, before, plainNodes(6)))
	after := topologyOf(count("imap", 3, "imap"), count("jmap", 2, "jmap"))
	if got, want := seats(place(t, after, nodes)), "imap: node-1 node-2 node-5; jmap: node-3 node-4"; got != want {
		t.Errorf("seats are %s, want %s", got, want)
	}
}

func TestADownNodeKeepsItsSeatAndGetsNoNewOne(t *testing.T) {
	for _, state := range []v1.NodeState{v1.NodeState_NODE_STATE_DOWN, v1.NodeState_NODE_STATE_SUSPECT} {
		top := topologyOf(count("imap", 2, "imap"))
		nodes := settle(plainNodes(3), top, place(t, top, plainNodes(3)))
		nodes[0].State = state
		if got, want := seats(place(t, top, nodes)), "imap: node-1 node-2"; got != want {
			t.Errorf("%v: seats are %s, want %s", state, got, want)
		}
		fresh := plainNodes(3)
		fresh[0].State = state
		if got, want := seats(place(t, top, fresh)), "imap: node-2 node-3"; got != want {
			t.Errorf("%v: seats are %s, want %s", state, got, want)
		}
	}
}

func TestACordonedNodeKeepsWhatItServesAndStartsNothing(t *testing.T) {
	unified := models[0].top
	nodes := settle(tenNodes(), unified, place(t, unified, tenNodes()))
	nodes[0].Settings.Cordoned = true
	if got := place(t, unified, nodes); len(members(got, "all")) != 10 {
		t.Errorf("seats are %s: the cordoned node lost its own", seats(got))
	}
	// Under another topology it may serve on, as nothing new starts there.
	target := place(t, models[1].top, nodes)
	if got := sizes(target); got != models[1].sizes {
		t.Errorf("sizes are %s, want %s", got, models[1].sizes)
	}
	// But a node that is free to start is better.
	if got, want := seats(place(t, topologyOf(count("imap", 2, "imap")), nodes)), "imap: node-2 node-3"; got != want {
		t.Errorf("seats are %s, want %s", got, want)
	}
	fresh := tenNodes()
	fresh[0].Settings.Cordoned = true
	if got := members(place(t, unified, fresh), "all"); len(got) != 9 || got[0] != "node-2" {
		t.Errorf("unified on a cordoned node: %v", got)
	}
}

func TestAFailureNeverResizesAPool(t *testing.T) {
	top := models[2].top
	nodes := settle(tenNodes(), top, place(t, top, tenNodes()))
	nodes[4].State = v1.NodeState_NODE_STATE_DOWN
	nodes[9].State = v1.NodeState_NODE_STATE_DOWN
	if got, want := seats(place(t, top, nodes)), models[2].seats; got != want {
		t.Errorf("seats are %s, want %s", got, want)
	}
	fresh := tenNodes()
	fresh[9].State = v1.NodeState_NODE_STATE_DOWN
	if got, want := sizes(place(t, top, fresh)), "imap 4/4, web 2/2, smtp 3/4"; got != want {
		t.Errorf("sizes are %s, want %s", got, want)
	}
}

func TestSpreadIsNestedAndOuterKeysComeFirst(t *testing.T) {
	target := place(t, topologyOf(spread(count("imap", 4, "imap"), "region", "zone")), tenNodes())
	if got, want := seats(target), "imap: node-1 node-3 node-4 node-7"; got != want {
		t.Errorf("seats are %s, want %s", got, want)
	}
}

func TestInAShortageHigherPriorityIsFilledFirst(t *testing.T) {
	target := place(t, topologyOf(count("imap", 3, "imap"), priority(count("smtp", 2, "smtp-inbound"), 5), count("jmap", 1, "jmap")), plainNodes(4))
	if got, want := sizes(target), "imap 2/3, smtp 2/2, jmap 0/1"; got != want {
		t.Errorf("sizes are %s, want %s", got, want)
	}
	if len(target.Shortages) != 2 {
		t.Fatalf("shortages: %v", target.Shortages)
	}
	s := target.Shortages[0]
	want := "pool imap wants 3 nodes and gets 2: 4 of 4 nodes may be its members, and it shares them with smtp"
	if s.Pool != "imap" || s.Wanted != 3 || s.Got != 2 || s.Reason != want {
		t.Errorf("shortage is %v", s)
	}
}

func TestAShortageCountsTheNodesThatMayNotBeMembers(t *testing.T) {
	nodes := tenNodes()
	nodes[0].Settings.Cordoned = true
	nodes[1].State = v1.NodeState_NODE_STATE_DOWN
	nodes[2].Claims.Services = nodes[2].Claims.Services[1:]
	target := place(t, topologyOf(where(count("imap", 2, "imap"), "region", "a")), nodes)
	want := "pool imap wants 2 nodes and gets 0: 0 of 10 nodes may be its members (7 outside its where, 1 unable to run its services, 1 cordoned, 1 not up)"
	if len(target.Shortages) != 1 || target.Shortages[0].Reason != want {
		t.Errorf("shortages are %v", target.Shortages)
	}
}

func TestAShortageNamesALabelThatNoNodeHas(t *testing.T) {
	nodes := tenNodes()
	nodes[0].Labels = map[string]string{"disk": "hdd"}
	lost := where(where(where(count("imap", 2, "imap"), "egress", "yes"), "disk", "ssd"), "region", "a")
	target := place(t, topologyOf(lost), nodes)
	want := "pool imap wants 2 nodes and gets 0: 0 of 10 nodes may be its members (10 outside its where); no node at all has a label egress, which its where asks for"
	if len(target.Shortages) != 1 || target.Shortages[0].Reason != want {
		t.Errorf("shortages are %v", target.Shortages)
	}
}

func TestMinSaysWhatAPoolCanDoWithout(t *testing.T) {
	empty := all("rest", five...)
	top := topologyOf(count("imap", 2, "imap"), empty)
	if got := place(t, top, plainNodes(2)).Shortages; len(got) != 1 || got[0].Pool != "rest" {
		t.Errorf("an empty pool is no shortage: %v", got)
	}
	empty.Min = proto.Uint32(0)
	if got := place(t, top, plainNodes(2)).Shortages; len(got) != 0 {
		t.Errorf("min 0 is a shortage: %v", got)
	}
	empty.Min = proto.Uint32(3)
	if got := place(t, top, plainNodes(4)).Shortages; len(got) != 1 || got[0].Wanted != 3 || got[0].Got != 2 {
		t.Errorf("min 3 with 2 members: %v", got)
	}
}

func TestANodeThatLeavesTheWhereLosesItsSeat(t *testing.T) {
	top := topologyOf(where(count("imap", 1, "imap"), "zone", "a1"))
	nodes := settle(plainNodes(2), top, place(t, top, plainNodes(2)))
	nodes[0].Zone = "a2"
	if got, want := seats(place(t, top, nodes)), "imap: node-2"; got != want {
		t.Errorf("seats are %s, want %s", got, want)
	}
}

func TestGreaterCapacityComesFirstThenAsPeopleCount(t *testing.T) {
	nodes := plainNodes(12)
	nodes[11].Capacity = 200
	if got, want := seats(place(t, topologyOf(count("imap", 3, "imap")), nodes)), "imap: node-1 node-2 node-12"; got != want {
		t.Errorf("seats are %s, want %s", got, want)
	}
	if got, want := seats(place(t, topologyOf(count("imap", 1, "imap"), count("jmap", 9, "jmap")), nodes)),
		"imap: node-12; jmap: node-1 node-2 node-3 node-4 node-5 node-6 node-7 node-8 node-9"; got != want {
		t.Errorf("seats are %s, want %s", got, want)
	}
}

func TestWhatCanNeverHoldIsAnError(t *testing.T) {
	for name, top := range map[string]*v1.Topology{
		"twice":   topologyOf(count("imap", 1, "imap"), count("imap", 1, "jmap")),
		"no size": topologyOf(&v1.Pool{Name: "imap", Services: []string{"imap"}}),
		"spread":  topologyOf(spread(count("imap", 1, "imap"), "a", "b", "c", "d", "e", "f", "g", "h", "i")),
	} {
		if _, err := Place(View{Topology: top}); err == nil || !strings.Contains(err.Error(), ErrImpossible.Error()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if target := place(t, nil, tenNodes()); len(target.Seats) > 0 {
		t.Errorf("no topology, but seats: %v", target.Seats)
	}
}

func TestIdsAreOrderedAsPeopleCount(t *testing.T) {
	in := []string{"a", "node-2", "node-10", "node-10a", "node-010", "node-11", "node-a", "z9", "z10"}
	for i := range in {
		for j := range in {
			got := Compare(in[i], in[j])
			if Compare(in[j], in[i]) != -got || (i == j) != (got == 0) {
				t.Errorf("Compare(%s, %s) is %d", in[i], in[j], got)
			}
		}
	}
	for _, pair := range [][2]string{{"node-2", "node-10"}, {"node-10", "node-10a"}, {"z9", "z10"}, {"node-9", "node-a"}} {
		if !Less(pair[0], pair[1]) {
			t.Errorf("%s is not before %s", pair[0], pair[1])
		}
	}
}
