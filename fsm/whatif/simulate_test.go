package whatif

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"roster/fsm/rollout"
	v1 "roster/proto/roster/v1"
)

// simulated is an answer in lines: stages, moves, figures, what is waited for.
func simulated(t *testing.T, c *Cluster, withReturn bool, fail ...string) (string, *v1.SimulateResponse) {
	t.Helper()
	r, err := c.Simulate(fail, withReturn)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, s := range r.GetStages() {
		fmt.Fprintf(&b, "%s, %s:", s.GetTitle(), s.GetAfter().AsDuration())
		for _, service := range s.GetServices() {
			fmt.Fprintf(&b, " %s %d", service.GetService(), service.GetReady())
		}
		fmt.Fprintln(&b)
		for i, w := range s.GetWaves() {
			for _, m := range rollout.WaveMoves(w) {
				action := strings.ToLower(strings.TrimPrefix(m.GetAction().String(), "ACTION_"))
				fmt.Fprintf(&b, "  %d %s %s on %s: %s\n", i+1, action, m.GetService(), m.GetNode(), m.GetReason())
			}
		}
		for _, w := range s.GetWaiting() {
			fmt.Fprintf(&b, "  waits: %s\n", w)
		}
	}
	return b.String(), r
}

func same(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestALossIsToldStageByStage(t *testing.T) {
	got, r := simulated(t, example(t, "geographic"), true, "node-8", "node-7")
	same(t, got, `at once, 0s: imap 2 jmap 2 smtp-inbound 3 smtp-outbound 3 webdav 0
  waits: node-7, node-8: silent, and down after 10s
after down_after, 10s: imap 2 jmap 2 smtp-inbound 3 smtp-outbound 3 webdav 1
  1 start webdav on node-9: stands in for pool c-files: webdav would be under its floor of 1: node-7 is down; node-9 is of pool c-jmap and is in the same region
after replace_after, 5m10s: imap 2 jmap 2 smtp-inbound 3 smtp-outbound 3 webdav 1
  waits: pool c-files wants 2 nodes and gets 0: 2 of 10 nodes may be its members (6 outside its where, 2 lost for too long), and it shares them with c-jmap and c-mail; seats stay open until node-7 and node-8 are back
after return, 6m10s: imap 2 jmap 2 smtp-inbound 3 smtp-outbound 3 webdav 2
  1 drain webdav on node-9: pool c-files is whole again: 2 wanted, 3 ready
  2 stop webdav on node-9: its drain has ended
`)
	if l := r.GetLoss(); l.GetKind() != v1.LossKind_LOSS_KIND_NODES || !slices.Equal(l.GetLost(), []string{"node-7", "node-8"}) || !l.GetQuorum() || r.GetHold() != "" {
		t.Errorf("%v, hold %q", l, r.GetHold())
	}
}

func TestAPlaceIsLostWithAllOfItsNodes(t *testing.T) {
	c := example(t, "geographic")
	for name, nodes := range map[string][]string{
		"zone:c1": {"node-7", "node-8"}, "region:a": {"node-1", "node-2", "node-3"}, "node:node-4": {"node-4"},
	} {
		place, err := c.Simulate([]string{name}, false)
		if err != nil {
			t.Fatal(err)
		}
		each, err := c.Simulate(nodes, false)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(place.GetStages(), each.GetStages(), func(a, b *v1.Stage) bool { return proto.Equal(a, b) }) {
			t.Errorf("%s is not %v: %v, %v", name, nodes, place, each)
		}
		if kind := strings.ToUpper(name[:strings.Index(name, ":")]); place.GetLoss().GetKind().String() != "LOSS_KIND_"+kind {
			t.Errorf("%s: %v", name, place.GetLoss().GetKind())
		}
	}
}

// Four of ten that are no place: Roster would rather doubt itself, and restores
// floors alone.
func TestASimulationSaysWhereRosterWouldHold(t *testing.T) {
	c := example(t, "geographic")
	got, r := simulated(t, c, false, "node-4", "node-9", "node-2", "node-3")
	same(t, got, `at once, 0s: imap 1 jmap 0 smtp-inbound 1 smtp-outbound 3 webdav 2
  waits: node-2, node-3, node-4, node-9: silent, and down after 10s
after down_after, 10s: imap 1 jmap 1 smtp-inbound 1 smtp-outbound 3 webdav 2
  1 start jmap on node-5: stands in for pool b-mailbox: jmap would be under its floor of 1: node-4 is down; node-5 is of pool b-relay and is in the same zone
after replace_after, 5m10s: imap 1 jmap 1 smtp-inbound 1 smtp-outbound 3 webdav 2
  waits: pool a-mx wants 2 nodes and gets 0: 1 of 10 nodes may be its members (7 outside its where, 2 lost for too long), and it shares them with a-imap; seats stay open until node-2 and node-3 are back
  waits: pool b-mailbox wants 1 node and gets 0: 2 of 10 nodes may be its members (7 outside its where, 1 lost for too long), and it shares them with b-relay; a seat stays open until node-4 is back
  waits: pool c-jmap wants 1 node and gets 0: 3 of 10 nodes may be its members (6 outside its where, 1 lost for too long), and it shares them with c-files and c-mail; a seat stays open until node-9 is back
`)
	if want := "4 of 10 nodes are silent at once, and they are not exactly one zone or region: Roster may be cut off itself"; r.GetHold() != want {
		t.Errorf("hold %q", r.GetHold())
	}
	if _, r := simulated(t, c, false, "region:c"); r.GetHold() != "" {
		t.Errorf("a region that is silent as a whole is no reason to hold: %q", r.GetHold())
	}
	c.Override = &v1.HoldOverride{Expires: stamp(time.Hour)}
	if _, r := simulated(t, c, false, "node-4", "node-9", "node-2", "node-3"); r.GetHold() != "" {
		t.Errorf("the operator said that it is real: %q", r.GetHold())
	}
}

func TestWithoutAQuorumNothingMovesAndNodesServeOn(t *testing.T) {
	c := example(t, "geographic")
	for i := range 3 {
		c.Members = append(c.Members, &v1.Member{Id: fmt.Sprint(i), Name: fmt.Sprintf("m%d", i+1), Voter: true})
	}
	got, r := simulated(t, c, true, "member:m2", "member:m1", "node-7", "node-8")
	const why = "waits: 1 of 3 members with a vote answer, and 2 must: nothing is changed and no failure is mended; nodes serve on\n"
	same(t, got, `at once, 0s: imap 2 jmap 2 smtp-inbound 3 smtp-outbound 3 webdav 0
  waits: node-7, node-8: silent, and down after 10s
after down_after, 10s: imap 2 jmap 2 smtp-inbound 3 smtp-outbound 3 webdav 0
  `+why+`after replace_after, 5m10s: imap 2 jmap 2 smtp-inbound 3 smtp-outbound 3 webdav 0
  `+why+`after return, 5m10s: imap 2 jmap 2 smtp-inbound 3 smtp-outbound 3 webdav 2
`)
	if l := r.GetLoss(); l.GetQuorum() || !slices.Equal(l.GetLost(), []string{"member:m1", "member:m2", "node:node-7", "node:node-8"}) {
		t.Errorf("%v", l)
	}
	if _, r := simulated(t, c, false, "member:m2"); !r.GetLoss().GetQuorum() || r.GetLoss().GetKind() != v1.LossKind_LOSS_KIND_MEMBERS {
		t.Errorf("two of three are a quorum: %v", r.GetLoss())
	}
}

func TestWhatNeedsApprovalIsWaitedFor(t *testing.T) {
	c := example(t, "geographic")
	c.Topology = proto.CloneOf(c.Topology)
	c.Topology.Policy.Repair = v1.Automation_AUTOMATION_APPROVE
	got, r := simulated(t, c, false, "zone:c1")
	if !strings.Contains(got, "waits: starting webdav on node-9 is not done: policy.repair waits for the operator's approval") {
		t.Error(got)
	}
	if l := r.GetLoss().GetServices()[4]; l.GetService() != "webdav" || l.GetRecovered() != 0 {
		t.Errorf("%v", l)
	}
}

func TestWhatNamesNothingIsRefusedWithWhatThereIs(t *testing.T) {
	c := example(t, "geographic")
	c.Members = []*v1.Member{{Id: "1", Name: "m1"}, {Id: "2", Name: "m2"}}
	for word, want := range map[string]struct {
		sentinel error
		message  string
	}{
		"node-11":     {ErrUnknownNode, `there is no such node: did you mean node-1? there are node-1, node-2, node-3, node-4, node-5, node-6, node-7, node-8, node-9, node-10`},
		"node:x":      {ErrUnknownNode, "there are node-1"},
		"zone:a3":     {ErrUnknownZone, "there is no such zone: did you mean a1? there are a1, a2, b1, b2, c1, c2"},
		"region:eu":   {ErrUnknownRegion, "there is no such region: there are a, b, c"},
		"member:m3":   {ErrUnknownMember, "there is no such member: did you mean m1? there are m1, m2"},
		"rack:r1":     {ErrUnknownKind, `lose "rack:r1": this cannot be lost: write node:ID, zone:NAME, region:NAME or member:NAME`},
		"zone:node-1": {ErrUnknownZone, "there are a1"},
	} {
		_, err := c.Simulate([]string{"node-1", word}, false)
		if !errors.Is(err, want.sentinel) || !strings.Contains(err.Error(), want.message) {
			t.Errorf("%s: %v, want %q", word, err, want.message)
		}
	}
}

// Two regions may each have a zone of the same name.
func TestAZoneLiesInItsRegion(t *testing.T) {
	c := offline(t, "name: x\npools:\n  - {name: x, services: [imap], all: true}\n", []byte(`
- {id: node-1, region: a, zone: z}
- {id: node-2, region: b, zone: z}
- {id: node-3, region: b, zone: y}
`))
	_, err := c.Simulate([]string{"zone:z"}, false)
	if !errors.Is(err, ErrUnknownZone) || !strings.Contains(err.Error(), "there are a/z, b/z, y") {
		t.Errorf("%v", err)
	}
	if _, r := simulated(t, c, false, "zone:b/z"); r.GetLoss().GetServices()[0].GetReady() != 2 {
		t.Errorf("%v", r.GetLoss())
	}
}
