package placement

import (
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"
	"testing"

	"pgregory.net/rapid"

	v1 "roster/proto/roster/v1"
)

// Every choice for these sizes is tried; none is better. First the pools that
// take nodes for themselves, then each that shares them.
func TestNoOtherChoiceIsBetter(t *testing.T) {
	gaps := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		v := View{Topology: anyTopology(t, 4), Nodes: anyNodes(t, 6, true)}
		enrich(t, v.Topology, v.Nodes, true)
		v.Prefer = anyPreferred(t, v.Topology, v.Nodes)
		target, err := Place(v)
		if err != nil {
			t.Fatal(err)
		}
		p, err := compile(v)
		if err != nil {
			t.Fatal(err)
		}
		sizes := p.size()
		filled := p.fill(sizes)
		p.strained = filled.strained
		own := make([]int, p.own)
		for k := range own {
			own[k] = k
		}
		at := chosen(p, target, own)
		c := &choosing{p: p, v: v, pools: own}
		c.compare(t, target, at, gaps)
		seats := p.seating(at, p.keep(filled, sizes, at))
		for _, s := range target.Seats { // Those that wait for their node are no choice.
			i, k := p.number(s.Node), p.byName[s.Pool]
			if k < p.own && at[i] != k && !seats.has(i, k) {
				t.Fatalf("%s is of %s and was not chosen", s.Node, s.Pool)
			}
		}
		p.given = make([]bool, len(p.nodes)*len(p.services))
		for i, pools := range seats.of {
			for _, k := range pools {
				p.give(i, k)
			}
		}
		for k := p.own; k < len(p.pools); k++ {
			p.openShared(k, &sizes, &filled)
			at := chosen(p, target, []int{k})
			c := &choosing{p: p, v: v, pools: []int{k}, strained: p.strained}
			c.compare(t, target, at, gaps)
			p.strained = filled.strained
			for i := range p.nodes {
				if at[i] == k || slices.ContainsFunc(target.Seats, func(s *v1.Seat) bool { return s.Node == p.nodes[i].GetId() && s.Pool == p.pools[k].GetName() }) {
					p.give(i, k)
				}
			}
		}
	})
	printGaps(gaps)
}

// printGaps says how far the spread over keys that cross was from the best one,
// and the bound from it.
func printGaps(gaps map[string]int) {
	var lines []string
	for gap, n := range gaps {
		lines = append(lines, fmt.Sprintf("%s: %d", gap, n))
	}
	sort.Strings(lines)
	fmt.Fprintln(os.Stdout, "spread over keys that cross, against every other choice:\n  "+strings.Join(lines, "\n  "))
}

func (p *problem) number(id string) int {
	return slices.IndexFunc(p.nodes, func(n nodeFacts) bool { return n.GetId() == id })
}

// chosen is the pool of each node, among some pools.
func chosen(p *problem, target *Target, pools []int) []int {
	at := make([]int, len(p.nodes))
	for i := range at {
		at[i] = unseated
	}
	for _, s := range target.Seats {
		i, k := p.number(s.Node), p.byName[s.Pool]
		if slices.Contains(pools, k) && p.nodes[i].barrier[k] != gone {
			at[i] = k
		}
	}
	return at
}

// choosing tries every choice of the members of some pools.
type choosing struct {
	p        *problem
	v        View
	pools    []int
	strained bool
}

func (c *choosing) compare(t *rapid.T, target *Target, at []int, gaps map[string]int) {
	got := make([]int, len(c.p.pools))
	for _, k := range at {
		if k != unseated {
			got[k]++
		}
	}
	c.strained = c.strained || c.p.strained
	c.p.findQuotas(c.pools, got)
	mine := c.price(at)
	best, bestAt := mine, at
	left := slices.Clone(got)
	try := make([]int, len(at))
	var walk func(i int)
	walk = func(i int) {
		if i == len(at) {
			for _, n := range left {
				if n > 0 {
					return
				}
			}
			if price := c.price(try); slices.Compare(price, best) < 0 || slices.Equal(price, best) && c.earlier(try, bestAt) {
				best, bestAt = price, slices.Clone(try)
			}
			return
		}
		try[i] = unseated
		walk(i + 1)
		for _, k := range c.pools {
			if left[k] > 0 && c.p.nodes[i].barrier[k] == free {
				left[k]--
				try[i] = k
				walk(i + 1)
				left[k]++
			}
		}
	}
	walk(0)
	crossing := slices.ContainsFunc(target.Spreads, func(b *v1.SpreadBound) bool { return slices.Contains(c.pools, c.p.byName[b.Pool]) })
	if !crossing && !slices.Equal(bestAt, at) {
		t.Fatalf("%v costs %v, but %v was chosen, for %v%s", bestAt, best, at, mine, describe(c.v.Topology, c.v.Nodes))
	}
	if crossing {
		c.measure(t, target, at, mine, bestAt, best, gaps)
	}
}

// earlier: node by node, by rank, the first one that differs is in an earlier
// pool of the file.
func (c *choosing) earlier(a, b []int) bool {
	for i := range a {
		if a[i] != b[i] {
			return b[i] == unseated || a[i] != unseated && a[i] < b[i]
		}
	}
	return false
}

