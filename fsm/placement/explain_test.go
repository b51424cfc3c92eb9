package placement

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	v1 "roster/proto/roster/v1"
)

func explain(t *testing.T, v View, service, node string) *v1.ExplainResponse {
	t.Helper()
	r, err := Explain(v, service, node)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func reasonAgainst(r *v1.ExplainResponse, pool string) string {
	for _, a := range r.GetAlternatives() {
		if a.GetPool() == pool {
			return a.GetReason()
		}
	}
	return ""
}

// Why not there: each row has one reason for which node-3 is no member of mail.
func TestExplainNamesTheRuleThatKeepsANodeOut(t *testing.T) {
	mail := count("mail", 1, "imap")
	for name, row := range map[string]struct {
		pools  []*v1.Pool
		change func(top *v1.Topology, nodes []*v1.Node)
		want   string
	}{
		"where":       {pools: []*v1.Pool{where(count("mail", 1, "imap"), "zone", "b1", "b2")}, want: "the pool wants zone b1 or b2, and its zone is a2"},
		"a new label": {pools: []*v1.Pool{where(count("mail", 1, "imap"), "egress", "yes")}, want: "the pool wants egress yes, and it has no such label"},
		"nodes": {
			pools: []*v1.Pool{{Name: "mail", Services: []string{"imap"}, Size: &v1.Pool_Count{Count: 1}, Nodes: []string{"node-1"}}},
			want:  "it is not among the pool's nodes",
		},
		"exclude": {
			pools: []*v1.Pool{{Name: "mail", Services: []string{"imap"}, Size: &v1.Pool_Count{Count: 1}, Exclude: []string{"node-3"}}},
			want:  "the pool excludes it",
		},
		"claims": {pools: []*v1.Pool{mail}, change: func(_ *v1.Topology, nodes []*v1.Node) {
			nodes[2].Claims.Services = nodes[2].Claims.Services[1:]
		}, want: "its agent cannot run imap"},
		"requires": {pools: []*v1.Pool{mail}, change: func(top *v1.Topology, nodes []*v1.Node) {
			top.Services = []*v1.Service{{Name: "imap", Requires: in("disk", "ssd")}}
			nodes[0].Labels, nodes[2].Labels = map[string]string{"disk": "ssd"}, map[string]string{"disk": "hdd"}
		}, want: "imap requires disk ssd, and its disk is hdd"},
		"data": {pools: []*v1.Pool{mail}, change: func(top *v1.Topology, nodes []*v1.Node) {
			top.Services = []*v1.Service{{Name: "imap", Data: v1.Data_DATA_LOCAL}}
			nodes[4].Holds = []string{"imap"}
		}, want: "the data of imap is on node-5"},
		"cordoned": {pools: []*v1.Pool{mail}, change: func(_ *v1.Topology, nodes []*v1.Node) { nodes[2].Settings.Cordoned = true }, want: "it is cordoned"},
		"drained":  {pools: []*v1.Pool{mail}, change: func(_ *v1.Topology, nodes []*v1.Node) { nodes[2].Settings.Drain = &v1.NodeDrain{} }, want: "it is drained"},
		"down": {pools: []*v1.Pool{mail}, change: func(_ *v1.Topology, nodes []*v1.Node) {
			nodes[2].State = v1.NodeState_NODE_STATE_DOWN
		}, want: "it is down"},
		"needed elsewhere": {
			pools: []*v1.Pool{mail, where(count("files", 1, "webdav"), "zone", "a2")},
			want:  "pool files needs it, or a seat of it would stay empty",
		},
		"first by id": {pools: []*v1.Pool{mail}, want: "it fits, but node-1 comes first by id"},
		"capacity": {pools: []*v1.Pool{mail}, change: func(_ *v1.Topology, nodes []*v1.Node) { nodes[6].Capacity = 300 },
			want: "it fits, but node-7 has greater capacity"},
		"a start": {pools: []*v1.Pool{mail}, change: func(_ *v1.Topology, nodes []*v1.Node) {
			nodes[6].Assignments = []*v1.Assignment{{Service: "imap", Node: "node-7", Pool: "old", Wanted: v1.Wanted_WANTED_SERVING}}
		}, want: "it fits, but it would take 1 more start"},
		"a shared pool": {
			pools: []*v1.Pool{{Name: "mail", Services: []string{"imap"}, Size: &v1.Pool_Count{Count: 2}, Shared: true}, count("files", 10, "webdav")},
			want:  "it fits, but node-2 comes first by id",
		},
		"another pool's spread": {
			pools: []*v1.Pool{mail, spread(where(count("files", 2, "webdav"), "id", "node-3", "node-4", "node-5"), "region")},
			want:  "it fits, but region b would have 2 of the 2 members of pool files",
		},
		"a floor over a part": {
			pools: []*v1.Pool{mail},
			change: func(top *v1.Topology, _ []*v1.Node) {
				top.Services = append(top.Services, &v1.Service{Name: "imap", Floors: []*v1.Floor{{Min: 1, Where: in("zone", "b1")}}})
			},
			want: "it fits, but the floor of 1 of imap in zone b1 would not be covered",
		},
		"a seat that is held": {
			pools: []*v1.Pool{spread(where(count("mail", 2, "imap"), "id", "node-1", "node-3", "node-4"), "region")},
			change: func(_ *v1.Topology, nodes []*v1.Node) {
				for _, n := range nodes[:4] {
					n.Assignments = []*v1.Assignment{{Service: "imap", Node: n.Id, Pool: "mail", Wanted: v1.Wanted_WANTED_SERVING}}
				}
				nodes[2].Assignments[0].Pool = "old"
			},
			want: "it fits, but 1 more seat would change hands",
		},
	} {
		t.Run(name, func(t *testing.T) {
			top, nodes := topologyOf(row.pools...), tenNodes()
			if row.change != nil {
				row.change(top, nodes)
			}
			r := explain(t, View{Topology: top, Nodes: nodes}, "imap", "node-3")
			if got := reasonAgainst(r, "mail"); got != row.want || r.Wanted {
				t.Errorf("the reason is %q, want %q (%v)", got, row.want, r)
			}
		})
	}
}

func TestExplainSaysWhyAServiceIsThere(t *testing.T) {
	w := newWorld(t, topologyOf(where(count("mail", 1, "imap"), "id", "node-1"), where(count("files", 1, "webdav"), "id", "node-2")), plainNodes(3))
	v := func() View { return View{Topology: w.top, Nodes: w.nodes, Now: w.now, Floors: w.floors} }
	r := explain(t, v(), "imap", "node-1")
	if !r.Wanted || r.Pool != "mail" || r.Borrowed || r.Reason != "it is a member of pool mail: keeps its seat" || len(r.Alternatives) != 0 {
		t.Errorf("%v", r)
	}
	if !strings.HasPrefix(r.Present, "it is wanted serving since 2030-") || !strings.HasSuffix(r.Present, " for pool mail; its agent says serving") {
		t.Errorf("present: %q", r.Present)
	}
	w.node("node-3").Settings.Cordoned = true
	w.kill("node-1")
	w.step()
	if r = explain(t, v(), "imap", "node-2"); !r.Wanted || !r.Borrowed || r.Pool != "mail" || !strings.Contains(r.Reason, "node-1 is down") {
		t.Errorf("%v", r)
	}
	if got := reasonAgainst(r, "mail"); got != "the pool wants id node-1, and its id is node-2" {
		t.Errorf("against mail: %q", got)
	}
	w.node("node-2").Troubles = []*v1.Trouble{{Service: "jmap", Failures: 1, Last: timestamppb.New(w.now)}}
	w.top.Pools = append(w.top.Pools, count("more", 1, "jmap"))
	if r = explain(t, v(), "jmap", "node-3"); r.Wanted || r.Reason != "it is no member of pool more: it is cordoned" || !strings.HasPrefix(r.Present, "it is not wanted there; ") {
		t.Errorf("%v", r)
	}
}

func TestExplainKnowsItsServicesAndNodes(t *testing.T) {
	v := View{Topology: topologyOf(count("mail", 1, "imap")), Nodes: plainNodes(2)}
	if _, err := Explain(v, "imapp", "node-1"); !errors.Is(err, ErrUnknownService) || err.Error() != "no such service: imapp; the topology has imap" {
		t.Errorf("%v", err)
	}
	if _, err := Explain(v, "imap", "node-9"); !errors.Is(err, ErrUnknownNode) {
		t.Errorf("%v", err)
	}
	if r := explain(t, v, "jmap", "node-1"); r.Reason != "no pool has jmap" {
		t.Errorf("%v", r)
	}
}

// What it says is what the planner does: wanted, pool and loan as in the target,
// and a reason against each other pool that has the service. Where the node fits,
// the choice that it is compared with is the best of all that have it there, by a
// search over them, and the reason is of the first part that is worse.
func TestExplainAgreesWithThePlanner(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := View{Topology: anyTopology(t, 3), Nodes: anyNodes(t, 5, rapid.Bool().Draw(t, "stale"))}
		enrich(t, v.Topology, v.Nodes, false)
		if len(v.Nodes) == 0 {
			return
		}
		target, err := Place(v)
		if err != nil {
			t.Fatal(err)
		}
		wanted, loaned := target.Wanted(v.Topology), target.Loaned()
		node := rapid.SampledFrom(v.Nodes).Draw(t, "node").Id
		for _, service := range servicesOf(v.Topology) {
			r, err := Explain(v, service, node)
			if err != nil {
				t.Fatal(err)
			}
			pool, borrowed := wanted[node][service], loaned[node][service] != ""
			if borrowed {
				pool = loaned[node][service]
			}
			if r.Wanted != (pool != "") || r.Pool != pool || r.Borrowed != borrowed || r.Reason == "" || r.Present == "" {
				t.Fatalf("%v, but the pool is %q", r, pool)
			}
			for _, p := range v.Topology.Pools {
				member := slices.ContainsFunc(target.Seats, func(s *v1.Seat) bool { return s.Node == node && s.Pool == p.Name })
				if told := reasonAgainst(r, p.Name) != ""; told != (slices.Contains(p.Services, service) && !member) {
					t.Fatalf("%s at %s, a member of %s: %v; %v", service, node, p.Name, member, r)
				}
			}
		}
		bestForced(t, v, node)
	})
}

