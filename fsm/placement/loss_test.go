package placement

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "roster/proto/roster/v1"
)

func TestANodeWithoutASeatStandsInAtOnceAndGetsTheSeat(t *testing.T) {
	nodes := plainNodes(6)
	w := newWorld(t, topologyOf(count("web", 2, "jmap", "webdav"), count("mail", 2, "imap")), nodes)
	w.kill("node-1")
	target := w.step()
	if got := loans(target); got != "node-5: jmap for web; node-5: webdav for web" {
		t.Fatalf("loans are %s", got)
	}
	if got := reasonOf(target, "node-5", "jmap"); got != "node-1 is down; node-5 has no seat and is in the same zone" {
		t.Errorf("reason is %q", got)
	}
	w.pass(299 * time.Second)
	if got := seats(w.step()); got != "web: node-1 node-2; mail: node-3 node-4" {
		t.Errorf("given away early: %s", got)
	}
	w.pass(time.Second)
	target = w.place()
	if got := seats(target) + "; " + loans(target); got != "web: node-2 node-5; mail: node-3 node-4; " {
		t.Errorf("it is %s", got)
	}
	if got := target.Seats[1].Reason; got != "node-1 has been down for 5m0s or more; stands in for it already" {
		t.Errorf("reason is %q", got)
	}
	w.apply(target)
	if got := w.sets(); !strings.HasPrefix(got, "node-1: (jmap@web) (webdav@web)\n") {
		t.Errorf("node-1 still has its seat:\n%s", got)
	}
	if target = w.step(); len(target.Shortages) > 0 || seats(target) != "web: node-2 node-5; mail: node-3 node-4" {
		t.Errorf("it is %s, %v", seats(target), target.Shortages)
	}
	// It comes back and is surplus.
	w.revive("node-1")
	target = w.step()
	if got := seats(target) + "; " + loans(target); got != "web: node-2 node-5; mail: node-3 node-4; node-1: jmap for web; node-1: webdav for web" {
		t.Errorf("it is %s", got)
	}
	w.pass(time.Minute)
	if got := loans(w.step()); got != "" {
		t.Errorf("loans are %s", got)
	}
	if got := w.sets(); !strings.HasPrefix(got, "node-1:\n") {
		t.Errorf("it serves on:\n%s", got)
	}
}

func TestANodeThatIsBackInTimeFindsItsSeat(t *testing.T) {
	w := newWorld(t, topologyOf(count("web", 2, "jmap", "webdav"), count("mail", 2, "imap")), plainNodes(5))
	before := w.sets()
	w.kill("node-1")
	w.step()
	w.pass(4 * time.Minute)
	w.revive("node-1")
	if got := loans(w.step()); got != "node-5: jmap for web; node-5: webdav for web" {
		t.Errorf("loans are %s", got)
	}
	w.pass(time.Minute)
	w.step()
	if w.sets() != before {
		t.Errorf("it is\n%swas\n%s", w.sets(), before)
	}
}

func TestAStandInIsChosenAsAMemberWouldBe(t *testing.T) {
	fresh := func() []*v1.Node {
		nodes := plainNodes(5)
		for i, zone := range []string{"a1", "b1", "b1", "a1", "c1"} {
			nodes[i].Zone, nodes[i].Region = zone, zone[:1]
		}
		return nodes
	}
	// Only the pool's own nodes, and those that keep it spread.
	w := newWorld(t, topologyOf(spread(where(count("imap", 3, "imap"), "id", "node-1", "node-2", "node-3", "node-5"), "zone")), fresh())
	if got := seats(w.place()); got != "imap: node-1 node-2 node-5" {
		t.Fatalf("seats are %s", got)
	}
	w.kill("node-1")
	if got := loans(w.place()); got != "node-3: imap for imap" {
		t.Errorf("loans are %s", got)
	}
	w = newWorld(t, topologyOf(spread(count("imap", 2, "imap"), "zone")), fresh())
	w.kill("node-1")
	// node-3 shares a zone with the member that is left.
	if got := loans(w.place()); got != "node-4: imap for imap" {
		t.Errorf("loans are %s", got)
	}
	w.node("node-4").Settings.Cordoned = true
	if got := loans(w.place()); got != "node-5: imap for imap" {
		t.Errorf("loans are %s", got)
	}
}

