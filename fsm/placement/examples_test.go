package placement

import (
	"testing"

	"roster/fsm/topology"
)

// The files that ship with Roster, read as an operator's would be.
func TestTheEmbeddedExamplesAreFilledOnTheirTenNodes(t *testing.T) {
	assignments := map[string]int{"unified": 50, "service-specific": 10, "weighted": 16, "paired": 18, "geographic": 12, "mixed": 34}
	for _, name := range topology.Examples() {
		src, _ := topology.Example(name)
		parsed, err := topology.Parse(name+".yaml", src)
		if err != nil {
			t.Fatal(err)
		}
		nodes, err := topology.ParseNodes("nodes.yaml", topology.ExampleNodes())
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes {
			n.State = newNode("", "", "").State
		}
		top := topology.Effective(parsed)
		target := place(t, top, nodes)
		if len(target.Shortages) > 0 {
			t.Errorf("%s: %v", name, target.Shortages)
		}
		n := 0
		for _, set := range target.Wanted(top) {
			n += len(set)
		}
		if n != assignments[name] {
			t.Errorf("%s: %d assignments, want %d: %s", name, n, assignments[name], seats(target))
		}
	}
}

func TestNodesAndExcludeTakeRanges(t *testing.T) {
	p := count("imap", 3, "imap")
	p.Nodes, p.Exclude = []string{"node-[2-5]", "node-9"}, []string{"node-[3-4]"}
	if got, want := seats(place(t, topologyOf(p), tenNodes())), "imap: node-2 node-5 node-9"; got != want {
		t.Errorf("seats are %s, want %s", got, want)
	}
	p.Nodes = []string{"node-[5-2]"}
	if _, err := Place(View{Topology: topologyOf(p), Nodes: tenNodes()}); err == nil {
		t.Errorf("a range that runs backwards is accepted")
	}
}
