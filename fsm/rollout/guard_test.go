package rollout

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"pgregory.net/rapid"

	v1 "roster/proto/roster/v1"
)

// hear is a guard's view of nodes of which some are silent.
func hear(nodes []*v1.Node, silent ...string) GuardView {
	return GuardView{Nodes: nodes, Silent: func(id string) bool { return slices.Contains(silent, id) }, Now: noon, Policy: &v1.Policy{
		HoldAbove: &v1.Percent{Value: 30}, HoldMax: durationpb.New(15 * time.Minute),
	}}
}

func mustBegin(t *testing.T, v GuardView, begins bool) {
	t.Helper()
	change := Guard(v)
	if got := change.GetHold() != nil; got != begins {
		t.Errorf("it is %v that a hold begins, want %v: %v", got, begins, change)
	}
}

// held is a view in which a hold is in force since noon.
func held(v GuardView) GuardView {
	v.Hold = Guard(hear(tenNodes(), "node-1", "node-4", "node-7", "node-10")).GetHold()
	v.Hold.Registered = uint32(len(v.Nodes))
	return v
}

func mustEnd(t *testing.T, v GuardView, why string) {
	t.Helper()
	change := Guard(v)
	if ends := change != nil && change.Hold == nil; ends != (why != "") || !strings.Contains(change.GetReason(), why) {
		t.Errorf("%v, want an end by %q", change, why)
	}
}

func TestFourOfTenAcrossRegionsAreAHold(t *testing.T) {
	hold := Guard(hear(tenNodes(), "node-10", "node-4", "node-7", "node-1")).GetHold()
	if hold.GetSilentCount() != 4 || hold.GetRegistered() != 10 || hold.GetSlow() || !hold.GetSince().AsTime().Equal(noon) ||
		!slices.Equal(hold.GetSilent(), []string{"node-1", "node-4", "node-7", "node-10"}) || !strings.Contains(hold.GetReason(), "4 of 10 nodes are silent at once") {
		t.Errorf("%v", hold)
	}
}

func TestNoFewerThanThreeSilentNodesAreAHold(t *testing.T) {
	three := nodesOf(3)
	three[2].Zone = "a2"
	mustBegin(t, hear(three, "node-1", "node-3"), false) // two thirds
	mustBegin(t, hear(append(three, newNode("node-4", "b1")), "node-1", "node-3", "node-4"), true)
}

func TestAShareUpToHoldAboveIsNoHold(t *testing.T) {
	mustBegin(t, hear(tenNodes(), "node-1", "node-4", "node-7"), false) // 30 % is not more than 30 %
	v := hear(tenNodes(), "node-1", "node-4", "node-7")
	v.Policy.HoldAbove.Value = 29
	mustBegin(t, v, true)
	v.Policy = nil // the default
	mustBegin(t, v, false)
}

func TestObservingNodesCountAsRegistered(t *testing.T) {
	nodes := tenNodes()
	for _, n := range nodes[:3] {
		n.Mode = v1.AgentMode_AGENT_MODE_OBSERVE
	}
	mustBegin(t, hear(nodes, "node-4", "node-7", "node-10"), false) // of ten, not of seven
	mustBegin(t, hear(nodes, "node-1", "node-4", "node-7", "node-10"), true)
}

func TestExactlyOneZoneOrRegionIsNoHoldWhileTheRestIsHeard(t *testing.T) {
	nodes := tenNodes()
	region := []string{"node-7", "node-8", "node-9", "node-10"}
	mustBegin(t, hear(nodes, region...), false)
	mustBegin(t, hear(nodes, append(region, "node-1")...), true)
	mustBegin(t, hear(nodes, append(region[1:], "node-1")...), true) // not the whole region
	zone := append(nodesOf(4), newNode("node-5", "a2"), newNode("node-6", "a2"), newNode("node-7", "a2"))
	mustBegin(t, hear(zone, "node-5", "node-6", "node-7"), false)
	mustBegin(t, hear(zone, "node-4", "node-5", "node-6", "node-7"), true)
	// Zones of the same name in two regions are two zones.
	for i, n := range zone {
		n.Zone, n.Region = "1", []string{"a", "b", "c"}[i%3]
	}
	mustBegin(t, hear(zone, "node-1", "node-4", "node-7"), false) // region a
	zone[6].Region, zone[6].Zone = "", ""
	zone[3].Region, zone[3].Zone = "", ""
	zone[0].Region, zone[0].Zone = "", ""
	mustBegin(t, hear(zone, "node-1", "node-4", "node-7"), true) // no place at all is no place
}

