package placement

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "roster/proto/roster/v1"
)

// sizeReason says how a pool's size came about.
func (p *problem) sizeReason(k int) string {
	switch size := p.pools[k].Size.(type) {
	case *v1.Pool_Count:
		return fmt.Sprintf("count %d", size.Count)
	case *v1.Pool_Weight:
		sum := uint64(0)
		for _, other := range p.pools {
			sum += uint64(other.GetWeight())
		}
		return fmt.Sprintf("weight %d of %d over the nodes that fixed pools leave", size.Weight, sum)
	}
	return "every eligible node that no other pool took"
}

// left lists by pool the nodes that lost a seat there, and not to a move of the
// topology. A new member takes over from one of them.
func (p *problem) left(seats *seating) [][]int {
	left := make([][]int, len(p.pools))
	for i := range p.nodes {
		n := &p.nodes[i]
		for k := range p.pools {
			if n.holds[k] && !seats.has(i, k) && (n.barrier[k] == gone || n.barrier[k] == drained) {
				left[k] = append(left[k], i)
			}
		}
	}
	return left
}

// seatReason says why a node is a member of a pool; kept: its seat was not given
// away though it is gone. It takes the node that it succeeds from left.
func (p *problem) seatReason(i, k int, kept bool, left [][]int) string {
	if kept {
		return "keeps its seat: " + p.away(i, k) + ", and no other node may take it"
	}
	reason := p.choiceReason(i, k)
	if n := &p.nodes[i]; !n.holds[k] {
		if len(left[k]) > 0 {
			reason = p.away(left[k][0], k) + "; " + reason
			left[k] = left[k][1:]
		}
		for other := range p.pools {
			if other != k && n.holds[other] && p.pools[other].GetPriority() < p.pools[k].GetPriority() {
				reason += fmt.Sprintf("; pool %s has a lower priority", p.pools[other].GetName())
			}
		}
	}
	return reason
}

// away says what became of a node that is gone from a pool, or leaves it.
func (p *problem) away(i, k int) string {
	n := &p.nodes[i]
	switch {
	case n.drained:
		return n.GetId() + " is drained"
	case n.down:
		return fmt.Sprintf("%s has been down for %s or more", n.GetId(), p.top.GetPolicy().GetReplaceAfter().AsDuration())
	}
	for _, s := range p.pools[k].services {
		if n.fails[s] {
			return fmt.Sprintf("%s has not been ready on %s for %s or more", p.services[s].GetName(), n.GetId(), p.top.GetPolicy().GetReplaceAfter().AsDuration())
		}
	}
	return n.GetId() + " is gone"
}

// choiceReason says why a node was chosen for a pool.
func (p *problem) choiceReason(i, k int) string {
	n, pool := &p.nodes[i], &p.pools[k]
	have := 0
	for _, s := range pool.services {
		if n.serves[s] || n.drains[s] {
			have++
		}
	}
	switch {
	case n.holds[k]:
		return "keeps its seat"
	case n.standsIn[k]:
		return "stands in for it already"
	case have == len(pool.services):
		return "already serves " + enumerate(pool.GetServices(), len(pool.GetServices()))
	case have > 0:
		return fmt.Sprintf("already serves %d of the pool's %d services", have, len(pool.services))
	case pool.GetAll():
		return "eligible, and no other pool took it"
	case len(pool.GetSpread()) > 0:
		return "eligible, and keeps the pool spread over " + strings.Join(pool.GetSpread(), ", ")
	}
	return "eligible, by capacity and id"
}

// shortageReason says why a pool stays short, from the nodes that it may not
// use and the pools that it competes with.
func (p *problem) shortageReason(k, wanted, got int, rivals []int, seats *seating) string {
	counts := map[barrier]int{}
	for i := range p.nodes {
		if b := p.nodes[i].barrier[k]; b.open() {
			counts[free]++
		} else {
			counts[b]++
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "pool %s wants %s and gets %d: ", p.pools[k].GetName(), amount(wanted, "node"), got)
	if len(p.nodes) == 0 {
		b.WriteString("no node is registered")
		return b.String()
	}
	fmt.Fprintf(&b, "%d of %s may be its members", counts[free], amount(len(p.nodes), "node"))
	var why []string
	for _, w := range []struct {
		barrier barrier
		text    string
	}{
		{notListed, "not in its nodes"},
		{excluded, "excluded"},
		{mismatched, "outside its where"},
		{unable, "unable to run its services"},
		{lacking, "without labels that its services require"},
		{elsewhere, "without its data"},
		{drained, "drained"},
		{watching, "only observing"},
		{gone, "lost for too long"},
		{cordoned, "cordoned"},
		{notUp, "not up"},
		{deaf, "not following"},
		{frozen, "frozen"},
		{troubled, "where a service of it failed lately"},
	} {
		if n := counts[w.barrier]; n > 0 {
			why = append(why, fmt.Sprintf("%d %s", n, w.text))
		}
	}
	if len(why) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(why, ", "))
	}
	if counts[elsewhere] > 0 {
		b.WriteString("; " + p.whereData(p.pools[k].services))
	}
	if unknown := p.unknownLabels(k); len(unknown) > 0 {
		fmt.Fprintf(&b, "; no node at all has a label %s, which its where asks for", enumerate(unknown, 8))
	}
	var names []string
	for _, r := range rivals {
		if r != k {
			names = append(names, p.pools[r].GetName())
		}
	}
	if len(names) > 0 {
		slices.SortFunc(names, Compare)
		fmt.Fprintf(&b, ", and it shares them with %s", enumerate(names, 8))
	}
	var open []string
	for _, i := range seats.kept[k] {
		open = append(open, p.nodes[i].GetId())
	}
	if len(open) > 0 {
		slices.SortFunc(open, Compare)
		fmt.Fprintf(&b, "; %s open until %s", map[bool]string{true: "a seat stays", false: "seats stay"}[len(open) == 1], enumerate(open, 8))
		b.WriteString(map[bool]string{true: " is back", false: " are back"}[len(open) == 1])
	}
	return b.String()
}

// unknownLabels are the labels of a pool's where that no node has any value of:
// most likely they are misspelt, or nobody has set them yet.
func (p *problem) unknownLabels(k int) []string {
	var unknown []string
	for _, key := range slices.Sorted(maps.Keys(p.pools[k].GetWhere())) {
		if !slices.ContainsFunc(p.nodes, func(n nodeFacts) bool { _, there := label(n.Node, key); return there }) {
			unknown = append(unknown, key)
		}
	}
	return unknown
}

func amount(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// enumerate writes "a, b and c", and no more than limit of them.
func enumerate(names []string, limit int) string {
	if len(names) > limit {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:limit], ", "), len(names)-limit)
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
