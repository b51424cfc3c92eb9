package placement

import (
	"math/rand"
	"reflect"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	v1 "roster/proto/roster/v1"
)

// anyWorld draws a topology that the reader would accept, served on nodes that
// are all up.
func anyWorld(t *rapid.T) *world { return anyWorldWith(t, func(*v1.Topology) {}) }

func anyWorldWith(t *rapid.T, change func(top *v1.Topology)) *world {
	top := anyTopology(t, 4)
	alls, weights := 0, 0
	for _, p := range top.Pools {
		switch kind(p) {
		case 1:
			weights++
		case 2:
			if alls++; alls > 1 || weights > 0 {
				p.Size = &v1.Pool_Count{Count: 2}
			}
		}
	}
	for _, p := range top.Pools {
		if kind(p) == 1 && alls > 0 {
			p.Size = &v1.Pool_Count{Count: 1}
		}
		if rapid.IntRange(0, 4).Draw(t, "lend") == 0 {
			p.Lend = proto.Bool(false)
		}
	}
	if rapid.IntRange(0, 2).Draw(t, "requires") == 0 {
		top.Services = []*v1.Service{{
			Name:     rapid.SampledFrom(five).Draw(t, "service"),
			Requires: map[string]*v1.LabelValues{"egress": {Values: []string{"yes"}}},
		}}
	}
	change(top)
	nodes := anyNodes(t, 10, false)
	for _, n := range nodes {
		n.State, n.Settings.Cordoned = v1.NodeState_NODE_STATE_UP, false
		if rapid.IntRange(0, 2).Draw(t, "restart") == 0 {
			for _, c := range n.Claims.Services {
				c.ChangeMode, c.RestartGroup = v1.ChangeMode_CHANGE_MODE_RESTART, "mail"
			}
		}
	}
	w := newWorld(t, top, nodes)
	// No floor is above what the pools have: the reader refuses that too.
	w.floors = map[string]uint32{}
	served := map[string]uint32{}
	for _, set := range w.step().Wanted(top) {
		for service := range set {
			served[service]++
		}
	}
	for _, s := range five {
		w.floors[s] = min(served[s], uint32(rapid.IntRange(0, 3).Draw(t, "floor")))
	}
	w.pass(time.Hour)
	w.step()
	return w
}

// anything happens to one node.
func (w *world) anything(t *rapid.T) {
	if len(w.nodes) == 0 {
		return
	}
	n := w.node(rapid.SampledFrom(w.nodes).Draw(t, "node").Id)
	switch rapid.IntRange(0, 9).Draw(t, "event") {
	case 0, 1, 2:
		if n.State != v1.NodeState_NODE_STATE_DOWN {
			w.kill(n.Id)
		}
	case 3, 4:
		if n.State == v1.NodeState_NODE_STATE_DOWN {
			w.revive(n.Id)
		}
	case 5:
		n.Settings.Cordoned = !n.Settings.Cordoned
	case 6:
		if n.Settings.Drain == nil {
			n.Settings.Drain = &v1.NodeDrain{}
		} else {
			n.Settings.Drain = nil
		}
	case 7, 8:
		if len(n.Assignments) > 0 && n.State == v1.NodeState_NODE_STATE_UP {
			s := rapid.SampledFrom(n.Assignments).Draw(t, "service").Service
			state := v1.ServiceState_SERVICE_STATE_FAILING
			if reportOf(n, s).GetState() == state {
				state = v1.ServiceState_SERVICE_STATE_SERVING
			}
			w.report(n, s, state)
		}
	case 9:
		n.Troubles = []*v1.Trouble{{
			Service: rapid.SampledFrom(five).Draw(t, "service"), Failures: uint32(rapid.IntRange(1, 5).Draw(t, "failures")), Last: timestamppb.New(w.now),
		}}
	}
	w.pass(time.Duration(rapid.SampledFrom([]int{0, 5, 10, 60, 299, 300, 4000}).Draw(t, "seconds")) * time.Second)
}

func (w *world) describe() string { return describe(w.top, w.nodes) }

func TestPlacingAgainAfterSeatsAndLoansMovesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyWorld(t)
		for range rapid.IntRange(1, 6).Draw(t, "events") {
			w.anything(t)
			t.Log(w.describe())
			target := w.step()
			// A node that failed is free for something else only then.
			for range 4 {
				if w.freed {
					target = w.step()
				}
			}
			after := w.sets()
			again := w.step()
			if !reflect.DeepEqual(again.Wanted(w.top), target.Wanted(w.top)) {
				t.Fatalf("%s became %s%s", seats(target), seats(again), w.describe())
			}
			if w.sets() != after {
				t.Fatalf("loans %s became %s; sets\n%sbecame\n%s", loans(target), loans(again), after, w.sets())
			}
			third := w.place()
			if !reflect.DeepEqual(third.Loaned(), again.Loaned()) || !reflect.DeepEqual(third.Wanted(w.top), again.Wanted(w.top)) {
				t.Fatalf("loans %s became %s", loans(again), loans(third))
			}
		}
	})
}