func TestAllSilentAreAHoldThoughTheyAreOneZone(t *testing.T) {
	mustBegin(t, hear(nodesOf(3), "node-1", "node-2", "node-3"), true)
}

func TestNoHoldBeginsBeforeANodeIsDown(t *testing.T) {
	v := hear(tenNodes(), "node-1", "node-4", "node-7", "node-10")
	down := ""
	v.Down = func(id string) bool { return id == down }
	mustBegin(t, v, false)
	down = "node-2" // heard again, and marked so in the next pass
	mustBegin(t, v, false)
	down = "node-4"
	mustBegin(t, v, true)
}

func TestAHoldEndsUnderHalfOfHoldAbove(t *testing.T) {
	twenty := append(tenNodes(), manyNodes(20)[10:]...)
	mustEnd(t, held(hear(twenty, "node-1", "node-4", "node-7")), "") // 15 % is not under 15 %
	mustEnd(t, held(hear(twenty, "node-1", "node-4")), "2 of 20 nodes are silent, less than half of hold_above (30%)")
	mustEnd(t, held(hear(tenNodes(), "node-1", "node-4")), "")
	v := held(hear(tenNodes()))
	v.Policy.HoldAbove.Value = 0
	mustEnd(t, v, "every node is heard again")
}

func TestAHoldEndsOnceTheSilentAreExactlyOneZoneOrRegion(t *testing.T) {
	mustEnd(t, held(hear(tenNodes(), "node-7", "node-8", "node-9", "node-10")), "the 4 silent nodes are exactly region c, and the rest is heard")
	mustEnd(t, held(hear(tenNodes(), "node-7", "node-8")), "exactly zone c1")
	mustEnd(t, held(hear(tenNodes(), "node-7", "node-8", "node-9")), "")
}

func TestTheOperatorEndsAHoldAndLetsNoneBeginForAWhile(t *testing.T) {
	override := &v1.HoldOverride{Expires: stamp(noon.Add(time.Minute)), By: "anna", Reason: "power cut"}
	v := held(hear(tenNodes(), "node-1", "node-4", "node-7", "node-10"))
	v.Override = override
	mustEnd(t, v, "the operator says that the silence is real: power cut")
	v.Hold = nil
	mustBegin(t, v, false)
	v.Now = noon.Add(time.Minute)
	mustBegin(t, v, true)
}

func TestAfterHoldMaxAHoldIsSlowAndStaysSo(t *testing.T) {
	v := held(hear(tenNodes(), "node-1", "node-4", "node-7", "node-10"))
	v.Now = noon.Add(15*time.Minute - 1)
	if change := Guard(v); change != nil {
		t.Errorf("%v", change)
	}
	v.Now = noon.Add(15 * time.Minute)
	hold := Guard(v).GetHold()
	if !hold.GetSlow() || !hold.GetSince().AsTime().Equal(noon) {
		t.Errorf("%v", hold)
	}
	v.Hold, v.Now = hold, noon // a leader whose clock is behind
	if change := Guard(v); change != nil {
		t.Errorf("%v", change)
	}
}

func TestAHoldNamesWhoIsSilentNow(t *testing.T) {
	v := held(hear(tenNodes(), "node-1", "node-4", "node-7", "node-9"))
	if hold := Guard(v).GetHold(); !slices.Equal(hold.GetSilent(), []string{"node-1", "node-4", "node-7", "node-9"}) {
		t.Errorf("%v", hold)
	}
	nodes := manyNodes(1000)
	var silent []string
	for _, n := range nodes[:500] {
		silent = append(silent, n.Id)
	}
	if hold := Guard(hear(nodes, silent...)).GetHold(); len(hold.GetSilent()) != 100 || hold.GetSilentCount() != 500 {
		t.Errorf("%d named, %d counted", len(hold.GetSilent()), hold.GetSilentCount())
	}
}