// bestForced tries every choice that has a node in a pool.
func bestForced(t *rapid.T, v View, node string) {
	x, err := explainer(v, node)
	if err != nil {
		t.Fatal(err)
	}
	for k := range x.pools {
		if n := &x.nodes[x.node]; n.barrier[k] != free || x.seats.has(x.node, k) || x.filled.got[k] == 0 || x.pools[k].watched {
			continue
		}
		if k >= x.own {
			bestBeside(t, x, k)
			continue
		}
		rivals, forced := x.among(k)
		best, found := cost{}, false
		left, try := slices.Clone(x.filled.got), make([]int, len(x.nodes))
		var walk func(i int)
		walk = func(i int) {
			if i == len(try) {
				if slices.Max(left[:x.own]) == 0 {
					if c := x.bill(x.pooled(), try); !found || c.less(&best) {
						best, found = c, true
					}
				}
				return
			}
			if i != x.node {
				try[i] = unseated
				walk(i + 1)
			}
			for other := range x.own {
				if left[other] > 0 && x.nodes[i].barrier[other] == free && (i != x.node || other == k) {
					left[other]--
					try[i] = other
					walk(i + 1)
					left[other]++
				}
			}
		}
		walk(0)
		if found != (forced != nil) || !found && len(rivals) == 0 {
			t.Fatalf("%s in %s: possible %v, rivals %v%s", node, x.pools[k].GetName(), found, rivals, describe(v.Topology, v.Nodes))
		}
		if !found {
			continue
		}
		if got := x.bill(x.pooled(), forced); forced[x.node] != k || best.less(&got) {
			t.Fatalf("%s in %s: %v costs %v, the best %v%s", node, x.pools[k].GetName(), forced, got, best, describe(v.Topology, v.Nodes))
		}
		now := x.bill(x.pooled(), x.at)
		if best.less(&now) {
			t.Fatalf("%s would be better in %s: %v, not %v%s", node, x.pools[k].GetName(), best, now, describe(v.Topology, v.Nodes))
		}
	}
}

// bestBeside tries every choice of the members of a shared pool with a node.
func bestBeside(t *rapid.T, x *explaining, k int) {
	strained := x.strained
	at, forced := x.beside(k)
	mine := x.bill([]int{k}, forced)
	if was := x.bill([]int{k}, at); mine.less(&was) {
		t.Fatalf("%v costs %v, and %v %v%s", at, was, forced, mine, describe(x.view.Topology, x.view.Nodes))
	}
	for set := range 1 << len(x.nodes) {
		try, seats := make([]int, len(x.nodes)), 0
		for i := range try {
			try[i] = unseated
			if set&(1<<i) != 0 && x.nodes[i].barrier[k] == free {
				try[i], seats = k, seats+1
			}
		}
		if c := x.bill([]int{k}, try); try[x.node] == k && seats == x.filled.got[k] && c.less(&mine) {
			t.Fatalf("%v costs %v, but %v %v%s", forced, mine, try, c, describe(x.view.Topology, x.view.Nodes))
		}
	}
	x.strained = strained
}
