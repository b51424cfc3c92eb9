package dev

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"roster/fsm/placement"
	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
)

// What the documents show must run with `roster dev -f`, as it stands.
func TestTheTopologiesInTheDocumentsAreFilledOnTheNodesOfDev(t *testing.T) {
	for _, file := range []string{"README.md", "docs/topology.md"} {
		text, err := os.ReadFile("../../../" + file)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, block := range regexp.MustCompile(`(?m)(^    .*\n)+`).FindAllString(string(text), -1) {
			source := regexp.MustCompile(`(?m)^    `).ReplaceAllString(block, "")
			if !strings.HasPrefix(source, "name: ") {
				continue
			}
			found++
			parsed, err := topology.Parse(file, []byte(source))
			if err != nil {
				t.Fatal(err)
			}
			nodes, err := NodesFrom("")
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range nodes {
				n.State = v1.NodeState_NODE_STATE_UP
				for _, s := range servicesOf(parsed) {
					n.Claims.Services = append(n.Claims.Services, &v1.ServiceClaim{Name: s})
				}
			}
			target, err := placement.Place(placement.View{Topology: topology.Effective(parsed), Nodes: nodes})
			if err != nil || len(target.Shortages) > 0 {
				t.Errorf("%s: %s: %v, %v", file, parsed.GetName(), err, target)
			}
		}
		if found == 0 {
			t.Errorf("%s shows no topology", file)
		}
	}
}

func TestNodesByNumberAreLikeTheTen(t *testing.T) {
	nodes, err := NodesFrom("12")
	if err != nil || len(nodes) != 12 {
		t.Fatalf("%d nodes, %v", len(nodes), err)
	}
	if nodes[0].GetClaims().GetRegion() != "a" || nodes[11].GetClaims().GetRegion() != "c" || nodes[11].GetClaims().GetLabels()["egress"] != "yes" {
		t.Errorf("node-1 is %v, node-12 is %v", nodes[0].GetClaims(), nodes[11].GetClaims())
	}
	ten, err := NodesFrom("10")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := NodesFrom("")
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range ten {
		like := examples[i]
		if n.GetId() != like.GetId() || n.GetClaims().GetRegion() != like.GetRegion() || n.GetClaims().GetZone() != like.GetZone() {
			t.Errorf("of ten, %s is in %s, %s", n.GetId(), n.GetClaims().GetRegion(), n.GetClaims().GetZone())
		}
	}
}