func TestASeatThatIsGoneGoesToAPoolOfLowerPriorityLast(t *testing.T) {
	top := topologyOf(priority(count("mail", 2, "imap"), 5), count("web", 2, "jmap"), priority(count("files", 2, "webdav"), -5))
	w := newWorld(t, top, plainNodes(6))
	w.kill("node-1")
	if got := seats(w.step()); got != "mail: node-1 node-2; web: node-3 node-4; files: node-5 node-6" {
		t.Errorf("a node that serves is touched early: %s", got)
	}
	w.pass(5 * time.Minute)
	target := w.step()
	if got := seats(target); got != "mail: node-2 node-5; web: node-3 node-4; files: node-6" {
		t.Fatalf("seats are %s", got)
	}
	if got := target.Seats[1].Reason; got != "node-1 has been down for 5m0s or more; eligible, by capacity and id; pool files has a lower priority" {
		t.Errorf("reason is %q", got)
	}
	if len(target.Shortages) != 1 || target.Shortages[0].Pool != "files" {
		t.Errorf("shortages are %v", target.Shortages)
	}
	for range 3 {
		w.pass(time.Hour)
		if got := seats(w.step()); got != "mail: node-2 node-5; web: node-3 node-4; files: node-6" {
			t.Errorf("later they are %s", got)
		}
	}
	// Back again, it takes the seat that is open now: nobody else moves.
	w.revive("node-1")
	if got := seats(w.step()); got != "mail: node-2 node-5; web: node-3 node-4; files: node-1 node-6" {
		t.Errorf("after its return they are %s", got)
	}
}

func TestAHigherPoolTakesNoMemberForItsSpread(t *testing.T) {
	nodes := plainNodes(6)
	for i, zone := range []string{"a1", "b1", "c1", "c1", "c1", "b1"} {
		nodes[i].Zone = zone
	}
	w := newWorld(t, topologyOf(priority(spread(count("mail", 2, "imap"), "zone"), 5), count("web", 3, "jmap")), nodes)
	if got := seats(w.place()); got != "mail: node-1 node-2; web: node-3 node-4 node-5" {
		t.Fatalf("seats are %s", got)
	}
	w.kill("node-1", "node-5")
	w.pass(5 * time.Minute)
	// node-6 is in the zone of node-2; node-3 would be better spread.
	if got := seats(w.step()); got != "mail: node-2 node-6; web: node-3 node-4 node-5" {
		t.Errorf("seats are %s", got)
	}
}

// The loss falls on the pool that had it, be it first in the file or last.
func TestPoolsOfEqualPriorityTakeNothingFromOneAnother(t *testing.T) {
	for _, lost := range []string{"node-1", "node-3", "node-5"} {
		w := newWorld(t, topologyOf(count("mail", 2, "imap"), weight("web", 1, "jmap"), weight("files", 1, "webdav")), plainNodes(6))
		before := seats(w.place())
		w.kill(lost)
		w.step()
		w.pass(time.Hour)
		target := w.step()
		if got := seats(target); got != before {
			t.Errorf("without %s the seats are %s, were %s", lost, got, before)
		}
		if len(target.Shortages) > 0 && !strings.HasSuffix(target.Shortages[0].Reason, "a seat stays open until "+lost+" is back") {
			t.Errorf("shortages are %v", target.Shortages)
		}
	}
}