// The same, in other words: whether a hold is justified is one sentence.
func TestAHoldIsWhatTheDesignSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var nodes []*v1.Node
		silent := map[string]bool{}
		for range rapid.IntRange(1, 12).Draw(t, "nodes") {
			n := newNode("node-"+string(rune('a'+len(nodes))), rapid.SampledFrom([]string{"a1", "a2", "b1", "c1"}).Draw(t, "zone"))
			nodes = append(nodes, n)
			silent[n.Id] = rapid.Bool().Draw(t, "silent")
		}
		at := func(key func(*v1.Node) string) bool { // the silent are all of one place, and the rest is heard
			heard, quiet := map[string]bool{}, map[string]bool{}
			for _, n := range nodes {
				if silent[n.Id] {
					quiet[key(n)] = true
				} else {
					heard[key(n)] = true
				}
			}
			for place := range quiet {
				return len(quiet) == 1 && !heard[place] && len(heard) > 0
			}
			return false
		}
		count := 0
		for _, s := range silent {
			if s {
				count++
			}
		}
		place := at(func(n *v1.Node) string { return n.Zone }) || at(func(n *v1.Node) string { return n.Region })
		above := uint32(rapid.IntRange(1, 100).Draw(t, "hold_above"))
		v := GuardView{Nodes: nodes, Silent: func(id string) bool { return silent[id] }, Now: noon, Policy: &v1.Policy{HoldAbove: &v1.Percent{Value: above}}}
		if got, want := Guard(v).GetHold() != nil, count >= 3 && float64(count)/float64(len(nodes)) > float64(above)/100+1e-9 && !place; got != want {
			t.Fatalf("%d of %d silent, place %v, hold_above %d: %v", count, len(nodes), place, above, got)
		}
		v.Hold = &v1.Hold{Since: stamp(noon)}
		before := proto.CloneOf(v.Hold)
		change := Guard(v)
		if got, want := change != nil && change.Hold == nil, float64(count)/float64(len(nodes)) < float64(above)/200-1e-9 || count == 0 || place; got != want {
			t.Fatalf("%d of %d silent, place %v, hold_above %d: it ends %v", count, len(nodes), place, above, got)
		}
		if !proto.Equal(before, v.Hold) {
			t.Fatalf("the record was changed")
		}
	})
}

// lostAt are nodes that went down at a time.
func lostAt(nodes []*v1.Node, at time.Time, ids ...string) []*v1.Node {
	for _, n := range nodes {
		if slices.Contains(ids, n.Id) {
			n.State, n.StateSince = v1.NodeState_NODE_STATE_DOWN, stamp(at)
		}
	}
	return nodes
}

// What died long ago and was replaced does not make a hold of the next loss, nor
// of a zone's.
func TestANodeThatIsDeadForGoodIsNoPartOfASilence(t *testing.T) {
	long := noon.Add(-5 * time.Minute) // replace_after
	two := []string{"node-1", "node-4"}
	next := append(two, "node-7", "node-9")
	mustBegin(t, hear(lostAt(tenNodes(), long, two...), next...), false)
	mustBegin(t, hear(lostAt(tenNodes(), long.Add(time.Second), two...), next...), true)
	region := append([]string{"node-1"}, "node-7", "node-8", "node-9", "node-10")
	mustBegin(t, hear(lostAt(tenNodes(), long, "node-1"), region...), false)
	mustBegin(t, hear(lostAt(tenNodes(), long, "node-7"), "node-8", "node-9", "node-10"), false) // the rest of region c
	// 3 of the 8 that are left.
	v := hear(lostAt(tenNodes(), long, two...), append(two, "node-2", "node-7", "node-9")...)
	mustBegin(t, v, true)
	if hold := Guard(v).GetHold(); hold.GetSilentCount() != 3 || hold.GetRegistered() != 8 {
		t.Errorf("%v", hold)
	}
	// Who is heard again is heard.
	mustBegin(t, hear(lostAt(tenNodes(), long, "node-1"), "node-2", "node-4", "node-7"), false)
	v = hear(lostAt(tenNodes(), long, "node-1"), "node-2", "node-4", "node-7")
	v.Policy.HoldAbove.Value = 29
	if got := Guard(v).GetHold().GetRegistered(); got != 10 {
		t.Errorf("of %d nodes", got)
	}
}

// While it holds, nobody grows old: else a hold would end with replace_after.
func TestAHoldIsNotOverBecauseItLasts(t *testing.T) {
	silent := []string{"node-1", "node-4", "node-7", "node-10"}
	v := held(hear(lostAt(tenNodes(), noon, silent...), silent...))
	v.Now = noon.Add(14 * time.Minute)
	mustEnd(t, v, "")
	if change := Guard(v); change != nil {
		t.Errorf("%v", change)
	}
	v.Now = noon.Add(time.Hour)
	mustEnd(t, v, "")
	if hold := Guard(v).GetHold(); !hold.GetSlow() || hold.GetSilentCount() != 4 {
		t.Errorf("%v", hold)
	}
	// The operator said that it is real: no other one begins once that expires.
	v.Hold = nil
	mustBegin(t, v, false)
}