// measure compares what keys that cross come to with the best choice.
func (c *choosing) measure(t *rapid.T, target *Target, at []int, mine []int, bestAt, best []int, gaps map[string]int) {
	sum, optimum, bound, exact := uint64(0), uint64(0), uint64(0), maxSpread
	for _, b := range target.Spreads {
		k := c.p.byName[b.Pool]
		if !slices.Contains(c.pools, k) {
			continue
		}
		level := slices.Index(c.p.pools[k].GetSpread(), b.Key)
		exact = min(exact, level)
		if got := c.squares(at, k, level); got != int(b.Sum) {
			t.Fatalf("%s over %s has the sum %d, said is %d", b.Pool, b.Key, got, b.Sum)
		}
		bestSum := uint64(c.squares(bestAt, k, level))
		sum, optimum, bound = sum+b.Sum, optimum+bestSum, bound+b.Bound
		if b.Bound > b.Sum || b.Bound > bestSum {
			t.Fatalf("%s over %s: the bound %d is above the sum %d, or the best one %d%s", b.Pool, b.Key, b.Bound, b.Sum, bestSum, describe(c.v.Topology, c.v.Nodes))
		}
	}
	exact += 4
	for _, families := range newGraph(c.p, c.pools).crossing {
		if slices.ContainsFunc(families, func(f family) bool { return f.floor != nil }) {
			exact = 3 // floors that cross come last, too
		}
	}
	if slices.Compare(mine[:exact], best[:exact]) != 0 {
		t.Fatalf("%v has %v, but the best choice %v has %v%s", at, mine, bestAt, best, describe(c.v.Topology, c.v.Nodes))
	}
	gaps[fmt.Sprintf("sum - best = %d, best - bound = %d", int(sum)-int(optimum), int(optimum)-int(bound))]++
}

// squares is the sum of squares of a pool's members over the values of a spread
// key.
func (c *choosing) squares(at []int, k, level int) int {
	values, sum := map[string]int{}, 0
	for i, pool := range at {
		if pool == k {
			values[spreadValue(c.p.nodes[i].Node, c.p.pools[k].GetSpread(), level)]++
		}
	}
	for _, n := range values {
		sum += n * n
	}
	return sum
}

// price is the sentence of the docs in figures: new seats where some stay open,
// those on nodes that are not up or are cordoned, seats of others than before,
// floors over parts, spread key by key, starts, restarts, drains called off,
// seats that change hands.
func (c *choosing) price(at []int) []int {
	const spreads, starts = 4, 12
	p := make([]int, starts+4)
	for _, k := range c.pools {
		for level := range c.p.pools[k].GetSpread() {
			p[spreads+level] += c.squares(at, k, level)
		}
		for _, q := range c.p.pools[k].quotas {
			have := 0
			for i, pool := range at {
				if pool == k && q.in[i] {
					have++
				}
			}
			p[3] += max(0, q.least-have)
		}
	}
	for i, k := range at {
		if k == unseated {
			continue
		}
		n, pool := &c.p.nodes[i], &c.p.pools[k]
		services, anyhow := map[string]*v1.Assignment{}, map[string]bool{}
		for _, a := range n.GetAssignments() {
			if other, there := c.p.byName[a.Pool]; !there || other < c.p.own || other <= k || !slices.Contains(c.p.pools[other].GetServices(), a.Service) {
				services[a.Service] = a
			}
		}
		all := true
		for s, service := range c.p.services {
			anyhow[service.GetName()] = k >= c.p.own && c.p.given[i*len(c.p.services)+s]
		}
		for _, service := range pool.GetServices() {
			all = all && anyhow[service]
		}
		holds := n.holds[k] && !all
		if !holds {
			p[starts+3]++
			if k >= c.p.own && !all {
				p[starts+3]++
			}
			if c.strained && !pool.loose {
				p[0] += 1 << (2 * (5 - pool.depth))
				if all {
					p[0] -= 1<<(2*(5-pool.depth)) - 1
				}
			}
			if !all && (n.GetState() != v1.NodeState_NODE_STATE_UP || n.GetSettings().GetCordoned()) {
				p[1]++
			}
		}
		if c.v.Prefer != nil && !slices.ContainsFunc(c.v.Prefer, func(s *v1.Seat) bool { return s.Pool == pool.GetName() && s.Node == n.GetId() }) {
			p[2]++
		}
		begins, stays := map[string]bool{}, map[string]bool{} // by service
		for _, service := range pool.GetServices() {
			a := services[service]
			switch {
			case anyhow[service]:
			case a == nil:
				p[starts]++
				begins[service] = true
			default:
				stays[service] = true
				if a.Wanted == v1.Wanted_WANTED_DRAINING {
					p[starts+2]++
				}
				if other, there := c.p.byName[a.Pool]; there && other != k && slices.Contains(c.p.pools[other].GetServices(), service) {
					begins[service] = true // taken over
				}
			}
		}
		for service := range anyhow {
			if anyhow[service] {
				stays[service] = true
			}
		}
		group := func(service string) string {
			if claim := claimOf(n.Node, service); claim.GetChangeMode() == v1.ChangeMode_CHANGE_MODE_RESTART {
				return claim.GetRestartGroup()
			}
			return ""
		}
		for service := range stays {
			for other := range begins {
				if !holds && group(service) != "" && group(service) == group(other) {
					p[starts+1]++
					break
				}
			}
		}
	}
	return p
}
