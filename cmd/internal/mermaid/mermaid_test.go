package mermaid

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	v1 "roster/proto/roster/v1"
)

func node(id, region, pool string, services ...string) *v1.NodeStatus {
	return &v1.NodeStatus{Id: id, Region: region, Pools: []string{pool}, Services: services}
}

func TestNodesAreGroupedByRoleOrRegionWithArrowsToServices(t *testing.T) {
	nodes := []*v1.NodeStatus{
		node("node-10", "b", "mail", "smtp-inbound", "smtp-outbound"),
		node("node-2", "a", "imap", "imap"),
		node("node-1", "b", "imap", "imap"),
		{Id: "node-3", Region: "a", Pools: []string{"mail"}, Services: []string{"imap", "smtp-inbound"}, Borrowed: []string{"imap"}, Draining: []string{"xmpp"}},
		{Id: "spare"},
	}
	want := `---
title: "my mail"
---
flowchart LR
  subgraph g1["imap"]
    n1["node-1"]
    n2["node-2"]
  end
  subgraph g2["mail"]
    n3["node-3"]
    n4["node-10"]
  end
  subgraph g3["no pool"]
    n5["spare"]
  end
  s1(["imap"])
  s2(["smtp-inbound"])
  s3(["smtp-outbound"])
  s4(["xmpp"])
  n1 --> s1
  n2 --> s1
  n3 -. "borrowed" .-> s1
  n3 --> s2
  n3 -. "draining" .-> s4
  n4 --> s2
  n4 --> s3
`
	if got := Draw("my mail", nodes, Role); got != want {
		t.Errorf("got\n%s", got)
	}
	got := Draw("", nodes, Region)
	for _, line := range []string{"flowchart LR\n  subgraph g1[\"region b\"]\n    n1[\"node-1\"]\n    n2[\"node-10\"]\n", "subgraph g3[\"no region\"]\n"} {
		if !strings.Contains(got, line) {
			t.Errorf("no %q in\n%s", line, got)
		}
	}
}

func TestAThousandNodesThatDoTheSameAreOneBox(t *testing.T) {
	var nodes []*v1.NodeStatus
	for i := range 1000 {
		pool := "imap"
		if i >= 40 {
			pool = "mail"
		}
		nodes = append(nodes, node(fmt.Sprintf("node-%d", i+1), fmt.Sprintf("r%d", i%3), pool, pool))
	}
	nodes[999].Draining = []string{"imap"}
	got := Draw("large", nodes, Role)
	for _, box := range []string{`["node-1 … node-40, 40 nodes"]`, `["node-41 … node-999, 959 nodes"]`, `["node-1000"]`} {
		if strings.Count(got, box) != 1 {
			t.Errorf("no %s in\n%s", box, got)
		}
	}
}

// line is everything that a drawing may have: whatever a name says stays inside
// its quotes.
var line = regexp.MustCompile(`^(---|title: "([^"\\]|\\["\\])*"|flowchart LR|  subgraph g\d+\["[^"]*"\]|    n\d+\["[^"]*"\]|  end|  s\d+\(\["[^"]*"\]\)|  n\d+ --> s\d+|  n\d+ -\. "(borrowed|draining)" \.-> s\d+)$`)

func TestNoNameBreaksADrawing(t *testing.T) {
	names := []string{"a", `"]; x --> y`, "end", "#quot;", "<b>", "`code`", "a\nb --> c", "%% no", "a | b", "ü", "region: \"x\"", `\`, "[(x)]", "&amp;", "\u2028"}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(names)
		var nodes []*v1.NodeStatus
		for range rapid.IntRange(0, 30).Draw(t, "nodes") {
			n := node(name.Draw(t, "id"), name.Draw(t, "region"), name.Draw(t, "pool"), rapid.SliceOfDistinct(name, rapid.ID).Draw(t, "services")...)
			if rapid.Bool().Draw(t, "borrows") && len(n.Services) > 0 {
				n.Borrowed = n.Services[:1]
			}
			nodes = append(nodes, n)
		}
		by := rapid.SampledFrom([]By{Role, Region}).Draw(t, "by")
		got := Draw(name.Draw(t, "title"), nodes, by)
		for _, l := range strings.Split(strings.TrimSuffix(got, "\n"), "\n") {
			if !line.MatchString(l) {
				t.Fatalf("line %q of\n%s", l, got)
			}
			for _, quoted := range regexp.MustCompile(`\["([^"]*)"\]`).FindAllStringSubmatch(l, -1) {
				if rest := regexp.MustCompile(`#(quot|\d+);`).ReplaceAllString(quoted[1], ""); strings.ContainsAny(rest, "#;<>`&|[]{}\\%") {
					t.Fatalf("label %q has markup", quoted[1])
				}
			}
		}
	})
}