func TestAFailureResizesNoPoolAndRobsNoEqual(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyWorld(t)
		target := w.step()
		priorities := map[string]int32{}
		for _, p := range w.top.Pools {
			priorities[p.Name] = p.Priority
		}
		sized := map[string]uint32{}
		for _, size := range target.Sizes {
			sized[size.Pool] = size.Wanted
		}
		at := map[string]string{}
		for _, s := range target.Seats {
			at[s.Node] = s.Pool
		}
		t.Log(w.describe())
		for _, n := range w.nodes {
			if rapid.IntRange(0, 3).Draw(t, "fate") == 0 {
				w.kill(n.Id)
			}
		}
		for _, after := range []time.Duration{0, 301 * time.Second, time.Hour} {
			w.pass(after)
			target := w.step()
			for i, size := range target.Sizes {
				if kind(w.top.Pools[i]) != 2 && size.Wanted != sized[size.Pool] {
					t.Fatalf("%s wanted %d, now %d", size.Pool, sized[size.Pool], size.Wanted)
				}
			}
			now := map[string]string{}
			for _, s := range target.Seats {
				now[s.Node] = s.Pool
			}
			for _, n := range w.nodes {
				was, is := at[n.Id], now[n.Id]
				if n.State == v1.NodeState_NODE_STATE_UP && was != "" && is != was && (is == "" || priorities[is] <= priorities[was]) {
					t.Fatalf("after %s %s left %s for %q: %s%s", after, n.Id, was, is, seats(target), w.describe())
				}
			}
		}
	})
}

func TestWhatWasBorrowedIsGivenBackWhenTheSameNodesReturn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyWorld(t)
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
		w.pass(59 * time.Second)
		w.step()
		w.pass(2 * time.Hour)
		w.step()
		if w.sets() != before {
			t.Fatalf("without %v in between it was\n%sand is\n%s", lost, before, w.sets())
		}
	})
}

// may is what a new loan asks of a node, as the design puts it.
func (w *world) may(n *v1.Node, service string, seats map[string]string) bool {
	if n.State != v1.NodeState_NODE_STATE_UP || n.Settings.Cordoned || n.Settings.Drain != nil || claimOf(n, service) == nil {
		return false
	}
	if _, barred := Barred(n, service, w.now); barred || Lost(n, service, w.top.Policy, w.now) {
		return false
	}
	for _, s := range w.top.Services {
		if s.Name == service && n.Labels["egress"] != "yes" {
			return false
		}
	}
	for _, p := range w.top.Pools {
		if p.Name == seats[n.Id] && p.Lend != nil && !*p.Lend {
			return false
		}
	}
	return true
}

func TestFloorsAreCoveredWhereverANodeMayAndByNoOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyWorld(t)
		for range rapid.IntRange(1, 6).Draw(t, "events") {
			w.anything(t)
			t.Log(w.describe())
			target := w.place()
			wanted, loaned := target.Wanted(w.top), target.Loaned()
			seat := map[string]string{}
			for _, s := range target.Seats {
				seat[s.Node] = s.Pool
			}
			for _, l := range target.Loans {
				n := w.node(l.Node)
				a := assignmentOf(n, l.Service)
				if l.Reason == "" || wanted[l.Node][l.Service] != "" {
					t.Fatalf("loan %v", l)
				}
				if a == nil && !w.may(n, l.Service, seat) {
					t.Fatalf("%s may not take %s (%s)", l.Node, l.Service, l.Reason)
				}
			}
			for service, floor := range w.floors {
				expected, more := uint32(0), ""
				for _, n := range w.nodes {
					asked := wanted[n.Id][service] != "" || loaned[n.Id][service] != ""
					switch {
					case asked && !Lost(n, service, w.top.Policy, w.now):
						expected++
					case !asked && w.may(n, service, seat):
						more = n.Id
					}
				}
				short := slices.ContainsFunc(target.Shortages, func(s *v1.Shortage) bool { return s.Service == service })
				if expected < floor && more != "" || short != (expected < floor) {
					t.Fatalf("%s has %d of %d, and %q may take it; short: %v; %s; %s", service, expected, floor, more, short, seats(target), loans(target))
				}
			}
			w.apply(target)
		}
	})
}

func TestThePlaceOfANodeInTheListDoesNotMatterForLoans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyWorld(t)
		for range rapid.IntRange(1, 4).Draw(t, "events") {
			w.anything(t)
			w.step()
		}
		w.anything(t)
		target := w.place()
		rand.New(rand.NewSource(rapid.Int64().Draw(t, "seed"))).Shuffle(len(w.nodes), func(i, j int) {
			w.nodes[i], w.nodes[j] = w.nodes[j], w.nodes[i]
		})
		if again := w.place(); !reflect.DeepEqual(again, target) {
			t.Fatalf("%s, %s became %s, %s", seats(target), loans(target), seats(again), loans(again))
		}
	})
}

// Whatever one node does: as long as it is away again before it is relied on,
// nothing is given back.
func TestNothingIsGivenBackToANodeThatFlaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyWorld(t)
		if len(w.nodes) == 0 {
			return
		}
		id := rapid.SampledFrom(w.nodes).Draw(t, "node").Id
		t.Log(w.describe())
		w.kill(id)
		before := w.step().Loaned()
		for range rapid.IntRange(1, 10).Draw(t, "times") {
			w.pass(time.Duration(rapid.IntRange(0, 299).Draw(t, "away")) * time.Second)
			if now := w.step().Loaned(); !reflect.DeepEqual(now, before) {
				t.Fatalf("away, %v became %v", before, now)
			}
			w.revive(id)
			if now := w.step().Loaned(); !reflect.DeepEqual(now, before) {
				t.Fatalf("back, %v became %v", before, now)
			}
			w.pass(time.Duration(rapid.IntRange(0, 59).Draw(t, "back")) * time.Second)
			if now := w.step().Loaned(); !reflect.DeepEqual(now, before) {
				t.Fatalf("back for a while, %v became %v", before, now)
			}
			w.kill(id)
		}
	})
}
