package placement

import (
	"fmt"
	"math/rand"
	"reflect"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	v1 "roster/proto/roster/v1"
)

// anyNodes draws nodes in a few places, of all states, with or without sets
// that an older topology left.
func anyNodes(t *rapid.T, most int, stale bool) []*v1.Node {
	var nodes []*v1.Node
	for i := range rapid.IntRange(0, most).Draw(t, "nodes") {
		region := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "region")
		n := newNode(fmt.Sprintf("node-%d", i+1), region, region+rapid.SampledFrom([]string{"1", "2"}).Draw(t, "zone"))
		n.Capacity = rapid.SampledFrom([]uint32{100, 100, 200}).Draw(t, "capacity")
		n.State = rapid.SampledFrom([]v1.NodeState{
			v1.NodeState_NODE_STATE_UP, v1.NodeState_NODE_STATE_UP, v1.NodeState_NODE_STATE_UP,
			v1.NodeState_NODE_STATE_SUSPECT, v1.NodeState_NODE_STATE_DOWN,
		}).Draw(t, "state")
		n.Settings.Cordoned = rapid.IntRange(0, 9).Draw(t, "cordoned") == 0
		if rapid.IntRange(0, 5).Draw(t, "less") == 0 {
			n.Claims.Services = n.Claims.Services[1:]
		}
		if rapid.IntRange(0, 3).Draw(t, "egress") == 0 {
			n.Labels = map[string]string{"egress": "yes"}
		}
		if stale {
			for _, service := range five {
				if rapid.Bool().Draw(t, service) {
					n.Assignments = append(n.Assignments, &v1.Assignment{
						Service: service, Node: n.Id, Pool: rapid.SampledFrom([]string{"p0", "p1", "old"}).Draw(t, "pool"),
						Wanted: rapid.SampledFrom([]v1.Wanted{v1.Wanted_WANTED_SERVING, v1.Wanted_WANTED_SERVING, v1.Wanted_WANTED_DRAINING}).Draw(t, "wanted"),
					})
				}
			}
		}
		nodes = append(nodes, n)
	}
	return nodes
}

func anyTopology(t *rapid.T, most int) *v1.Topology {
	top := topologyOf()
	for i := range rapid.IntRange(1, most).Draw(t, "pools") {
		name := fmt.Sprintf("p%d", i)
		services := rapid.SliceOfNDistinct(rapid.SampledFrom(five), 1, 3, rapid.ID[string]).Draw(t, "services")
		var p *v1.Pool
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			p = all(name, services...)
		case 1, 2:
			p = weight(name, uint32(rapid.IntRange(1, 5).Draw(t, "weight")), services...)
		default:
			p = count(name, uint32(rapid.IntRange(1, 4).Draw(t, "count")), services...)
		}
		switch rapid.IntRange(0, 5).Draw(t, "where") {
		case 0:
			where(p, "region", rapid.SampledFrom([]string{"a", "b"}).Draw(t, "region"))
		case 1:
			where(p, "egress", "yes")
		case 2:
			where(p, "id", "node-1", "node-2", "node-3")
		}
		switch rapid.IntRange(0, 4).Draw(t, "spread") {
		case 0:
			spread(p, "zone")
		case 1:
			spread(p, "region", "zone")
		case 2:
			spread(p, "id")
		}
		p.Priority = int32(rapid.IntRange(0, 2).Draw(t, "priority"))
		p.Min = proto.Uint32(uint32(rapid.IntRange(0, 2).Draw(t, "min")))
		top.Pools = append(top.Pools, p)
	}
	return top
}

func placed(t *rapid.T, top *v1.Topology, nodes []*v1.Node) *Target {
	target, err := Place(View{Topology: top, Nodes: nodes})
	if err != nil {
		t.Fatal(err)
	}
	return target
}

// fitting is admission as the design puts it.
func fitting(top *v1.Topology, n *v1.Node, p *v1.Pool) (may, now bool) {
	for key, values := range p.Where {
		have := map[string]string{"region": n.Region, "zone": n.Zone, "id": n.Id, "egress": n.Labels["egress"]}[key]
		if !slices.Contains(values.Values, have) {
			return false, false
		}
	}
	holds, elsewhere, serves := false, false, map[string]bool{}
	for _, a := range n.Assignments {
		serves[a.Service] = true
		if a.Wanted == v1.Wanted_WANTED_SERVING {
			holds = holds || a.Pool == p.Name && slices.Contains(p.Services, a.Service)
			for _, other := range top.Pools {
				elsewhere = elsewhere || a.Pool == other.Name && slices.Contains(other.Services, a.Service)
			}
		}
	}
	every := true
	for _, s := range p.Services {
		if !slices.ContainsFunc(n.Claims.Services, func(c *v1.ServiceClaim) bool { return c.Name == s }) {
			return false, false
		}
		every = every && serves[s]
	}
	return true, holds || every && !(elsewhere && n.State == v1.NodeState_NODE_STATE_DOWN) || n.State == v1.NodeState_NODE_STATE_UP && !n.Settings.Cordoned
}

