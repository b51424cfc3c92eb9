package placement

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "roster/proto/roster/v1"
)

// manyNodes are n nodes in three regions of three zones each.
func manyNodes(n int) []*v1.Node {
	var nodes []*v1.Node
	for i := range n {
		region := string(rune('a' + i%3))
		nodes = append(nodes, newNode(fmt.Sprintf("node-%d", i+1), region, fmt.Sprintf("%s%d", region, i/3%3)))
	}
	return nodes
}

func manyPools(keys ...string) *v1.Topology {
	top := topologyOf(weight("imap", 4, "imap"), weight("web", 2, "jmap", "webdav"), weight("in", 2, "smtp-inbound"), weight("out", 2, "smtp-outbound"))
	for _, p := range top.Pools {
		p.Spread = keys
	}
	return top
}

func BenchmarkPlace(b *testing.B) {
	for _, n := range []int{10, 1000, 10000} {
		for _, kind := range []string{"plain", "spread"} {
			top := manyPools()
			if kind == "spread" {
				top = manyPools("region", "zone")
			}
			fresh := manyNodes(n)
			target := place(b, top, fresh)
			settled := settle(fresh, top, target)
			lossy := settle(fresh, top, target)
			for i := range n / 10 {
				lossy[i*7%n].State = v1.NodeState_NODE_STATE_DOWN
			}
			now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
			gone := settle(fresh, top, target)
			for i := range n / 10 {
				gone[i*7%n].State, gone[i*7%n].StateSince = v1.NodeState_NODE_STATE_DOWN, timestamppb.New(now.Add(-time.Hour))
			}
			spare := topologyOf(count("imap", uint32(n/2), "imap"), count("web", uint32(n/3), "jmap", "webdav"))
			idle := settle(fresh, spare, place(b, spare, fresh))
			for i := range n / 10 {
				idle[i*7%n].State = v1.NodeState_NODE_STATE_DOWN
			}
			floors := map[string]uint32{"imap": uint32(n / 2), "jmap": uint32(n / 4)}
			other := topologyOf(count("all", uint32(n/2), five...), count("imap", uint32(n/2), "imap"))
			for name, view := range map[string]View{
				"first": {Topology: top, Nodes: fresh}, "again": {Topology: top, Nodes: settled}, "tenth-down": {Topology: top, Nodes: lossy}, "transition": {Topology: other, Nodes: settled},
				"tenth-gone": {Topology: top, Nodes: gone, Now: now}, "tenth-borrowed": {Topology: top, Nodes: lossy, Floors: map[string]uint32{"imap": uint32(n * 2 / 5)}},
				"stand-ins": {Topology: spare, Nodes: idle, Floors: floors},
			} {
				b.Run(fmt.Sprintf("%d/%s/%s", n, kind, name), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						if _, err := Place(view); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
