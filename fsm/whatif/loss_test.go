package whatif

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
)

// Three nodes must serve pop3 and only two can: its floor is not in force, and the
// service is there to be lost all the same.
func TestAServiceIsLostWhoseFloorWasNeverReached(t *testing.T) {
	c := offline(t, `name: never
pools:
  - {name: pop, services: [pop3], weight: 1, where: {zone: c1}}
services:
  - {name: pop3, floor: 3}
survives: {nodes: 2, zones: 1}
`, []byte(`
- {id: "node-[1-3]", zone: a1}
- {id: "node-[7-8]", zone: c1}
`))
	r := c.Survive(SurviveOptions{Pairs: true})
	var got []string
	for _, l := range r.GetFatalAtOnce() {
		s := l.GetServices()[0]
		got = append(got, fmt.Sprintf("%s: %d, %d, %d, floor %d", strings.Join(l.GetLost(), " "), s.GetBefore(), s.GetReady(), s.GetRecovered(), s.GetFloor()))
	}
	if want := []string{"node-7 node-8: 2, 0, 0, floor 0", "c1: 2, 0, 0, floor 0"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if unkept := r.GetUnkept(); len(unkept) != 2 || !strings.HasPrefix(unkept[1], "survives.zones: 1 is not kept: without zone c1, pop3 has none ready at once") {
		t.Errorf("%q", unkept)
	}
	if unkept, err := c.Unkept(c.Topology); err != nil || !slices.Equal(unkept, r.GetUnkept()) {
		t.Errorf("%q, %v", unkept, err)
	}
	if o := c.Outlook(); !o.GetAnyNode() || o.GetAnyZone() {
		t.Errorf("%v", o)
	}
}

func TestALossInAPartOfTheNodesNamesThePartApart(t *testing.T) {
	c := offline(t, `name: parts
pools:
  - {name: mail, services: [imap], all: true}
services:
  - {name: imap, floor: 1, floors: [{min: 1, per: zone}]}
`, topology.ExampleNodes())
	told, err := c.Simulate([]string{"zone:a1"}, false)
	if err != nil {
		t.Fatal(err)
	}
	all := c.Survive(SurviveOptions{}).GetLosses()
	for _, services := range [][]string{partsOf(all[0]), partsOf(told.GetLoss()), partsOf(told.GetStages()[1])} {
		if !slices.Equal(services[:3], []string{"imap", "imap zone=a1", "imap zone=a2"}) {
			t.Errorf("%q", services)
		}
	}
}

func partsOf(of interface{ GetServices() []*v1.ServiceLoss }) []string {
	var parts []string
	for _, s := range of.GetServices() {
		parts = append(parts, strings.TrimSpace(s.GetService()+" "+s.GetPart()))
	}
	return parts
}

// `roster dev` has no time to wait: its durations are shorter than a file may ask
// for.
func TestAMendIsNamedWhereNodesAreDownSooner(t *testing.T) {
	c := offline(t, "name: files\npools:\n  - {name: files, services: [webdav], count: 2}\n", []byte(`[{id: "node-[1-4]"}]`))
	c.Topology = proto.CloneOf(c.Topology)
	c.Topology.Policy.DownAfter = durationpb.New(2 * time.Second)
	if topology.Validate(c.Topology) == nil {
		t.Fatal("a file may ask for it")
	}
	want := []string{"nodes node-1 node-2: pool files: count 3 instead of 2"}
	if got := lost(c.Survive(SurviveOptions{Pairs: true}).GetFatalAtOnce()); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestOneMoreNodeIsEnoughForAPoolOfAll(t *testing.T) {
	c := offline(t, "name: two\npools:\n  - {name: mail, services: [imap, jmap], all: true}\n", []byte(`[{id: "node-[1-2]"}]`))
	want := []string{"nodes node-1 node-2: one more node like node-1"}
	if got := lost(c.Survive(SurviveOptions{Pairs: true}).GetFatalAtOnce()); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestWhatIsLostSaysOfWhatKindItIs(t *testing.T) {
	c := example(t, "geographic")
	for fail, want := range map[string]string{
		"node-3,node:node-1":              "NODES node-1 node-3",
		"zone:a1":                         "ZONE a1",
		"zone:c1,zone:a1":                 "UNSPECIFIED zone:a1 zone:c1",
		"node-3,zone:c1,region:b,zone:c1": "UNSPECIFIED region:b zone:c1 node:node-3",
	} {
		told, err := c.Simulate(strings.Split(fail, ","), false)
		if err != nil {
			t.Fatal(err)
		}
		if got := told.GetLoss().GetKind().String()[10:] + " " + strings.Join(told.GetLoss().GetLost(), " "); got != want {
			t.Errorf("%s: %s, want %s", fail, got, want)
		}
	}
}

// A service on paper never began: no time is made up for it.
func TestOnPaperNothingIsServingSinceAMoment(t *testing.T) {
	r, err := example(t, "geographic").Explain("imap", "node-1")
	if err != nil || r.GetPresent() != "it is wanted serving for pool a-imap; its agent says serving" {
		t.Errorf("%v, %v", r, err)
	}
}
