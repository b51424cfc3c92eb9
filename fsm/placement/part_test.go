package placement

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	v1 "roster/proto/roster/v1"
)

func in(pairs ...string) map[string]*v1.LabelValues {
	where := map[string]*v1.LabelValues{}
	for i := 0; i < len(pairs); i += 2 {
		where[pairs[i]] = &v1.LabelValues{Values: strings.Split(pairs[i+1], "|")}
	}
	return where
}

func TestPartsFollowFromTheFloorsAndTheSeats(t *testing.T) {
	top := topologyOf(where(count("mail", 4, "imap"), "region", "a", "b"), count("files", 1, "webdav"))
	top.Services = []*v1.Service{
		{Name: "webdav", Floors: []*v1.Floor{{Min: 1, Where: in("zone", "c2|c1")}}},
		{Name: "imap", Floors: []*v1.Floor{
			{Min: 1, Per: "region"},
			{Min: 1, Per: "zone", Where: in("region", "b")},
			{Min: 2, Where: in("region", "b")},
			{Min: 3, Where: in("region", "c", "zone", "c1")},
		}},
		{Name: "jmap", Floors: []*v1.Floor{{Min: 1, Where: in("region", "a")}}},
	}
	nodes := tenNodes()
	var got []string
	for _, part := range place(t, top, nodes).Parts(top, nodes) {
		got = append(got, part.Service+" "+PartName(part.Where)+" "+string(rune('0'+part.Min)))
	}
	want := []string{
		// Two floors are over region b: the higher one counts. No node with a seat
		// is in b2, and none in region c; a floor with only a where holds anyhow.
		"imap region=a 1", "imap region=b 2", "imap region=b,zone=b1 1", "imap region=c,zone=c1 3", "webdav zone=c1|c2 1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("parts %q, want %q; seats %s", got, want, seats(place(t, top, nodes)))
	}
}

// A service that lost its node in a zone is borrowed in that zone, even if there
// are enough elsewhere, and nodes without a seat are only there.
func TestAFloorOverAPartIsBorrowedForFromItsNodesOnly(t *testing.T) {
	w := newWorld(t, topologyOf(
		where(count("mail", 3, "imap"), "id", "node-1", "node-4", "node-5"), where(count("files", 1, "webdav"), "id", "node-2")), tenNodes())
	w.parts = []Part{{"imap", in("zone", "a1"), 1}, {"imap", in("region", "b"), 2}, {"imap", in("region", "c"), 0}}
	w.top.Pools[0].Exclude = []string{"node-9"} // nobody may stand in
	w.kill("node-1")
	target := w.step()
	if got := loans(target); got != "node-2: imap for mail" {
		t.Fatalf("loans are %s", got)
	}
	if got := reasonOf(target, "node-2", "imap"); got != "imap would be under its floor of 1 in zone a1: node-1 is down; node-2 is of pool files and is in the same zone" {
		t.Errorf("the reason is %q", got)
	}
	w.node("node-2").Settings.Cordoned = true
	w.kill("node-2")
	target = w.step()
	want := "imap needs 1 node for its floor in zone a1 and can count on 0; node-1 is down and node-2 is down"
	if s := target.Shortages; len(s) != 1 || s[0].Part != "zone=a1" || s[0].Reason != want {
		t.Errorf("shortages %v, want %q", target.Shortages, want)
	}
}

// The floor over all nodes, over the region and over the zone lack one each: one
// loan is enough.
func TestOneLoanServesSeveralFloors(t *testing.T) {
	w := newWorld(t, topologyOf(
		where(count("mail", 2, "imap"), "id", "node-1", "node-4"), where(count("files", 3, "webdav"), "id", "node-2", "node-3", "node-5")), tenNodes()[:5])
	w.floors["imap"] = 2
	w.parts = []Part{{"imap", in("region", "a"), 1}, {"imap", in("zone", "a2"), 1}}
	w.kill("node-1")
	if got := loans(w.step()); got != "node-3: imap for mail" {
		t.Errorf("loans are %s", got)
	}
}