func TestANodeThatIsRemovedCostsNoOtherPoolAMember(t *testing.T) {
	for i := range 6 {
		w := newWorld(t, topologyOf(count("mail", 2, "imap"), count("web", 2, "jmap"), count("files", 2, "webdav")), plainNodes(6))
		want := strings.ReplaceAll(seats(w.place()), w.nodes[i].Id, "")
		w.nodes = slices.Delete(w.nodes, i, i+1)
		if got := seats(w.step()); strings.Join(strings.Fields(got), " ") != strings.ReplaceAll(strings.Join(strings.Fields(want), " "), " ;", ";") {
			t.Errorf("seats are %s, want %s", got, want)
		}
	}
}

func TestAPoolThatTakesTheRestIsNotTakenFrom(t *testing.T) {
	top := topologyOf(count("imap", 2, "imap"), all("rest", five...))
	w := newWorld(t, top, plainNodes(6))
	w.kill("node-1")
	w.pass(time.Hour)
	if got := seats(w.step()); got != "imap: node-1 node-2; rest: node-3 node-4 node-5 node-6" {
		t.Errorf("seats are %s", got)
	}
	// But the operator may enlarge what it leaves to others.
	w.top.Pools[0].Size = &v1.Pool_Count{Count: 3}
	if got := seats(w.step()); got != "imap: node-1 node-2 node-3; rest: node-4 node-5 node-6" {
		t.Errorf("enlarged, the seats are %s", got)
	}
	// And where it has a lower priority, it is there to be taken from.
	w.top.Pools[1].Priority = -1
	if got := seats(w.step()); got != "imap: node-2 node-3 node-4; rest: node-5 node-6" {
		t.Errorf("below, the seats are %s", got)
	}
}

func TestAMemberThatFailsForLongLosesItsSeatAndAnotherServes(t *testing.T) {
	w := newWorld(t, topologyOf(count("web", 2, "jmap", "webdav"), count("mail", 1, "imap")), plainNodes(4))
	w.report(w.node("node-1"), "jmap", v1.ServiceState_SERVICE_STATE_FAILING)
	w.pass(9 * time.Second)
	if got := loans(w.step()); got != "" {
		t.Errorf("loans are %s", got)
	}
	w.pass(time.Second)
	target := w.step()
	if got := seats(target) + "; " + loans(target); got != "web: node-1 node-2; mail: node-3; node-4: jmap for web; node-4: webdav for web" {
		t.Fatalf("it is %s", got)
	}
	if got := reasonOf(target, "node-4", "jmap"); got != "jmap is not ready on node-1; node-4 has no seat and is in the same zone" {
		t.Errorf("reason is %q", got)
	}
	w.pass(5 * time.Minute)
	target = w.step()
	if got := seats(target); got != "web: node-2 node-4; mail: node-3" {
		t.Fatalf("seats are %s", got)
	}
	if got := w.sets(); !strings.HasPrefix(got, "node-1:\n") {
		t.Errorf("what it served beside is still there:\n%s", got)
	}
	w.node("node-1").Troubles = []*v1.Trouble{{Service: "jmap", Failures: 1, Last: timestamppb.New(w.now)}}
	for range 100 {
		w.pass(time.Minute)
		target = w.step()
		if got := seats(target) + "; " + loans(target); got != "web: node-2 node-4; mail: node-3; " {
			t.Fatalf("it is %s", got)
		}
	}
}

func TestAMemberThatFailsAndNobodyCanReplaceKeepsItsSeat(t *testing.T) {
	w := newWorld(t, topologyOf(count("web", 2, "jmap", "webdav"), count("mail", 1, "imap")), plainNodes(3))
	before := seats(w.place())
	w.report(w.node("node-1"), "jmap", v1.ServiceState_SERVICE_STATE_FAILING)
	w.pass(time.Hour)
	target := w.step()
	if seats(target) != before || len(target.Shortages) != 1 {
		t.Errorf("seats are %s, shortages %v", seats(target), target.Shortages)
	}
	want := "keeps its seat: jmap has not been ready on node-1 for 5m0s or more, and no other node may take it"
	if got := target.Seats[0].Reason; got != want {
		t.Errorf("reason is %q", got)
	}
}

