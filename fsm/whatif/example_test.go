package whatif

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
)

// midday is what time it is in these clusters.
var midday = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

func stamp(after time.Duration) *timestamppb.Timestamp { return timestamppb.New(midday.Add(after)) }

// example is the cluster of an embedded topology, settled on the embedded nodes.
func example(t testing.TB, name string) *Cluster {
	t.Helper()
	src, _ := topology.Example(name)
	return offline(t, string(src), topology.ExampleNodes())
}

func offline(t testing.TB, source string, list []byte) *Cluster {
	t.Helper()
	top, err := topology.Parse("topology.yaml", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := topology.ParseNodes("nodes.yaml", list)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Offline(nodes, topology.Effective(top), midday)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// lost is a list of losses in words, each with what would mend it.
func lost(losses []*v1.Loss) []string {
	var out []string
	for _, l := range losses {
		kind := strings.ToLower(strings.TrimPrefix(l.GetKind().String(), "LOSS_KIND_"))
		out = append(out, fmt.Sprintf("%s %s: %s", kind, strings.Join(l.GetLost(), " "), strings.Join(l.GetMends(), "; ")))
	}
	return out
}

func TestTheGeographicExampleSurvivesAnyNodeAndNotTheLossOfBothCarriers(t *testing.T) {
	r := example(t, "geographic").Survive(SurviveOptions{Pairs: true})
	want := []string{
		"nodes node-1 node-4: a shared pool with imap outside regions a and b: {name: imap-elsewhere, services: [imap], count: 1, shared: true, where: {region: [c]}}",
		"nodes node-4 node-9: a shared pool with jmap outside regions b and c: {name: jmap-elsewhere, services: [jmap], count: 1, shared: true, where: {region: [a]}}",
		"nodes node-7 node-8: a shared pool with webdav outside region c: {name: webdav-elsewhere, services: [webdav], count: 1, shared: true, where: {region: [a, b]}}",
		// The two webdav nodes are all of zone c1.
		"zone c1: pool c-files: spread: [zone]",
		"region c: a shared pool with webdav outside region c: {name: webdav-elsewhere, services: [webdav], count: 1, shared: true, where: {region: [a, b]}}",
	}
	if got := lost(r.GetFatalAtOnce()); !slices.Equal(got, want) {
		t.Errorf("fatal at once:\n%s", strings.Join(got, "\n"))
	}
	if len(r.GetFatal()) > 0 {
		t.Errorf("fatal: %v", r.GetFatal())
	}
	// 10 nodes, 45 pairs, 6 zones, 3 regions; nobody said who the members are.
	if len(r.GetLosses()) != 10+45+6+3 || r.GetLeftOut() != "" {
		t.Errorf("%d losses, left out: %q", len(r.GetLosses()), r.GetLeftOut())
	}
	for _, l := range r.GetLosses() {
		if l.GetKind() == v1.LossKind_LOSS_KIND_REGION && l.GetLost()[0] == "c" {
			figures := ""
			for _, s := range l.GetServices() {
				figures += fmt.Sprintf("%s %d %d %d, ", s.GetService(), s.GetReady(), s.GetRecovered(), s.GetFloor())
			}
			if figures != "imap 2 2 1, jmap 1 1 1, smtp-inbound 2 2 1, smtp-outbound 2 2 1, webdav 0 1 1, " {
				t.Errorf("without region c: %s", figures)
			}
		}
	}
}

// A mend that needs no new topology is not the only one: the pool can be given a
// node that there is not yet.
func TestWhereNothingCanBeSharedAMendNamesOneMoreNode(t *testing.T) {
	c := offline(t, "name: files\npools:\n  - {name: files, services: [webdav], count: 2}\n", []byte(`
- {id: "node-[1-2]", services: [webdav]}
- {id: node-3, services: [imap]}
`))
	want := []string{"nodes node-1 node-2: one more node like node-1, and pool files: count 3 instead of 2"}
	if got := lost(c.Survive(SurviveOptions{Pairs: true}).GetFatalAtOnce()); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

func TestAPoolIsEnlargedWhereNodesAreFree(t *testing.T) {
	c := offline(t, "name: files\npools:\n  - {name: files, services: [webdav], count: 2}\n", []byte(`[{id: "node-[1-4]"}]`))
	want := []string{"nodes node-1 node-2: pool files: count 3 instead of 2"}
	if got := lost(c.Survive(SurviveOptions{Pairs: true}).GetFatalAtOnce()); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

func TestNoMendLeavesAnotherPoolShort(t *testing.T) {
	c := offline(t, "name: both\npools:\n  - {name: files, services: [webdav], count: 2, priority: 1}\n  - {name: mail, services: [imap], count: 2}\n", []byte(`[{id: "node-[1-4]"}]`))
	want := []string{
		"nodes node-1 node-2: a shared pool with webdav on other nodes: {name: webdav-elsewhere, services: [webdav], count: 1, shared: true, exclude: [node-1, node-2]}",
		"nodes node-3 node-4: a shared pool with imap on other nodes: {name: imap-elsewhere, services: [imap], count: 1, shared: true, exclude: [node-3, node-4]}",
	}
	if got := lost(c.Survive(SurviveOptions{Pairs: true}).GetFatalAtOnce()); !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
}

func TestAServiceThatNobodyMayRepairMendsByThatWord(t *testing.T) {
	c := offline(t, `name: files
pools:
  - {name: files, services: [webdav], count: 2}
services:
  - {name: webdav, floor: 2}
policy: {repair: "off"}
`, []byte(`[{id: "node-[1-4]"}]`))
	r := c.Survive(SurviveOptions{})
	want := []string{"node node-1: policy: repair: auto", "node node-2: policy: repair: auto"}
	if got := lost(r.GetFatal()); !slices.Equal(got, want) || len(r.GetFatalAtOnce()) > 0 {
		t.Errorf("%v", got)
	}
}

// webdav could be borrowed by node-2 alone, and starting it there restarts the only
// imap.
func TestAStartThatAFloorHoldsUpIsNotTakenAsDone(t *testing.T) {
	c := offline(t, "name: x\npools:\n  - {name: files, services: [webdav], count: 1, where: {id: node-1}}\n  - {name: mail, services: [imap], count: 1, where: {id: node-2}}\n", []byte(`
- {id: node-1, services: [webdav]}
- {id: node-2, services: [imap, webdav], restart_groups: {daemon: [imap, webdav]}}
`))
	r := c.Survive(SurviveOptions{})
	if got := lost(r.GetFatal()); len(got) != 2 || !strings.HasPrefix(got[0], "node node-1: ") || r.GetFatal()[0].GetServices()[1].GetRecovered() != 0 {
		t.Errorf("%v", r.GetFatal())
	}
	if told, err := c.Simulate([]string{"node-1"}, false); err != nil ||
		!slices.Contains(told.GetStages()[1].GetWaiting(), "starting webdav on node-2 restarts imap there: imap has 1 ready and a floor in force of 1") {
		t.Errorf("%v, %v", told, err)
	}
}

func TestTheUnifiedExampleSurvivesAnyTwoNodes(t *testing.T) {
	r := example(t, "unified").Survive(SurviveOptions{Pairs: true})
	if len(r.GetFatalAtOnce()) > 0 || len(r.GetFatal()) > 0 || len(r.GetLosses()) != 64 {
		t.Errorf("%v, %v of %d", lost(r.GetFatalAtOnce()), lost(r.GetFatal()), len(r.GetLosses()))
	}
}

func TestEachNumberOfMembersIsALoss(t *testing.T) {
	c := example(t, "unified")
	for i := range 5 {
		c.Members = append(c.Members, &v1.Member{Id: fmt.Sprint(i), Name: fmt.Sprintf("m%d", i+1), Voter: i < 4})
	}
	var got []string
	for _, l := range c.Survive(SurviveOptions{}).GetLosses() {
		if l.GetKind() == v1.LossKind_LOSS_KIND_MEMBERS {
			got = append(got, fmt.Sprintf("%d of %d kinds, quorum %v, imap %d", len(l.GetLost()), l.GetAlike(), l.GetQuorum(), l.GetServices()[0].GetRecovered()))
		}
	}
	// Four votes: three must answer. Who has none is no loss.
	want := []string{"1 of 4 kinds, quorum true, imap 10", "2 of 6 kinds, quorum false, imap 10", "3 of 4 kinds, quorum false, imap 10", "4 of 1 kinds, quorum false, imap 10"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if o := c.Outlook(); o.GetMembers() != 1 {
		t.Errorf("%v", o)
	}
	c.Members[0].State = v1.MemberState_MEMBER_STATE_SILENT
	if o := c.Outlook(); o.GetMembers() != 0 {
		t.Errorf("one is silent already: %v", o)
	}
}

func TestAnOutlookSaysWhatAnyNodeZoneOrRegionCosts(t *testing.T) {
	o := example(t, "geographic").Outlook()
	want := []string{"without zone c1, webdav has none ready at once", "without region c, webdav has none ready at once"}
	if !o.GetAnyNode() || o.GetAnyZone() || o.GetAnyRegion() || !slices.Equal(o.GetFatal(), want) {
		t.Errorf("%v", o)
	}
	nowhere := offline(t, "name: x\npools:\n  - {name: x, services: [imap], count: 1}\n", []byte(`[{id: "node-[1-2]"}]`)).Outlook()
	if nowhere.GetAnyNode() || nowhere.GetAnyZone() || nowhere.GetAnyRegion() {
		t.Errorf("one node, and no places: %v", nowhere)
	}
}

func TestPromisesAreJudgedAsIfTheTopologyWereSettled(t *testing.T) {
	for name, want := range map[string]string{
		"":           "",
		"nodes: 1":   "",
		"nodes: 2":   "survives.nodes: 2 is not kept: without node-1 and node-4, imap has none ready at once; so it is with 2 other losses; mend: a shared pool with imap outside regions a and b: {name: imap-elsewhere, services: [imap], count: 1, shared: true, where: {region: [c]}}",
		"zones: 1":   "survives.zones: 1 is not kept: without zone c1, webdav has none ready at once; mend: pool c-files: spread: [zone]",
		"regions: 1": "survives.regions: 1 is not kept: without region c, webdav has none ready at once; mend: a shared pool with webdav outside region c: {name: webdav-elsewhere, services: [webdav], count: 1, shared: true, where: {region: [a, b]}}",
		"members: 1": "survives.members: 1 is not kept: 2 of 2 members with a vote answer, and 2 must; have 3 members that answer",
	} {
		src, _ := topology.Example("geographic")
		top, err := topology.Parse("t", append(src, []byte("survives: {"+name+"}\n")...))
		if err != nil {
			t.Fatal(err)
		}
		// What is there now is something else.
		c := example(t, "unified")
		c.Members = []*v1.Member{{Id: "1", Name: "m1", Voter: true}, {Id: "2", Name: "m2", Voter: true}}
		before := proto.CloneOf(&v1.ListNodesResponse{Nodes: c.Nodes})
		unkept, err := c.Unkept(top)
		if got := strings.Join(unkept, "\n"); err != nil || got != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		plan, err := c.Plan(top)
		if err != nil || !slices.Equal(plan.GetUnkept(), unkept) {
			t.Errorf("%s: planned with %q, %v", name, plan.GetUnkept(), err)
		}
		if !proto.Equal(before, &v1.ListNodesResponse{Nodes: c.Nodes}) {
			t.Errorf("%s: a record was changed", name)
		}
	}
}

func TestAPromiseThatIsInForceIsHeldAgainstWhatIsTrueNow(t *testing.T) {
	c := example(t, "geographic")
	c.Topology = proto.CloneOf(c.Topology)
	c.Topology.Survives = &v1.Survives{Regions: 1, Nodes: 1}
	for _, unkept := range [][]string{c.Survive(SurviveOptions{}).GetUnkept(), c.Outlook().GetUnkept()} {
		if len(unkept) != 1 || !strings.HasPrefix(unkept[0], "survives.regions: 1 is not kept: without region c, webdav has none ready at once") {
			t.Errorf("%q", unkept)
		}
	}
}

func TestAPromiseAboutPlacesThatNobodyNamesIsNotKept(t *testing.T) {
	c := offline(t, "name: x\npools:\n  - {name: x, services: [imap], all: true}\nsurvives: {zones: 1, regions: 1}\n", []byte(`[{id: "node-[1-3]"}]`))
	want := []string{"survives.zones: 1 cannot be judged: no node names one", "survives.regions: 1 cannot be judged: no node names one"}
	if unkept, err := c.Unkept(c.Topology); err != nil || !slices.Equal(unkept, want) {
		t.Errorf("%v, %v", unkept, err)
	}
}

// A label of its own on each node makes each a class of its own.
func TestOfTooManyKindsTheHarmlessAreLeftOut(t *testing.T) {
	var list strings.Builder
	for i := range 70 {
		fmt.Fprintf(&list, "- {id: node-%d, labels: {rack: r%d}}\n", i, i)
	}
	r := offline(t, "name: x\npools:\n  - {name: imap, services: [imap], count: 2, where: {rack: [r1, r2, r3]}}\n  - {name: rest, services: [jmap], all: true, spread: [rack]}\n",
		[]byte(list.String())).Survive(SurviveOptions{Pairs: true})
	pairs := 0
	for _, l := range r.GetLosses() {
		if l.GetKind() == v1.LossKind_LOSS_KIND_NODES {
			pairs++
		}
	}
	if pairs+2414 != 70*69/2 || !strings.HasPrefix(r.GetLeftOut(), "2414 kinds of losses that leave every service its floor at once are not listed") || len(r.GetFatalAtOnce()) != 1 {
		t.Errorf("%d pairs, left out %q, %v", pairs, r.GetLeftOut(), lost(r.GetFatalAtOnce()))
	}
}

func TestBeforeANodeRegistersNothingIsPromisedInVain(t *testing.T) {
	c := &Cluster{Now: midday}
	unkept, err := c.Unkept(&v1.Topology{Survives: &v1.Survives{Nodes: 1, Zones: 1}})
	if err != nil || len(unkept) > 0 {
		t.Errorf("%v, %v", unkept, err)
	}
}

func TestWithoutATopologyNothingIsLost(t *testing.T) {
	c := &Cluster{Now: midday, Nodes: []*v1.Node{{Id: "node-1", State: v1.NodeState_NODE_STATE_UP}}}
	if r := c.Survive(SurviveOptions{Pairs: true}); len(r.GetLosses()) != 1 || len(r.GetFatalAtOnce())+len(r.GetFatal()) > 0 {
		t.Errorf("%v", r)
	}
	if r, err := c.Simulate([]string{"node-1"}, true); err != nil || len(r.GetLoss().GetServices()) > 0 || len(r.GetStages()) != 4 {
		t.Errorf("%v, %v", r, err)
	}
}

func TestOfManyNodesWhatNoRuleTellsApartIsListedOnce(t *testing.T) {
	c := offline(t, "name: big\npools:\n  - {name: imap, services: [imap], count: 2}\n  - {name: rest, services: [jmap], all: true}\n", []byte(`
- {id: "node-[1-60]", region: a, zone: a1}
- {id: "node-[61-70]", region: a, zone: a2}
`))
	r := c.Survive(SurviveOptions{Pairs: true})
	var got []string
	for _, l := range r.GetLosses() {
		got = append(got, fmt.Sprintf("%s %v %d", l.GetKind().String()[10:], l.GetLost(), l.GetAlike()))
	}
	want := []string{
		"NODE [node-1] 2", "NODE [node-3] 58", "NODE [node-61] 10",
		"NODES [node-1 node-2] 1", "NODES [node-1 node-3] 116", "NODES [node-1 node-61] 20", "NODES [node-3 node-4] 1653", "NODES [node-3 node-61] 580", "NODES [node-61 node-62] 45",
		"ZONE [a1] 1", "ZONE [a2] 1", "REGION [a] 1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := lost(r.GetFatalAtOnce()); len(got) != 3 || !strings.HasPrefix(got[0], "nodes node-1 node-2: pool imap: count 3 instead of 2") {
		t.Errorf("%q", got)
	}
}

func TestFatalLossesAreListedOneByOneUpToAThousand(t *testing.T) {
	for n, want := range map[int][2]int{
		64:   {64, 1}, // of so few nodes every pair stands for itself: 2,016 of them
		400:  {1, 1},  // so do 80,200 losses of one kind each, once
		1001: {1, 0},
	} {
		c := offline(t, fmt.Sprintf("name: x\npools:\n  - {name: all, services: [imap], all: true}\nservices:\n  - {name: imap, floor: %d}\n", n),
			[]byte(fmt.Sprintf("- {id: \"node-[1-%d]\"}\n", n)))
		r := c.Survive(SurviveOptions{Pairs: true})
		var got [2]int
		for _, l := range r.GetFatal() {
			got[l.GetKind()-v1.LossKind_LOSS_KIND_NODE]++
		}
		if n == 64 {
			want = [2]int{64, 2016}
		}
		if got != want || (r.GetLeftOut() != "") != (n > MostPaired) {
			t.Errorf("%d nodes: %v are fatal, want %v; left out: %q", n, got, want, r.GetLeftOut())
		}
	}
	// 20 nodes and 190 pairs of 65 that no rule tells apart.
	c := offline(t, "name: x\npools:\n  - {name: few, services: [imap], count: 20}\n  - {name: rest, services: [jmap], all: true}\nservices:\n  - {name: imap, floor: 20}\n",
		[]byte(`- {id: "node-[1-20]", services: [imap]}
- {id: "node-[21-65]", services: [jmap]}
`))
	if r := c.Survive(SurviveOptions{}); len(r.GetFatal()) != 20 || len(r.GetLosses()) != 2 || r.GetFatal()[19].GetAlike() != 20 {
		t.Errorf("%d fatal, %d losses", len(r.GetFatal()), len(r.GetLosses()))
	}
}