func TestHardRulesHoldForAnyTopologyAndNodes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		top, nodes := anyTopology(t, 5), anyNodes(t, 12, true)
		enrich(t, top, nodes, true)
		target := placed(t, top, nodes)
		pools, byID := map[string]*v1.Pool{}, map[string]*v1.Node{}
		for _, p := range top.Pools {
			pools[p.Name] = p
		}
		for _, n := range nodes {
			byID[n.Id] = n
		}
		seated, has, got := map[string]bool{}, map[string]bool{}, map[string]uint32{}
		for _, s := range target.Seats {
			if !pools[s.Pool].Shared {
				if seated[s.Node] {
					t.Fatalf("%s has two seats", s.Node)
				}
				seated[s.Node] = true
			}
			has[s.Pool+"@"+s.Node] = true
			got[s.Pool]++
			if may, now := fitting(top, byID[s.Node], pools[s.Pool]); !now && !(may && pools[s.Pool].Shared && served(target.Wanted(top)[s.Node], s.Pool, pools[s.Pool])) {
				t.Fatalf("%s may have no seat in %v", s.Node, pools[s.Pool])
			}
			if s.Reason == "" {
				t.Fatalf("seat of %s has no reason", s.Node)
			}
		}
		for i, size := range target.Sizes {
			p := top.Pools[i]
			short := slices.ContainsFunc(target.Shortages, func(s *v1.Shortage) bool { return s.Pool == p.Name })
			switch {
			case got[p.Name] != size.Got:
				t.Fatalf("%s has %d seats, Got is %d", p.Name, got[p.Name], size.Got)
			case p.GetCount() > 0 && (size.Got > p.GetCount() || size.Wanted != p.GetCount()):
				t.Fatalf("%s has size %v", p.Name, size)
			case short != (size.Got < size.Wanted && p.GetMin() > 0):
				t.Fatalf("%s has size %v, short: %v", p.Name, size, short)
			}
			// No node is left over that a short or open pool could take.
			for _, n := range nodes {
				_, now := fitting(top, n, p)
				if now && !has[p.Name+"@"+n.Id] && (!p.Shared && !seated[n.Id] || p.Shared && n.State == v1.NodeState_NODE_STATE_UP && !n.Settings.Cordoned) && (size.Got < size.Wanted || p.GetAll()) && p.GetWeight() == 0 {
					t.Fatalf("%s has no seat, and %s has size %v%s", n.Id, p.Name, size, describe(top, nodes))
				}
			}
		}
	})
}

// served: all of a shared pool is wanted at a node for other pools.
func served(wanted map[string]string, name string, p *v1.Pool) bool {
	return !slices.ContainsFunc(p.Services, func(service string) bool { return wanted[service] == "" || wanted[service] == name })
}

func TestThePlaceOfANodeInTheListDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		top, nodes := anyTopology(t, 5), anyNodes(t, 12, true)
		enrich(t, top, nodes, true)
		target := placed(t, top, nodes)
		shuffled := slices.Clone(nodes)
		rand.New(rand.NewSource(rapid.Int64().Draw(t, "seed"))).Shuffle(len(shuffled), func(i, j int) {
			shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
		})
		before := make([]*v1.Node, len(nodes))
		for i, n := range nodes {
			before[i] = proto.CloneOf(n)
		}
		if again := placed(t, top, shuffled); !reflect.DeepEqual(again, target) {
			t.Fatalf("%s became %s", seats(target), seats(again))
		}
		for i, n := range nodes {
			if !proto.Equal(n, before[i]) {
				t.Fatalf("%s was changed", n.Id)
			}
		}
	})
}

