package placement

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	v1 "roster/proto/roster/v1"
)

// told writes conflicts as "path: text" lines, each with its reason.
func told(conflicts []*v1.Conflict) string {
	var b strings.Builder
	for _, c := range conflicts {
		fmt.Fprintf(&b, "%s\n", c.GetReason())
		for _, r := range c.GetRules() {
			fmt.Fprintf(&b, "  %s: %s\n", r.GetPath(), r.GetText())
		}
	}
	return b.String()
}

func TestAConflictNamesTheRulesThatCannotAllBeKept(t *testing.T) {
	for name, row := range map[string]struct {
		pools  []*v1.Pool
		change func(top *v1.Topology, nodes []*v1.Node)
		want   string
	}{
		"nothing is wrong": {pools: []*v1.Pool{count("mail", 10, "imap")}},
		"too few nodes": {
			pools: []*v1.Pool{count("mail", 8, "imap"), count("files", 4, "webdav"), where(count("mx", 1, "smtp-inbound"), "zone", "c2")},
			want: `pools mail and files want 12 nodes together, and only 10 nodes are there
  pools.mail.count: pool mail has 8 nodes
  pools.files.count: pool files has 4 nodes
  nodes: only 10 nodes are registered
`,
		},
		"a place that is too small": {
			pools: []*v1.Pool{where(count("mail", 3, "imap"), "zone", "a1"), count("files", 4, "webdav")},
			want: `pool mail wants 3 nodes, and 2 of 10 registered nodes may be its members
  pools.mail.count: pool mail has 3 nodes
  pools.mail.where.zone: members of mail have zone a1
  nodes: only 10 nodes are registered
`,
		},
		"named nodes that nobody registered": {
			pools: []*v1.Pool{{Name: "mail", Services: []string{"imap"}, Size: &v1.Pool_Count{Count: 2}, Min: proto.Uint32(1), Nodes: []string{"node-[10-11]"}}},
			want: `pool mail wants 2 nodes, and 1 of 10 registered nodes may be its members
  pools.mail.count: pool mail has 2 nodes
  pools.mail.nodes: members of mail are among node-[10-11]
  nodes: only 10 nodes are registered
`,
		},
		"a cordoned node": {
			pools:  []*v1.Pool{count("mail", 10, "imap")},
			change: func(_ *v1.Topology, nodes []*v1.Node) { nodes[2].Settings.Cordoned = true },
			want: `pool mail wants 10 nodes, and 9 of 10 registered nodes may be its members
  pools.mail.count: pool mail has 10 nodes
  nodes: only 10 nodes are registered
  nodes.node-3: node-3 is cordoned
`,
		},
		"a cordoned node where there are too few anyhow": {
			pools:  []*v1.Pool{count("mail", 11, "imap")},
			change: func(_ *v1.Topology, nodes []*v1.Node) { nodes[2].Settings.Cordoned = true },
			want: `pool mail wants 11 nodes, and only 10 nodes are there
  pools.mail.count: pool mail has 11 nodes
  nodes: only 10 nodes are registered
`,
		},
		"data": {
			pools: []*v1.Pool{count("mail", 2, "imap")},
			change: func(top *v1.Topology, nodes []*v1.Node) {
				top.Services = []*v1.Service{{Name: "imap", Data: v1.Data_DATA_LOCAL}}
				nodes[3].Holds = []string{"imap"}
			},
			want: `pool mail wants 2 nodes, and 1 of 10 registered nodes may be its members
  pools.mail.count: pool mail has 2 nodes
  services.imap.data: the data of imap is on node-4
`,
		},
		"what a service requires": {
			pools: []*v1.Pool{count("mail", 2, "imap")},
			change: func(top *v1.Topology, nodes []*v1.Node) {
				top.Services = []*v1.Service{{Name: "imap", Requires: map[string]*v1.LabelValues{"disk": {Values: []string{"ssd", "nvme"}}}}}
				nodes[3].Labels = map[string]string{"disk": "ssd"}
			},
			want: `pool mail wants 2 nodes, and 1 of 10 registered nodes may be its members
  pools.mail.count: pool mail has 2 nodes
  services.imap.requires.disk: imap requires disk ssd or nvme
  nodes: only 10 nodes are registered
`,
		},
		"what nodes can run": {
			pools: []*v1.Pool{weight("mail", 2, "imap")},
			change: func(_ *v1.Topology, nodes []*v1.Node) {
				for _, n := range nodes {
					n.Claims.Services = n.Claims.Services[1:]
				}
			},
			want: `pool mail wants 1 node, and 0 of 10 registered nodes may be its members
  pools.mail.min: pool mail has at least 1 node
  nodes: only 10 nodes are registered
  nodes: no registered node can run imap
`,
		},
		"a share that leaves nothing": {
			pools:  []*v1.Pool{where(weight("far", 1, "jmap"), "zone", "c2"), weight("mail", 30, "imap"), weight("files", 1, "webdav")},
			change: func(top *v1.Topology, _ []*v1.Node) { top.Pools[0].Min = proto.Uint32(0) },
			want: `the nodes that pool files needs are in the share of mail
  pools.files.min: pool files has at least 1 node
  pools.mail.weight: pool mail has a share of weight 30
  nodes: only 10 nodes are registered
`,
		},
		"a floor that the pools cannot reach": {
			pools: []*v1.Pool{where(weight("mail", 1, "imap"), "zone", "a1"), count("files", 1, "webdav")},
			change: func(top *v1.Topology, _ []*v1.Node) {
				top.Services = []*v1.Service{{Name: "imap", Floor: proto.Uint32(3)}}
			},
			want: `imap has a floor of 3, and its pools cannot have as many members
  pools.mail.where.zone: members of mail have zone a1
  services.imap.floor: imap has a floor of 3
  nodes: only 10 nodes are registered
`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			top, nodes := topologyOf(row.pools...), tenNodes()
			if row.change != nil {
				row.change(top, nodes)
			}
			got := Conflicts(View{Topology: top, Nodes: nodes})
			if told(got) != row.want {
				t.Errorf("got\n%swant\n%s", told(got), row.want)
			}
			if target := place(t, top, nodes); (len(target.Shortages) > 0) != (len(got) > 0) && !strings.HasPrefix(name, "a floor") {
				t.Errorf("conflicts %v, shortages %v", got, target.Shortages)
			}
		})
	}
}

