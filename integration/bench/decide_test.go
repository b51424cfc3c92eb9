package bench

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"roster/fsm/placement"
	"roster/fsm/rollout"
	"roster/fsm/topology"
	"roster/fsm/whatif"
	v1 "roster/proto/roster/v1"
)

// How long deciding takes: placement, and the first wave of the rollout, for
// clusters of many sizes. Nothing is measured but pure functions.

// now is what time it is in all of them.
var now = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// nodesOf are n nodes in three regions of three zones each.
func nodesOf(t *testing.T, n int) []*v1.Node {
	t.Helper()
	var list strings.Builder
	for i := range n {
		region := string(rune('a' + i%3))
		fmt.Fprintf(&list, "- {id: node-%d, region: %s, zone: %s%d}\n", i+1, region, region, i/3%3+1)
	}
	nodes, err := topology.ParseNodes("nodes.yaml", []byte(list.String()))
	if err != nil {
		// More than a file may list: the same nodes, as records.
		nodes = nil
		one, err := topology.ParseNodes("nodes.yaml", []byte("- {id: node-1, region: a, zone: a1}\n"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			like := proto.CloneOf(one[0])
			region := string(rune('a' + i%3))
			like.Id, like.Region, like.Zone = fmt.Sprintf("node-%d", i+1), region, fmt.Sprintf("%s%d", region, i/3%3+1)
			like.Claims.Region, like.Claims.Zone = like.Region, like.Zone
			nodes = append(nodes, like)
		}
	}
	return nodes
}

// poolsOf is a topology of so many pools, each spread over regions and zones; with
// shift, every pool serves what its neighbour served.
func poolsOf(t *testing.T, pools, shift int) *v1.Topology {
	t.Helper()
	services := []string{"imap", "jmap", "webdav", "smtp-inbound", "smtp-outbound", "submission", "pop3", "managesieve", "lmtp"}
	top := fmt.Sprintf("name: pools-%d-%d\npools:\n", pools, shift)
	for i := range pools {
		at := i + shift
		serves := services[at%5]
		if pools > 5 { // of many pools, some serve two
			serves = services[at%len(services)]
			if at%3 == 0 {
				serves += ", " + services[(at+4)%len(services)]
			}
		}
		top += fmt.Sprintf("  - {name: pool-%d, services: [%s], weight: %d, spread: [region, zone]}\n", i+1, serves, 1+(i+shift)%4)
	}
	parsed, err := topology.Parse("pools.yaml", []byte(top))
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// decision is one event to decide on.
type decision struct {
	what string
	top  *v1.Topology
	c    *whatif.Cluster
}

// decisions are a cluster's four events.
func decisions(t *testing.T, n, pools int) []decision {
	t.Helper()
	nodes := nodesOf(t, n)
	top, next := poolsOf(t, pools, 0), poolsOf(t, pools, 1)
	empty, err := whatif.Offline(nodes, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := whatif.Offline(nodes, topology.Effective(top), now)
	if err != nil {
		t.Fatal(err)
	}
	without := func(lost func(*v1.Node) bool) *whatif.Cluster {
		c := *whole
		c.Nodes = slices.Clone(whole.Nodes)
		for i, n := range c.Nodes {
			if lost(n) {
				c.Nodes[i] = proto.CloneOf(n)
				c.Nodes[i].State, c.Nodes[i].StateSince = v1.NodeState_NODE_STATE_DOWN, timestamppb.New(now)
			}
		}
		return &c
	}
	return []decision{
		{"first placement", top, empty},
		{"one node lost", top, without(func(n *v1.Node) bool { return n.GetId() == "node-5" })},
		{"a region lost", top, without(func(n *v1.Node) bool { return n.GetRegion() == "b" })},
		{"model to model", next, whole},
	}
}

// decide places, and decides the first wave.
func (d decision) decide(t *testing.T) (place, next time.Duration, moves int) {
	t.Helper()
	effective := topology.Effective(d.top)
	floors := map[string]uint32{}
	for _, f := range d.c.Floors {
		if len(f.GetWhere()) == 0 {
			floors[f.GetService()] = f.GetFloor()
		}
	}
	began := time.Now()
	target, err := placement.Place(placement.View{Topology: effective, Nodes: d.c.Nodes, Now: now, Floors: floors})
	if err != nil {
		t.Fatalf("%s: %v", d.what, err)
	}
	place = time.Since(began)
	began = time.Now()
	step := rollout.Next(rollout.View{
		Now: now, Revision: 1, Topology: effective, Target: target, Nodes: d.c.Nodes, Floors: d.c.Floors, Restraints: rollout.Restraints{Open: true},
	})
	return place, time.Since(began), len(step.Moves)
}

// measured is one row.
type measured struct {
	place, next time.Duration
	moves       int
	// Processor time of one, collecting garbage included: other programs on the
	// machine change it little.
	processor time.Duration
	// Allocated meanwhile, in bytes.
	allocated uint64
}

// processor is the processor time of this process so far.
func processor(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// measure decides a few times and keeps the median.
func (d decision) measure(t *testing.T, atMost int) measured {
	t.Helper()
	var places, nexts []time.Duration
	var out measured
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	used := processor(t)
	for began := time.Now(); len(places) < atMost && (len(places) == 0 || time.Since(began) < time.Second); {
		place, next, moves := d.decide(t)
		places, nexts, out.moves = append(places, place), append(nexts, next), moves
	}
	runtime.ReadMemStats(&after)
	out.processor = (processor(t) - used) / time.Duration(len(places))
	out.place, out.next = percentile(places, 50), percentile(nexts, 50)
	out.allocated = (after.TotalAlloc - before.TotalAlloc) / uint64(len(places))
	return out
}

func TestBenchDecisions(t *testing.T) {
	sizes := map[string][]int{"full": {10, 100, 1_000, 10_000, 100_000}, "short": {10, 100, 1_000, 10_000}}[os.Getenv("ROSTER_BENCH")]
	if sizes == nil {
		sizes = []int{10, 100}
	}
	var table strings.Builder
	fmt.Fprintf(&table, "%-16s %5s %8s  %10s %10s %10s %10s  %7s %9s %8s\n", "", "pools", "nodes", "placement", "first wave", "together", "processor", "growth", "allocated", "moves")
	for _, pools := range []int{5, 50} {
		last := map[string]time.Duration{}
		for _, n := range sizes {
			atMost := 20
			if n > 10_000 { // once is enough to know, and one number of pools
				atMost = 1
				if pools > 5 {
					continue
				}
			}
			for _, d := range decisions(t, n, pools) {
				m := d.measure(t, atMost)
				growth := ""
				if was := last[d.what]; was > 0 {
					growth = fmt.Sprintf("× %.1f", float64(m.processor)/float64(was))
				}
				last[d.what] = m.processor
				fmt.Fprintf(&table, "%-16s %5d %8d  %10s %10s %10s %10s  %7s %6.1f MB %8d\n", d.what, pools, n, millis(m.place), millis(m.next), millis(m.place+m.next), millis(m.processor), growth, float64(m.allocated)/1e6, m.moves)
			}
		}
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	t.Logf("\n%s\ndeciding, median of up to 20; growth: of processor time, against a tenth of the nodes; at most %.0f MB from the system\n\n%s", Machine(), float64(memory.Sys)/1e6, table.String())
}
