package placement

import (
	"fmt"
	"os"
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

// manyPools are weights that compete for all nodes, spread over region and zone.
func manyPools(n, turn int) *v1.Topology {
	top := topologyOf()
	for k := range n {
		top.Pools = append(top.Pools, spread(weight(fmt.Sprintf("pool-%d-%d", turn, k), uint32(1+(k+turn)%4), five[(k+turn)%5]), "region", "zone"))
	}
	return top
}

// ROSTER_BENCH=full adds 100,000 nodes.
func BenchmarkPlace(b *testing.B) {
	sizes := []int{10, 100, 1000, 10000}
	if os.Getenv("ROSTER_BENCH") == "full" {
		sizes = append(sizes, 100000)
	}
	for _, pools := range []int{5, 50} {
		for _, n := range sizes {
			benchmarkPlace(b, pools, n)
		}
	}
}

func benchmarkPlace(b *testing.B, pools, n int) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	top, fresh := manyPools(pools, 0), manyNodes(n)
	view := func(top *v1.Topology, nodes []*v1.Node, floor uint32) View {
		floors := map[string]uint32{}
		for _, s := range five {
			floors[s] = floor
		}
		return View{Topology: top, Nodes: nodes, Now: now, Floors: floors}
	}
	target := mustPlace(b, view(top, fresh, 0))
	lose := func(lost func(i int) bool) []*v1.Node {
		nodes := settle(fresh, top, target)
		for i, n := range nodes {
			for _, a := range n.Assignments {
				n.Reports = append(n.Reports, &v1.ServiceReport{Service: a.Service, State: v1.ServiceState_SERVICE_STATE_SERVING})
			}
			if lost(i) {
				n.State, n.StateSince = v1.NodeState_NODE_STATE_DOWN, timestamppb.New(now)
			}
		}
		return nodes
	}
	for _, c := range []struct {
		name string
		view View
	}{
		{"first placement", view(top, fresh, 1)},
		{"nothing to do", view(top, lose(func(int) bool { return false }), 1)},
		{"one node lost", view(top, lose(func(i int) bool { return i == n/2 }), 1)},
		// A tenth of all nodes is what each service must have.
		{"a region lost", view(top, lose(func(i int) bool { return i%3 == 0 }), uint32(n/10))},
		{"model to model", view(manyPools(pools, 2), lose(func(int) bool { return false }), 1)},
	} {
		b.Run(fmt.Sprintf("%d nodes/%d pools/%s", n, pools, c.name), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Place(c.view); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
