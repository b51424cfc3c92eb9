package placement

import (
	"fmt"
	"reflect"
	"slices"
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

// Both pools choose among the same nodes: zones for the one are at odds with
// racks for the other.
func TestZonesOfOnePoolAreNotGivenUpForRacksOfAnother(t *testing.T) {
	var nodes []*v1.Node
	for i, place := range [][2]string{{"b1", "r1"}, {"b2", ""}, {"b1", ""}, {"b2", ""}, {"b2", "r1"}} {
		n := newNode(fmt.Sprintf("node-%d", i+1), "b", place[0])
		if place[1] != "" {
			n.Labels = map[string]string{"rack": place[1]}
		}
		nodes = append(nodes, n)
	}
	nodes[1].Claims.Services = nodes[1].Claims.Services[1:] // not imap
	top := topologyOf(spread(count("web", 2, "jmap"), "region", "zone"), spread(all("imap", "imap"), "zone", "rack"))
	target := place(t, top, nodes)
	if again := place(t, top, settle(nodes, top, target)); seats(again) != seats(target) {
		t.Errorf("%s became %s", seats(target), seats(again))
	}
	zones := map[string]bool{}
	for _, id := range members(target, "web") {
		zones[map[string]string{"node-1": "b1", "node-3": "b1"}[id]] = true
	}
	if len(zones) != 2 {
		t.Error(seats(target))
	}
}

// The racks of imap would be more even by more than the zones of web would be
// less, if web gave up its only node in b2.
func TestZonesOfOnePoolWeighMoreThanRacksOfAnother(t *testing.T) {
	var nodes []*v1.Node
	for i, place := range [][2]string{{"b1", "r1"}, {"b1", "r1"}, {"b1", "r1"}, {"b2", "r1"}, {"b2", "r2"}} {
		n := newNode(fmt.Sprintf("node-%d", i+1), "b", place[0])
		n.Labels = map[string]string{"rack": place[1]}
		nodes = append(nodes, n)
	}
	nodes[3].Claims.Services = nodes[3].Claims.Services[:1] // imap alone
	top := topologyOf(spread(count("web", 2, "jmap"), "region", "zone"), spread(all("imap", "imap"), "zone", "rack"))
	if target := place(t, top, nodes); !slices.Contains(members(target, "web"), "node-5") {
		t.Error(seats(target))
	}
}

func TestTheBoundIsTheLeastSumOfSquares(t *testing.T) {
	for shape := range 4 * 4 * 4 {
		room := []int{shape % 4, shape / 4 % 4, shape / 16}
		for units := range room[0] + room[1] + room[2] + 1 {
			best := uint64(1 << 62)
			for a := range room[0] + 1 {
				for b := range room[1] + 1 {
					if c := units - a - b; c >= 0 && c <= room[2] {
						best = min(best, uint64(a*a+b*b+c*c))
					}
				}
			}
			if got := leastSquares(room, units); got != best {
				t.Errorf("%d over %v: %d, not %d", units, room, got, best)
			}
		}
	}
}
