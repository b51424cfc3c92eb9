package placement

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
)

// example serves one of the files that ship with Roster on its ten nodes, with
// the floors that it asks for.
func example(t *testing.T, name string) *world {
	t.Helper()
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
		n.State, n.Settings = v1.NodeState_NODE_STATE_UP, &v1.NodeSettings{}
	}
	w := newWorld(t, topology.Effective(parsed), nodes)
	for _, s := range w.top.Services {
		w.floors[s.GetName()] = s.GetFloor()
	}
	return w
}

// In each of the six, the loss of any one node leaves every floor whole: nothing
// moves, at once or later, and the seat waits for its node.
func TestTheLossOfAnyOneNodeOfTheExamplesMovesNothing(t *testing.T) {
	for _, name := range topology.Examples() {
		w := example(t, name)
		before := seats(w.place())
		for _, n := range w.nodes {
			w := example(t, name)
			w.kill(n.Id)
			for _, after := range []time.Duration{0, 4 * time.Minute, 2 * time.Minute, time.Hour} {
				w.pass(after)
				target := w.step()
				if seats(target) != before || len(target.Loans) > 0 {
					t.Errorf("%s without %s: seats %s, loans %s", name, n.Id, seats(target), loans(target))
				}
			}
			w.revive(n.Id)
			if target := w.step(); seats(target) != before || len(target.Loans) > 0 || len(target.Shortages) > 0 {
				t.Errorf("%s with %s again: seats %s, loans %s, %v", name, n.Id, seats(target), loans(target), target.Shortages)
			}
		}
	}
}

func TestBothCarriersOfWebdavInTheExamples(t *testing.T) {
	for name, want := range map[string]struct{ nodes, loans string }{
		"service-specific": {"node-5 node-6", "node-4: webdav for webdav"},
		"weighted":         {"node-5 node-6", "node-4: jmap for web; node-4: webdav for web"},
		"paired":           {"node-5 node-6", "node-4: webdav for files"},
		"geographic":       {"node-7 node-8", "node-9: webdav for c-files"},
		// All that two nodes serve here, many others serve too.
		"unified": {"node-5 node-6", ""},
		"mixed":   {"node-6 node-7", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := example(t, name)
			before := w.sets()
			lost := strings.Fields(want.nodes)
			w.kill(lost...)
			seated := seats(w.place())
			for _, after := range []time.Duration{0, time.Second, 4 * time.Minute, 2 * time.Minute, time.Hour} {
				w.pass(after)
				target := w.step()
				if got := loans(target); got != want.loans {
					t.Errorf("after %s the loans are %s, want %s", after, got, want.loans)
				}
				if seats(target) != seated {
					t.Errorf("after %s the seats are %s", after, seats(target))
				}
			}
			w.revive(lost...)
			if got := loans(w.step()); got != want.loans {
				t.Errorf("given back at once: %s", got)
			}
			w.pass(59 * time.Second)
			if got := loans(w.step()); got != want.loans {
				t.Errorf("given back after 59s: %s", got)
			}
			w.pass(time.Second)
			if got := loans(w.step()); got != "" {
				t.Errorf("not given back: %s", got)
			}
			if w.sets() != before {
				t.Errorf("after all of it:\n%sbefore:\n%s", w.sets(), before)
			}
		})
	}
}

func TestAFloorThatIsNotKeptByOthersIsBorrowedAsOftenAsItTakes(t *testing.T) {
	w := newWorld(t, topologyOf(count("imap", 3, "imap"), count("jmap", 4, "jmap")), plainNodes(7))
	w.floors["imap"] = 3
	w.kill("node-2", "node-3")
	target := w.step()
	if got := loans(target); got != "node-4: imap for imap; node-5: imap for imap" {
		t.Errorf("loans are %s", got)
	}
	want := "imap would be under its floor of 3: node-2 is down; node-4 is of pool jmap and is in the same zone"
	if got := reasonOf(target, "node-4", "imap"); got != want {
		t.Errorf("reason is %q", got)
	}
	want = "stays until pool imap is whole: node-2 is down"
	if got := reasonOf(w.place(), "node-4", "imap"); got != want {
		t.Errorf("later it is %q", got)
	}
}

// One of two comes back: the floor is kept without the loan, the pool is not
// whole.
func TestALoanStaysUntilItsPoolIsWhole(t *testing.T) {
	w := newWorld(t, topologyOf(count("files", 2, "webdav"), count("mail", 2, "imap")), plainNodes(4))
	w.kill("node-1", "node-2")
	w.step()
	w.revive("node-1")
	w.pass(time.Hour)
	if got := loans(w.step()); got != "node-3: webdav for files" {
		t.Errorf("loans are %q", got)
	}
	w.revive("node-2")
	w.report(w.node("node-2"), "webdav", v1.ServiceState_SERVICE_STATE_STARTING)
	w.pass(time.Hour)
	if got := loans(w.step()); got != "node-3: webdav for files" {
		t.Errorf("it is back, and serves nothing: loans are %q", got)
	}
	w.report(w.node("node-2"), "webdav", v1.ServiceState_SERVICE_STATE_SERVING)
	w.pass(time.Minute)
	if got := loans(w.step()); got != "" {
		t.Errorf("loans are %s", got)
	}
}