// Anywhere on the way of a rollout, in any order of its moves.
func TestPlacingAgainOnTheWayGivesTheSameTarget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		top, nodes := anyTopology(t, 5), anyNodes(t, 12, true)
		enrich(t, top, nodes, false)
		target := placed(t, top, nodes)
		wanted := target.Wanted(top)
		var half []*v1.Node
		for _, n := range nodes {
			n = proto.CloneOf(n)
			set, wanted := map[string]*v1.Assignment{}, startable(n, wanted[n.Id])
			for _, a := range n.Assignments {
				set[a.Service] = a
			}
			n.Assignments = nil
			for _, service := range five {
				a, pool := set[service], wanted[service]
				most := 2
				if n.State == v1.NodeState_NODE_STATE_DOWN {
					most = 0 // nothing is done there
				}
				switch rapid.IntRange(0, most).Draw(t, "progress") {
				case 0: // not yet
				case 1: // started, or drained
					if pool != "" {
						a = &v1.Assignment{Service: service, Node: n.Id, Pool: pool, Wanted: v1.Wanted_WANTED_SERVING}
					} else if a != nil {
						a.Wanted = v1.Wanted_WANTED_DRAINING
					}
				case 2: // done
					a = nil
					if pool != "" {
						a = &v1.Assignment{Service: service, Node: n.Id, Pool: pool, Wanted: v1.Wanted_WANTED_SERVING}
					}
				}
				if a != nil {
					n.Assignments = append(n.Assignments, a)
				}
			}
			half = append(half, n)
		}
		if again := placed(t, top, half); !reflect.DeepEqual(again.Wanted(top), wanted) && !leftoversCompete(t, top, nodes) {
			t.Fatalf("%s became %s%s%s", seats(target), seats(again), describe(top, nodes), describe(topologyOf(), half))
		}
	})
}

// leftoversCompete: where there are too few nodes, an `all` pool and weights, or
// two `all` pools, want the same ones; or a node that is on its way from one pool
// to another is needed by both. The reader refuses the former where the nodes
// are the very same; it takes more than one round to settle.
func leftoversCompete(t *rapid.T, top *v1.Topology, nodes []*v1.Node) bool {
	p, err := compile(View{Topology: top, Nodes: nodes})
	if err != nil {
		t.Fatal(err)
	}
	several := slices.ContainsFunc(p.nodes, func(n nodeFacts) bool {
		held := 0
		for _, holds := range n.holds {
			if holds {
				held++
			}
		}
		return held > 1
	})
	alls, weights := 0, 0
	for _, p := range top.Pools {
		switch kind(p) {
		case 1:
			weights++
		case 2:
			alls++
		}
	}
	return p.fill(p.size()).strained && (several || alls > 1 || alls > 0 && weights > 0)
}

func TestMarkingNodesDownChangesNoSeat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		top, nodes := anyTopology(t, 5), anyNodes(t, 12, true)
		enrich(t, top, nodes, false)
		t.Log(describe(top, nodes))
		nodes = settle(nodes, top, placed(t, top, nodes))
		target := placed(t, top, nodes)
		for _, n := range nodes {
			switch rapid.IntRange(0, 3).Draw(t, "fate") {
			case 0:
				n.State = v1.NodeState_NODE_STATE_DOWN
			case 1:
				n.Settings.Cordoned = true
			}
		}
		if again := placed(t, top, nodes); !reflect.DeepEqual(again.Wanted(top), target.Wanted(top)) && !leftoversCompete(t, top, nodes) {
			t.Fatalf("%s became %s%s", seats(target), seats(again), describe(top, nodes))
		}
	})
}

func TestNoPoolShrinksWhenANodeIsAdded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		top, nodes := anyTopology(t, 5), anyNodes(t, 12, false)
		enrich(t, top, nodes, true)
		if len(nodes) == 0 {
			return
		}
		for _, n := range nodes {
			n.State, n.Settings.Cordoned = v1.NodeState_NODE_STATE_UP, false
		}
		less, more := placed(t, top, nodes[1:]), placed(t, top, nodes)
		for i := range less.Sizes {
			if more.Sizes[i].Got < less.Sizes[i].Got {
				t.Fatalf("%s became %s", sizes(less), sizes(more))
			}
		}
	})
}

func TestWeightsFollowSainteLague(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var pools []*v1.Pool
		for i := range rapid.IntRange(1, 5).Draw(t, "pools") {
			pools = append(pools, weight(fmt.Sprintf("p%d", i), uint32(rapid.IntRange(1, 20).Draw(t, "weight")), "imap"))
		}
		n := rapid.IntRange(0, 40).Draw(t, "nodes")
		got := make([]int, len(pools))
		for range n {
			best := 0
			for i, p := range pools {
				if p.GetWeight()*uint32(2*got[best]+1) > pools[best].GetWeight()*uint32(2*got[i]+1) {
					best = i
				}
			}
			got[best]++
		}
		for i, size := range placed(t, topologyOf(pools...), plainNodes(n)).Sizes {
			if int(size.Got) != got[i] {
				t.Fatalf("%v on %d nodes: pool %d has %d, by the formula %d", pools, n, i, size.Got, got[i])
			}
		}
	})
}