func TestAServiceThatFailsAndRecoversGivesBackAfterAWhile(t *testing.T) {
	w := newWorld(t, topologyOf(count("files", 1, "webdav"), count("mail", 2, "imap")), plainNodes(3))
	w.report(w.node("node-1"), "webdav", v1.ServiceState_SERVICE_STATE_FAILING)
	w.pass(10 * time.Second)
	w.step()
	w.report(w.node("node-1"), "webdav", v1.ServiceState_SERVICE_STATE_SERVING)
	w.pass(59 * time.Second)
	target := w.step()
	if got := loans(target); got != "node-2: webdav for files" {
		t.Errorf("loans are %q", got)
	}
	want := "stays until pool files is whole: webdav has been ready on node-1 for less than 1m0s"
	if got := reasonOf(target, "node-2", "webdav"); got != want {
		t.Errorf("reason is %q", got)
	}
	w.pass(time.Second)
	if got := loans(w.step()); got != "" {
		t.Errorf("loans are %s", got)
	}
}

func TestADrainedNodeHasNoSeatAndNoPartInSizes(t *testing.T) {
	w := newWorld(t, topologyOf(weight("imap", 4, "imap"), weight("web", 2, "jmap"), weight("smtp", 4, "smtp-inbound")), plainNodes(10))
	w.drain("node-1")
	target := w.step()
	if got := sizes(target); got != "imap 4/4, web 2/2, smtp 3/3" {
		t.Errorf("sizes are %s", got)
	}
	if got := members(target, "imap"); strings.Contains(strings.Join(got, " "), "node-1 ") {
		t.Errorf("members are %v", got)
	}
	// An unused node is the first to take over, and says for whom.
	w = newWorld(t, topologyOf(count("imap", 2, "imap"), count("jmap", 1, "jmap")), plainNodes(4))
	w.drain("node-1")
	target = w.step()
	if got := seats(target); got != "imap: node-2 node-4; jmap: node-3" {
		t.Errorf("seats are %s", got)
	}
	if got := target.Seats[1].Reason; got != "node-1 is drained; eligible, by capacity and id" {
		t.Errorf("reason is %q", got)
	}
	if got := w.sets(); !strings.HasPrefix(got, "node-1:\n") {
		t.Errorf("it serves on:\n%s", got)
	}
}

func TestAnObservingNodeKeepsWhatItServesAndGetsNothing(t *testing.T) {
	// node-1 and node-2 are as their agents found them.
	nodes := plainNodes(5)
	for i, service := range []string{"imap", "jmap"} {
		nodes[i].Mode = v1.AgentMode_AGENT_MODE_OBSERVE
		nodes[i].Assignments = []*v1.Assignment{{Service: service, Node: nodes[i].Id, Pool: service, Wanted: v1.Wanted_WANTED_SERVING, Reason: "it served already"}}
	}
	nodes[2].Capacity, nodes[3].Capacity, nodes[4].Capacity = 300, 300, 300
	target := place(t, topologyOf(count("imap", 1, "imap"), count("jmap", 2, "jmap")), nodes)
	if got := seats(target); got != "imap: node-1; jmap: node-2 node-3" {
		t.Errorf("seats are %s", got)
	}
	// A pool of another name, or of more services, is not theirs.
	target = place(t, topologyOf(count("mail", 1, "imap"), count("both", 1, "imap", "jmap")), nodes)
	if got := seats(target); got != "mail: node-3; both: node-4" {
		t.Errorf("seats are %s", got)
	}
	// They are fixed: a better spread moves others, or nobody.
	for i, n := range nodes {
		n.Zone = []string{"a1", "a1", "a1", "b1", "b1"}[i]
		n.Assignments = []*v1.Assignment{{Service: "imap", Node: n.Id, Pool: "imap", Wanted: v1.Wanted_WANTED_SERVING}}
	}
	if got := seats(place(t, topologyOf(spread(count("imap", 2, "imap"), "zone")), nodes)); got != "imap: node-1 node-2" {
		t.Errorf("seats are %s", got)
	}
	// Those that have no seat are no part of any size.
	nodes[0].Assignments, nodes[1].Assignments = nil, nil
	if got := sizes(place(t, topologyOf(weight("imap", 1, "imap"), weight("jmap", 1, "jmap")), nodes)); got != "imap 2/2, jmap 1/1" {
		t.Errorf("sizes are %s", got)
	}
}