// node-1 is 15 s away and 5 s back, for ten minutes.
func TestANodeThatFlapsKeepsItsLoanAndGivesItBackOnce(t *testing.T) {
	w := newWorld(t, topologyOf(count("files", 1, "webdav"), count("mail", 2, "imap")), plainNodes(3))
	changes, before := 0, ""
	look := func() {
		if now := loans(w.step()); now != before {
			changes++
			before = now
		}
	}
	for range 30 {
		w.kill("node-1")
		look()
		w.pass(15 * time.Second)
		look()
		w.revive("node-1")
		look()
		w.pass(5 * time.Second)
		look()
	}
	if changes != 1 {
		t.Errorf("the loans changed %d times while it flapped", changes)
	}
	for range 59 {
		w.pass(time.Minute)
		look()
	}
	if changes != 1 {
		t.Errorf("given back too early: %s", before)
	}
	w.pass(time.Minute)
	look()
	if changes != 2 || before != "" {
		t.Errorf("%d changes, loans are %s", changes, before)
	}
}

func TestABorrowerThatFlapsIsNotReplacedAndCalledBack(t *testing.T) {
	w := newWorld(t, topologyOf(count("files", 1, "webdav"), count("mail", 2, "imap")), plainNodes(3))
	w.kill("node-1")
	w.step()
	w.kill("node-2")
	if got := loans(w.step()); got != "node-2: webdav for files; node-3: webdav for files" {
		t.Fatalf("loans are %s", got)
	}
	before := loans(w.place())
	for range 5 {
		w.revive("node-2")
		if got := loans(w.step()); got != before {
			t.Fatalf("it is back: %s, before %s", got, before)
		}
		w.kill("node-2")
		if got := loans(w.step()); got != before {
			t.Fatalf("it is away: %s, before %s", got, before)
		}
	}
}

// The loan fails too: it goes elsewhere, and does not come back before long.
func TestALoanThatFailsGoesElsewhereAndNotBack(t *testing.T) {
	w := newWorld(t, topologyOf(count("files", 1, "webdav"), count("mail", 2, "imap")), plainNodes(3))
	w.kill("node-1")
	w.step()
	w.report(w.node("node-2"), "webdav", v1.ServiceState_SERVICE_STATE_FAILING)
	w.pass(9 * time.Second)
	if got := loans(w.step()); got != "node-2: webdav for files" {
		t.Errorf("it gave up early: %s", got)
	}
	w.pass(time.Second)
	if got := loans(w.step()); got != "node-3: webdav for files" {
		t.Errorf("loans are %s", got)
	}
	w.node("node-2").Troubles = []*v1.Trouble{{Service: "webdav", Failures: 1, Last: timestamppb.New(w.now)}}
	w.report(w.node("node-3"), "webdav", v1.ServiceState_SERVICE_STATE_FAILING)
	w.pass(10 * time.Second)
	target := w.step()
	if got := loans(target); got != "node-3: webdav for files" {
		t.Errorf("where nobody else may take it, it stays: %s", got)
	}
	if len(target.Shortages) != 1 || target.Shortages[0].Reason !=
		"webdav needs 1 node for its floor and can count on 0; no other may take it: 1 where it failed lately" {
		t.Errorf("shortages are %v", target.Shortages)
	}
	w.pass(5 * time.Minute)
	if got := loans(w.step()); got != "node-2: webdav for files" {
		t.Errorf("its time is over: %s", got)
	}
}

func TestAFloorWithoutALossIsNobodysBusiness(t *testing.T) {
	w := newWorld(t, topologyOf(count("files", 1, "webdav"), count("mail", 2, "imap")), plainNodes(3))
	if got := loans(w.place()); got != "" {
		t.Errorf("loans are %s", got)
	}
	// Nothing has been reached yet, so nothing is in force.
	w.floors["webdav"] = 0
	w.kill("node-1")
	if got := loans(w.place()); got != "" {
		t.Errorf("loans are %s", got)
	}
}

func TestADrainedNodeIsReplacedFirst(t *testing.T) {
	w := newWorld(t, topologyOf(count("files", 1, "webdav"), count("mail", 2, "imap")), plainNodes(3))
	w.drain("node-1")
	target := w.place()
	if got, want := seats(target), "files: ; mail: node-2 node-3"; got != want {
		t.Errorf("seats are %s, want %s", got, want)
	}
	if got := loans(target); got != "node-2: webdav for files" {
		t.Errorf("loans are %s", got)
	}
	want := "webdav would be under its floor of 1: node-1 is drained; node-2 is of pool mail and is in the same zone"
	if got := reasonOf(target, "node-2", "webdav"); got != want {
		t.Errorf("reason is %q", got)
	}
	w.apply(target)
	w.node("node-1").Settings.Drain = nil
	target = w.step()
	if got, want := seats(target), "files: node-1; mail: node-2 node-3"; got != want {
		t.Errorf("seats are %s, want %s", got, want)
	}
	w.pass(time.Minute)
	if got := loans(w.step()); got != "" {
		t.Errorf("loans are %s", got)
	}
}

// What the operator put to an end, or renamed, is no reason to keep a loan.
func TestALoanOfAPoolThatIsNoMoreIsGivenBack(t *testing.T) {
	w := newWorld(t, topologyOf(count("files", 1, "webdav"), count("mail", 2, "imap")), plainNodes(3))
	w.kill("node-1")
	w.step()
	w.top.Pools = []*v1.Pool{count("mail", 2, "imap")}
	delete(w.floors, "webdav")
	if got := loans(w.step()); got != "" {
		t.Errorf("loans are %s", got)
	}
}

func TestAnExclusiveServiceIsNotBorrowed(t *testing.T) {
	w := newWorld(t, topologyOf(count("reports", 1, "webdav"), count("mail", 1, "imap")), plainNodes(2))
	w.top.Services = []*v1.Service{{Name: "webdav", Exclusive: true}}
	w.kill("node-1")
	if got := loans(w.place()); got != "" {
		t.Errorf("loans are %s", got)
	}
}