// What lends for a floor while its own pool is whole and another cannot be
// filled stands in for that one: or it would seem to wait for something.
func TestALoanStandsInForThePoolThatCannotBeFilled(t *testing.T) {
	w := newWorld(t, topologyOf(
		where(count("mail", 1, "imap"), "id", "node-1"), where(count("far", 1, "imap"), "zone", "nowhere"), where(count("files", 1, "webdav"), "id", "node-2")), plainNodes(2))
	w.floors["imap"] = 2
	n := w.node("node-2")
	n.Assignments = append(n.Assignments, &v1.Assignment{Service: "imap", Node: "node-2", Pool: "mail", Wanted: v1.Wanted_WANTED_SERVING, Borrowed: true})
	w.report(n, "imap", v1.ServiceState_SERVICE_STATE_SERVING)
	w.pass(time.Hour)
	if got := loans(w.step()); got != "node-2: imap for far" {
		t.Errorf("loans are %s", got)
	}
}

// anyPartWorld is a world with shared pools, local data and floors over parts
// that are reached.
func anyPartWorld(t *rapid.T) *world {
	w := anyWorldWith(t, func(top *v1.Topology) {
		for _, p := range top.Pools {
			p.Shared = kind(p) != 1 && rapid.IntRange(0, 4).Draw(t, "shared") == 0
		}
		if s := rapid.SampledFrom(five).Draw(t, "local"); rapid.IntRange(0, 3).Draw(t, "data") == 0 && len(top.Services) == 0 {
			top.Services = append(top.Services, &v1.Service{Name: s, Data: v1.Data_DATA_LOCAL})
		}
	})
	for _, s := range five {
		for _, where := range []map[string]*v1.LabelValues{in("region", "a"), in("zone", "a1"), in("zone", "a2|b1"), in("egress", "yes")} {
			if rapid.IntRange(0, 2).Draw(t, "part") == 0 {
				if has := uint32(w.counted(w.place(), s, where, nil)); has > 0 {
					w.parts = append(w.parts, Part{s, where, min(has, uint32(rapid.IntRange(1, 2).Draw(t, "min")))})
				}
			}
		}
	}
	return w
}

// counted is how many nodes of a part a target counts on for a service; without
// leaves some loans out.
func (w *world) counted(target *Target, service string, where map[string]*v1.LabelValues, without map[string]bool) int {
	wanted, loaned, sum := target.Wanted(w.top), target.Loaned(), 0
	for _, n := range w.nodes {
		asked := wanted[n.Id][service] != "" || loaned[n.Id][service] != "" && !without[n.Id]
		if asked && Matches(n, where) && !Lost(n, service, w.top.Policy, w.now) {
			sum++
		}
	}
	return sum
}

// floorsOf are the floors in force of a service.
func (w *world) floorsOf(service string) []Part {
	floors := []Part{{service, nil, w.floors[service]}}
	for _, part := range w.parts {
		if part.Service == service {
			floors = append(floors, part)
		}
	}
	return floors
}

// mayHold: the service's data, if that is local, keeps nobody from it, or not
// this node.
func (w *world) mayHold(n *v1.Node, service string) bool {
	for _, s := range w.top.Services {
		if s.Name == service && s.Data == v1.Data_DATA_LOCAL {
			return slices.Contains(n.Holds, service) || assignmentOf(n, service) != nil ||
				!slices.ContainsFunc(w.nodes, func(n *v1.Node) bool { return slices.Contains(n.Holds, service) })
		}
	}
	return true
}

func (w *world) mayLend(n *v1.Node, service string, seat map[string][]string) bool {
	for _, s := range w.top.Services {
		if s.Name == service && len(s.Requires) > 0 && n.Labels["egress"] != "yes" {
			return false
		}
	}
	for _, p := range w.top.Pools {
		if p.Lend != nil && !*p.Lend && slices.Contains(seat[n.Id], p.Name) {
			return false
		}
	}
	if _, barred := Barred(n, service, w.now); barred || Lost(n, service, w.top.Policy, w.now) {
		return false
	}
	return n.State == v1.NodeState_NODE_STATE_UP && !n.Settings.Cordoned && n.Settings.Drain == nil && claimOf(n, service) != nil && w.mayHold(n, service)
}

