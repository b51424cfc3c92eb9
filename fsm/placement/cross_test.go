package placement

import (
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	v1 "roster/proto/roster/v1"
)

// grid has a node for each zone and rack.
func grid(zones, racks int) []*v1.Node {
	var nodes []*v1.Node
	for i := range zones * racks {
		n := newNode(fmt.Sprintf("node-%d", i+1), "r", fmt.Sprintf("z%d", i/racks))
		n.Labels = map[string]string{"rack": fmt.Sprintf("k%d", i%racks)}
		nodes = append(nodes, n)
	}
	return nodes
}

func TestKeysThatCrossAreBothSpread(t *testing.T) {
	target := place(t, topologyOf(spread(count("imap", 3, "imap"), "zone", "rack")), grid(3, 3))
	if got := seats(target); got != "imap: node-3 node-5 node-7" {
		t.Error(got)
	}
	if b := target.Spreads; len(b) != 1 || b[0].Key != "rack" || b[0].Sum != 3 || b[0].Bound != 3 {
		t.Error(b)
	}
}

func TestKeysThatAreNestedNeedNoBound(t *testing.T) {
	if b := place(t, topologyOf(spread(count("imap", 4, "imap"), "region", "zone")), tenNodes()).Spreads; len(b) > 0 {
		t.Error(b)
	}
}

// No node is without a seat, so members are swapped.
func TestPoolsSwapMembersForKeysThatCross(t *testing.T) {
	target := place(t, topologyOf(spread(weight("imap", 1, "imap"), "zone", "rack"), spread(weight("web", 1, "jmap"), "zone", "rack")), grid(4, 4))
	for _, b := range target.Spreads {
		if b.Sum != 16 || b.Bound != 16 {
			t.Error(b)
		}
	}
}

func TestPlacingAgainMovesNothingWhereKeysCross(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		top, nodes := anyTopology(t, 4), anyNodes(t, 12, true)
		enrich(t, top, nodes, true)
		for _, n := range nodes {
			n.State, n.Settings.Cordoned = v1.NodeState_NODE_STATE_UP, false
		}
		target := placed(t, top, nodes)
		settled := settle(nodes, top, target)
		if again := placed(t, top, settled); !reflect.DeepEqual(again.Wanted(top), target.Wanted(top)) {
			t.Fatalf("%s became %s%s", seats(target), seats(again), describe(top, nodes))
		}
	})
}
