package whatif

import (
	"slices"
	"strings"
	"testing"

	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
)

const localMail = `name: mail
pools: [{name: mail, services: [imap], count: 2, where: {region: a}}]
services: [{name: imap, data: local}]
`

func TestWhoServedALocalServiceHoldsItsDataFromThenOn(t *testing.T) {
	c := offline(t, localMail, topology.ExampleNodes())
	for _, l := range c.Survive(SurviveOptions{}).GetLosses() {
		if s := l.GetServices()[0]; s.GetReady() != s.GetRecovered() {
			t.Errorf("without %v imap is served where its data is not: %v", l.GetLost(), s)
		}
	}
	elsewhere, err := topology.Parse("t", []byte(strings.Replace(localMail, "region: a", "region: c", 1)))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := c.Plan(elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range plan.GetWaves() {
		if i := slices.IndexFunc(w.GetMoves(), func(m *v1.Move) bool { return m.GetAction() == v1.Action_ACTION_START }); i >= 0 {
			t.Errorf("imap begins where its data is not: %v", w.GetMoves()[i])
		}
	}
	if s := plan.GetShortages(); len(s) != 1 || !strings.Contains(s[0].GetReason(), "the data of imap is on node-1 and node-2") {
		t.Errorf("%v", s)
	}
}

func TestAClaimThatDataIsLocalHoldsAsAWordOfTheTopology(t *testing.T) {
	for says, want := range map[string]uint32{"local": 0, "shared": 1, "": 0} {
		src := strings.Replace(localMail, "data: local", "data: "+says, 1)
		src = strings.Replace(src, ", data: }", "}", 1)
		nodes, err := topology.ParseNodes("nodes.yaml", topology.ExampleNodes())
		if err != nil {
			t.Fatal(err)
		}
		// Of somebody who serves it not, and can no more.
		nodes[9].Claims.Services = append(nodes[9].Claims.Services[:0], &v1.ServiceClaim{Name: "imap", Data: v1.Data_DATA_SHARED})
		top, err := topology.Parse("t", []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes[:2] {
			for _, claim := range n.GetClaims().GetServices() {
				if claim.GetName() == "imap" {
					claim.Data = v1.Data_DATA_LOCAL
				}
			}
		}
		c, err := Offline(nodes, topology.Effective(top), midday)
		if err != nil {
			t.Fatal(err)
		}
		told, err := c.Simulate([]string{"node-1", "node-2"}, false)
		if err != nil {
			t.Fatal(err)
		}
		if got := told.GetLoss().GetServices()[0].GetRecovered(); got != want {
			t.Errorf("data %q: %d recovered, want %d", says, got, want)
		}
	}
}

func TestAPromiseIsNotKeptByWhoHasNotTheData(t *testing.T) {
	for data, want := range map[string]string{
		"shared": "",
		"local":  "survives.nodes: 1 is not kept: without node-1, jmap stays at 1 ready, under its floor of 2; so it is with 1 other loss",
	} {
		top, err := topology.Parse("t", []byte(`name: promised
pools: [{name: m, services: [jmap], count: 2, spread: [region]}]
services: [{name: jmap, floor: 2, data: `+data+`}]
survives: {nodes: 1}
`))
		if err != nil {
			t.Fatal(err)
		}
		nodes, err := topology.ParseNodes("nodes.yaml", topology.ExampleNodes())
		if err != nil {
			t.Fatal(err)
		}
		c, err := Offline(nodes, nil, midday)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Unkept(top); err != nil || strings.Join(got, "\n") != want {
			t.Errorf("%s: %q, %v", data, got, err)
		}
		if slices.ContainsFunc(c.Nodes, func(n *v1.Node) bool { return len(n.GetHolds()) > 0 }) {
			t.Error("a record was changed")
		}
	}
}