// anyConflict draws a view in which little fits.
func anyConflict(t *rapid.T) View {
	top := anyTopology(t, 4)
	nodes := anyNodes(t, 6, false)
	for _, p := range top.Pools {
		p.Shared = kind(p) != 1 && rapid.IntRange(0, 5).Draw(t, "shared") == 0
		switch rapid.IntRange(0, 7).Draw(t, "ids") {
		case 0:
			p.Nodes = []string{"node-[2-5]", "node-9"}
		case 1:
			p.Exclude = []string{"node-1"}
		}
	}
	for _, s := range five {
		switch service := (&v1.Service{Name: s}); rapid.IntRange(0, 9).Draw(t, s) {
		case 0:
			// What shared pools add to a floor is not searched for below.
			if slices.ContainsFunc(top.Pools, func(p *v1.Pool) bool { return p.Shared && slices.Contains(p.Services, s) }) {
				continue
			}
			service.Floor = proto.Uint32(uint32(rapid.IntRange(1, 7).Draw(t, "floor")))
			top.Services = append(top.Services, service)
		case 1:
			service.Requires = map[string]*v1.LabelValues{"egress": {Values: []string{"yes"}}}
			top.Services = append(top.Services, service)
		case 2:
			service.Data = v1.Data_DATA_LOCAL
			top.Services = append(top.Services, service)
		}
	}
	for _, n := range nodes {
		if rapid.IntRange(0, 4).Draw(t, "holds") == 0 {
			n.Holds = []string{rapid.SampledFrom(five).Draw(t, "held")}
		}
		if rapid.IntRange(0, 9).Draw(t, "drained") == 0 {
			n.Settings.Drain = &v1.NodeDrain{}
		}
	}
	return View{Topology: top, Nodes: nodes}
}

// onlyFloor is the view without any other floor.
func onlyFloor(v View, service string) View {
	v.Topology = proto.CloneOf(v.Topology)
	for _, set := range v.Topology.Services {
		if set.Name != service {
			set.Floor = nil
		}
	}
	return v
}

func describeConflict(v View) string {
	text := describe(v.Topology, v.Nodes)
	for _, p := range v.Topology.Pools {
		text += fmt.Sprintf("\n%s shared %v min %d nodes %v exclude %v", p.Name, p.Shared, p.GetMin(), p.Nodes, p.Exclude)
	}
	for _, n := range v.Nodes {
		text += fmt.Sprintf("\n%s holds %v", n.Id, n.Holds)
	}
	return fmt.Sprintf("%s\n%v", text, v.Topology.Services)
}

