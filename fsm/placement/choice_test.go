package placement

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	v1 "roster/proto/roster/v1"
)

// Every choice for these sizes is tried; none is better.
func TestNoOtherChoiceIsBetter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		top, nodes := anyTopology(t, 3), anyNodes(t, 6, true)
		target := placed(t, top, nodes)
		at := map[string]int{}
		want := make([]int, len(top.Pools))
		for _, s := range target.Seats {
			for k, p := range top.Pools {
				if p.Name == s.Pool {
					at[s.Node] = k + 1
					want[k]++
				}
			}
		}
		chosen := make([]int, len(nodes))
		for i, n := range nodes {
			chosen[i] = at[n.Id]
		}
		p, strained := strained(t, View{Topology: top, Nodes: nodes})
		best := price(p, nodes, chosen, strained)
		try := make([]int, len(nodes))
		var walk func(i int)
		walk = func(i int) {
			if i < len(nodes) {
				for k := range len(top.Pools) + 1 {
					if k > 0 {
						if _, now := fitting(top, nodes[i], top.Pools[k-1]); !now || strained && p.known(nodes[i].Id).barrier[k-1] != free {
							continue
						}
					}
					try[i] = k
					walk(i + 1)
				}
				return
			}
			got := make([]int, len(top.Pools))
			for _, k := range try {
				if k > 0 {
					got[k-1]++
				}
			}
			if !slices.Equal(got, want) {
				return
			}
			if p := price(p, nodes, try, strained); slices.Compare(p, best) < 0 {
				t.Fatalf("%v costs %v, but %v was chosen, for %v", try, p, chosen, best)
			}
		}
		walk(0)
	})
}

// strained: some seat stays open.
func strained(t *rapid.T, v View) (*problem, bool) {
	p, err := compile(v)
	if err != nil {
		t.Fatal(err)
	}
	return p, p.fill(p.size()).strained
}

func (p *problem) known(id string) *nodeFacts {
	return &p.nodes[slices.IndexFunc(p.nodes, func(n nodeFacts) bool { return n.GetId() == id })]
}

// price is the sentence of the docs in figures: new seats where some stay open,
// those on nodes that are not up or are cordoned, spread key by key, starts,
// drains called off, seats that change hands.
func price(facts *problem, nodes []*v1.Node, at []int, strained bool) []int {
	p := make([]int, 9)
	top := facts.top
	for k, pool := range top.Pools {
		for level := range pool.Spread {
			values := map[string]int{}
			for i, n := range nodes {
				if at[i] == k+1 {
					values[spreadValue(n, pool.Spread, level)]++
				}
			}
			for _, c := range values {
				p[2+level] += c * c
			}
		}
	}
	for i, n := range nodes {
		if at[i] == 0 {
			continue
		}
		pool := top.Pools[at[i]-1]
		holds := facts.known(n.Id).holds[at[i]-1]
		if !holds {
			p[8]++
			if strained && !facts.pools[at[i]-1].loose {
				p[0] += 1 << (2 * (5 - facts.pools[at[i]-1].depth))
			}
			if n.State != v1.NodeState_NODE_STATE_UP || n.Settings.Cordoned {
				p[1]++
			}
		}
		for _, s := range pool.Services {
			a := slices.IndexFunc(n.Assignments, func(a *v1.Assignment) bool { return a.Service == s })
			switch {
			case a < 0:
				p[6]++
			case n.Assignments[a].Wanted == v1.Wanted_WANTED_DRAINING:
				p[7]++
			}
		}
	}
	return p
}
