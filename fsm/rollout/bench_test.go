package rollout

import (
	"fmt"
	"testing"

	v1 "roster/proto/roster/v1"
)

func manyNodes(n int) []*v1.Node {
	var nodes []*v1.Node
	for i := range n {
		region := string(rune('a' + i%3))
		nodes = append(nodes, newNode(fmt.Sprintf("node-%d", i+1), fmt.Sprintf("%s%d", region, i/3%3)))
	}
	return nodes
}

// A node loss, placed and rolled out: what the leader does each time a node
// changes.
func BenchmarkNext(b *testing.B) {
	for _, n := range []int{10, 1000, 10000} {
		top := topologyOf(weight("imap", 4, "imap"), weight("web", 2, "jmap", "webdav"), weight("in", 2, "smtp-inbound"), weight("out", 2, "smtp-outbound"))
		unified := topologyOf(all("all", five...))
		for name, nodes := range map[string][]*v1.Node{"first": manyNodes(n), "unified": serving5(manyNodes(n))} {
			view := View{Now: noon, Topology: top, Target: place(b, top, nodes), Nodes: nodes}
			b.Run(fmt.Sprintf("%d/%s", n, name), func(b *testing.B) {
				for b.Loop() {
					Next(view)
				}
			})
			b.Run(fmt.Sprintf("%d/%s/plan", n, name), func(b *testing.B) {
				for b.Loop() {
					Plan(view)
				}
			})
		}
		nodes := serving5(manyNodes(n))
		view := View{Now: noon, Topology: unified, Target: place(b, unified, nodes), Nodes: nodes}
		b.Run(fmt.Sprintf("%d/done", n), func(b *testing.B) {
			for b.Loop() {
				Next(view)
			}
		})
	}
}

// serving5 has every service ready on every node, as unified leaves it.
func serving5(nodes []*v1.Node) []*v1.Node {
	for _, n := range nodes {
		for _, service := range five {
			n.Assignments = append(n.Assignments, &v1.Assignment{Service: service, Node: n.Id, Pool: "all", Wanted: v1.Wanted_WANTED_SERVING})
			n.Reports = append(n.Reports, &v1.ServiceReport{Service: service, State: v1.ServiceState_SERVICE_STATE_SERVING})
		}
	}
	return nodes
}

// A transition from model to model, and a node loss, from beginning to end, with
// a floor in each zone.
func BenchmarkForward(b *testing.B) {
	for _, n := range []int{10, 1000, 10000} {
		top := topologyOf(weight("imap", 4, "imap"), weight("web", 2, "jmap", "webdav"), weight("in", 2, "smtp-inbound"), weight("out", 2, "smtp-outbound"))
		perZone(top, "imap", 1)
		unified := perZone(topologyOf(all("all", five...)), "imap", 1)
		nodes := serving5(manyNodes(n))
		models := View{Now: noon, Topology: top, Target: place(b, top, nodes), Nodes: nodes, Restraints: Restraints{Open: true}}
		b.Run(fmt.Sprintf("%d/models", n), func(b *testing.B) {
			waves := 0
			for b.Loop() {
				waves = len(Plan(models).GetWaves())
			}
			b.ReportMetric(float64(waves), "waves")
		})
		lost := serving5(manyNodes(n))
		lost[0].State, lost[0].StateSince = v1.NodeState_NODE_STATE_DOWN, stamp(noon)
		loss := View{Now: noon, Topology: unified, Target: place(b, unified, lost), Nodes: lost}
		b.Run(fmt.Sprintf("%d/loss", n), func(b *testing.B) {
			for b.Loop() {
				Next(loss)
			}
		})
	}
}