// Against a search over all sets of lenders: every floor over a part holds in the
// target as far as nodes of that part may lend, and no fewer loans do.
func TestFloorsOverPartsHoldWithTheFewestLoans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyPartWorld(t)
		for range rapid.IntRange(1, 4).Draw(t, "events") {
			w.anything(t)
			target := w.place()
			wanted, loaned, seat := target.Wanted(w.top), target.Loaned(), map[string][]string{}
			for _, s := range target.Seats {
				seat[s.Node] = append(seat[s.Node], s.Pool)
			}
			t.Logf("%s\n%s\n%s", w.describe(), seats(target), loans(target))
			for _, service := range five {
				short := false
				for _, part := range w.floorsOf(service) {
					has := w.counted(target, service, part.Where, nil)
					told := slices.ContainsFunc(target.Shortages, func(s *v1.Shortage) bool {
						return s.Service == service && s.Part == PartName(part.Where)
					})
					short = short || has < int(part.Min)
					if placed := placedServices(w.top)[service]; placed && told != (has < int(part.Min)) {
						t.Fatalf("%s in %q has %d of %d; shortage told: %v", service, PartName(part.Where), has, part.Min, told)
					}
					for _, n := range w.nodes {
						asked := wanted[n.Id][service] != "" || loaned[n.Id][service] != ""
						if has < int(part.Min) && !asked && placedServices(w.top)[service] && Matches(n, part.Where) && w.mayLend(n, service, seat) {
							t.Fatalf("%s in %q has %d of %d, and %s may take it", service, PartName(part.Where), has, part.Min, n.Id)
						}
					}
				}
				if !short {
					w.fewest(t, target, service, seat)
				}
			}
			w.apply(target)
		}
	})
}

// fewest fails where loans that floors alone brought could be fewer. Where parts
// cross, none of them is without use.
func (w *world) fewest(t *rapid.T, target *Target, service string, seat map[string][]string) {
	mine := map[string]bool{}
	for _, l := range target.Loans {
		if l.Service == service && strings.HasPrefix(l.Reason, service+" would be under its floor") {
			mine[l.Node] = true
		}
	}
	if len(mine) == 0 {
		return
	}
	holds := func(without map[string]bool, more []*v1.Node) bool {
		for _, part := range w.floorsOf(service) {
			has := w.counted(target, service, part.Where, without)
			for _, n := range more {
				if Matches(n, part.Where) {
					has++
				}
			}
			if has < int(part.Min) {
				return false
			}
		}
		return true
	}
	for id := range mine {
		if holds(map[string]bool{id: true}, nil) {
			t.Fatalf("%s on %s is of no use", service, id)
		}
	}
	if crossing := slices.ContainsFunc(w.parts, func(p Part) bool { return p.Where["egress"] != nil || len(p.Where["zone"].GetValues()) > 1 }); crossing {
		return
	}
	wanted := target.Wanted(w.top)
	var able []*v1.Node
	for _, n := range w.nodes {
		if mine[n.Id] || wanted[n.Id][service] == "" && target.Loaned()[n.Id][service] == "" && w.mayLend(n, service, seat) {
			able = append(able, n)
		}
	}
	for set := range 1 << len(able) {
		var some []*v1.Node
		for i, n := range able {
			if set&(1<<i) != 0 {
				some = append(some, n)
			}
		}
		if len(some) < len(mine) && holds(mine, some) {
			t.Fatalf("%s is on loan at %d nodes, and %d would do", service, len(mine), len(some))
		}
	}
}

func TestPlacingAgainMovesNothingWithPartsAndSharesAndData(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyPartWorld(t)
		for range rapid.IntRange(1, 5).Draw(t, "events") {
			w.anything(t)
			t.Log(w.describe())
			target := w.step()
			for range 4 {
				if w.freed {
					target = w.step()
				}
			}
			after := w.sets()
			again := w.step()
			if !reflect.DeepEqual(again.Wanted(w.top), target.Wanted(w.top)) || w.sets() != after {
				t.Fatalf("%s; %s became %s; %s: sets\n%sbecame\n%s%s", seats(target), loans(target), seats(again), loans(again), after, w.sets(), w.describe())
			}
		}
	})
}

// The claim of borrowing: what is lent goes back when the same nodes return and
// nothing else changed, to the last service of the last node.
func TestWhatPartsAndSharesBorrowedIsGivenBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyPartWorld(t)
		w.step()
		w.pass(time.Hour)
		w.step()
		before := w.sets()
		var lost []string
		for _, n := range w.nodes {
			if rapid.IntRange(0, 2).Draw(t, "fate") == 0 {
				lost = append(lost, n.Id)
			}
		}
		t.Log(w.describe())
		w.kill(lost...)
		w.step()
		w.pass(time.Duration(rapid.IntRange(0, 299).Draw(t, "seconds")) * time.Second)
		w.step()
		for _, id := range lost {
			w.revive(id)
			w.step()
		}
		w.pass(2 * time.Hour)
		w.step()
		if w.sets() != before {
			t.Fatalf("without %v in between it was\n%sand is\n%s", lost, before, w.sets())
		}
	})
}