// A conflict is real, and irreducible: against a search over all choices of
// nodes, for the conflict whole and for each rule less.
func TestAConflictIsIrreducible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := anyConflict(t)
		conflicts := Conflicts(v)
		for _, c := range conflicts {
			if c.Reason == "" || len(c.Rules) == 0 {
				t.Fatalf("%v", c)
			}
			if share(c) {
				continue // see below
			}
			if standing(c.Rules).possible(v) {
				t.Fatalf("this can be kept:\n%s%s", told(conflicts), describeConflict(v))
			}
			for i, r := range c.Rules {
				if less := slices.Delete(slices.Clone(c.Rules), i, i+1); !standing(less).possible(v) {
					t.Fatalf("without %q it cannot be kept either:\n%s%s", r.Path, told([]*v1.Conflict{c}), describeConflict(v))
				}
			}
		}
		// A floor is looked at by itself: what pools have to have, and that.
		whole := standing(nil).possible(onlyFloor(v, ""))
		for _, set := range v.Topology.Services {
			whole = whole && standing(nil).possible(onlyFloor(v, set.Name))
		}
		if whole == slices.ContainsFunc(conflicts, func(c *v1.Conflict) bool { return !share(c) }) {
			t.Fatalf("possible: %v, and there is\n%s%s", whole, told(conflicts), describeConflict(v))
		}
	})
}

// crowded are 50 pools over 10,000 nodes in nine zones that want one node more
// than there is; a few are in a state of their own.
func crowded() View {
	top := topologyOf()
	for k := range 50 {
		p := count(fmt.Sprintf("p%d", k), 200, five[k%5])
		if k%3 > 0 {
			where(p, "region", "a", "b", "c")
		}
		top.Pools = append(top.Pools, p)
	}
	top.Pools[0].Size = &v1.Pool_Count{Count: 201}
	nodes := plainNodes(10000)
	for i, n := range nodes {
		n.Region = string(rune('a' + i%3))
		n.Zone = fmt.Sprintf("%s%d", n.Region, i/3%3)
	}
	for _, n := range nodes[:9] {
		n.State = v1.NodeState_NODE_STATE_DOWN
	}
	return View{Topology: top, Nodes: nodes}
}

func BenchmarkConflicts(b *testing.B) {
	v := crowded()
	for b.Loop() {
		if len(Conflicts(v)) != 1 {
			b.Fatal("no conflict")
		}
	}
}

// share: a conflict over what weights and `all` leave. Its last rule but the
// nodes is no fixed size.
func share(c *v1.Conflict) bool {
	return strings.Contains(c.Reason, "in the share of") || strings.HasPrefix(c.Reason, "pool ") && strings.Contains(c.Reason, " and gets ")
}

// A pool that stays short is in a conflict, and one over shares is irreducible:
// with any of them made a fixed size, and all others with it that are in none, the
// pool gets what it has to have.
func TestAShareThatIsInTheWayIsNamed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := anyConflict(t)
		conflicts, apart := Conflicts(v), map[string]bool{}
		for _, c := range conflicts {
			for _, r := range c.Rules {
				if path := strings.Split(r.Path, "."); !share(c) && !strings.Contains(c.Reason, " has a floor of ") && path[0] == "pools" && (path[2] == "count" || path[2] == "min") {
					apart[path[1]] = true
				}
			}
		}
		short := func(name string, shares map[string]bool) bool {
			v := v
			v.Topology = proto.CloneOf(v.Topology)
			for _, p := range v.Topology.Pools {
				if apart[p.Name] {
					p.Size, p.Min = &v1.Pool_Count{}, proto.Uint32(0)
				}
				if kind(p) != 0 && p.Name != name && !p.Shared && !shares[p.Name] {
					p.Size = &v1.Pool_Count{Count: p.GetMin()}
				}
			}
			target, err := Place(v)
			if err != nil {
				t.Fatal(err)
			}
			return slices.ContainsFunc(target.Shortages, func(s *v1.Shortage) bool { return s.Pool == name })
		}
		named := map[string]bool{}
		for _, c := range conflicts {
			names, kept := []string{}, map[string]bool{}
			for _, r := range c.Rules {
				if path := strings.Split(r.Path, "."); path[0] == "pools" {
					named[path[1]] = true
					names, kept[path[1]] = append(names, path[1]), true
				}
			}
			if !strings.Contains(c.Reason, "in the share of") {
				continue
			}
			if !short(names[0], kept) {
				t.Fatalf("not short:\n%s%s", told([]*v1.Conflict{c}), describeConflict(v))
			}
			for _, less := range names[1:] {
				kept[less] = false
				if short(names[0], kept) {
					t.Fatalf("short without %s, too:\n%s%s", less, told([]*v1.Conflict{c}), describeConflict(v))
				}
				kept[less] = true
			}
		}
		target, err := Place(v)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range target.Shortages {
			if s.Pool != "" && !named[s.Pool] && len(conflicts) == 0 {
				t.Fatalf("%v is in no conflict:\n%s%s", s, told(conflicts), describeConflict(v))
			}
		}
	})
}