func TestNothingNewIsPlacedWhereItFailedLately(t *testing.T) {
	nodes := plainNodes(3)
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	nodes[0].Troubles = []*v1.Trouble{{Service: "imap", Failures: 1, Last: timestamppb.New(now)}}
	top := topologyOf(count("imap", 2, "imap"))
	at := func(now time.Time) string {
		target, err := Place(View{Topology: top, Nodes: nodes, Now: now})
		if err != nil {
			t.Fatal(err)
		}
		return seats(target)
	}
	if got := at(now.Add(299 * time.Second)); got != "imap: node-2 node-3" {
		t.Errorf("seats are %s", got)
	}
	if got := at(now.Add(300 * time.Second)); got != "imap: node-1 node-2" {
		t.Errorf("seats are %s", got)
	}
	// It never moves what serves.
	nodes[0].Assignments = []*v1.Assignment{{Service: "imap", Node: "node-1", Pool: "imap", Wanted: v1.Wanted_WANTED_SERVING}}
	nodes[0].Reports = []*v1.ServiceReport{{Service: "imap", State: v1.ServiceState_SERVICE_STATE_SERVING}}
	if got := at(now); got != "imap: node-1 node-2" {
		t.Errorf("seats are %s", got)
	}
}

func TestABorrowedServiceHoldsNoSeat(t *testing.T) {
	nodes := plainNodes(3)
	for _, i := range []int{0, 1} {
		nodes[i].Assignments = []*v1.Assignment{{Service: "imap", Node: nodes[i].Id, Pool: "imap", Wanted: v1.Wanted_WANTED_SERVING, Borrowed: i == 0}}
	}
	if got := seats(place(t, topologyOf(count("imap", 1, "imap"), count("jmap", 2, "jmap")), nodes)); got != "imap: node-2; jmap: node-1 node-3" {
		t.Errorf("seats are %s", got)
	}
	// It is the nearest to one all the same.
	nodes[1].Assignments, nodes[2].Assignments = nil, nodes[0].Assignments
	nodes[0].Assignments = nil
	if got := seats(place(t, topologyOf(count("imap", 1, "imap")), nodes)); got != "imap: node-3" {
		t.Errorf("seats are %s", got)
	}
}

// A service that fails is no reason to give its node a seat of another pool that
// wants it too, nor a loan.
func TestAServiceThatFailsIsWantedByNoOtherPool(t *testing.T) {
	w := newWorld(t, topologyOf(where(count("east", 1, "imap"), "id", "node-1", "node-2"), count("west", 2, "imap"), count("web", 1, "jmap")), plainNodes(4))
	if got := seats(w.place()); got != "east: node-1; west: node-2 node-3; web: node-4" {
		t.Fatalf("seats are %s", got)
	}
	w.kill("node-3")
	w.report(w.node("node-1"), "imap", v1.ServiceState_SERVICE_STATE_FAILING)
	w.pass(5 * time.Minute)
	before := ""
	for range 3 {
		target := w.step()
		now := seats(target) + "; " + loans(target)
		if before != "" && now != before || slices.Contains(members(target, "west"), "node-1") {
			t.Errorf("%s became %s", before, now)
		}
		before = now
	}
}
