package placement

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	v1 "roster/proto/roster/v1"
)

// shares says of pools that stay short, although all pools could have what they
// have to have at once, whose share is in the way: weights and `all` take what is
// left by a formula, or hold it, and may leave less than that. It asks the planner
// itself: a share that is done without is a pool that has what it has to have, and
// pools that another conflict is about have nothing.
func (p *problem) shares(v View, apart map[int]bool) []*v1.Conflict {
	v.Topology = proto.CloneOf(v.Topology)
	for _, pool := range v.Topology.GetPools() {
		if apart[p.byName[pool.GetName()]] {
			pool.Size, pool.Min = &v1.Pool_Count{}, proto.Uint32(0)
		}
	}
	target, err := Place(v)
	if err != nil {
		return nil
	}
	var found []*v1.Conflict
	for _, shortage := range target.Shortages {
		k, there := p.byName[shortage.GetPool()]
		if !there {
			continue
		}
		var others []int
		for j := range p.own {
			if j != k && kind(p.pools[j].Pool) != 0 {
				others = append(others, j)
			}
		}
		short := func(kept []int) bool {
			less, err := Place(p.withShares(v, others, kept))
			return err == nil && slices.ContainsFunc(less.Shortages, func(s *v1.Shortage) bool { return s.GetPool() == shortage.GetPool() })
		}
		guilty := others
		if short(nil) {
			guilty = nil // it is not for them, but for seats that others hold
		} else {
			guilty = few(nil, nil, guilty, short)
		}
		slices.Sort(guilty)
		found = append(found, p.shareConflict(k, guilty, shortage.GetReason()))
	}
	return found
}

// withShares is the view in which others than those kept have a fixed size.
func (p *problem) withShares(v View, others, kept []int) View {
	v.Topology = proto.CloneOf(v.Topology)
	for _, pool := range v.Topology.GetPools() {
		if j := p.byName[pool.GetName()]; slices.Contains(others, j) && !slices.Contains(kept, j) {
			pool.Size = &v1.Pool_Count{Count: pool.GetMin()}
		}
	}
	return v
}

// few finds some of a number of rules that hold together with what is kept, and
// none of which can be done without, in few questions (QuickXplain, Junker, 2004):
// halves first.
func few(kept, tried, rules []int, holds func(kept []int) bool) []int {
	if len(tried) > 0 && holds(kept) {
		return nil
	}
	if len(rules) == 1 {
		return rules
	}
	left, right := rules[:len(rules)/2], rules[len(rules)/2:]
	second := few(slices.Concat(kept, left), left, right, holds)
	first := few(slices.Concat(kept, second), second, left, holds)
	return slices.Concat(first, second)
}

func (p *problem) shareConflict(k int, guilty []int, shortage string) *v1.Conflict {
	r := &ruling{problem: p}
	path, text := r.sizeText(k)
	c := &v1.Conflict{Rules: []*v1.Rule{{Path: path, Text: text}}}
	var names []string
	for _, j := range guilty {
		pool := &p.pools[j]
		names = append(names, pool.GetName())
		rule := &v1.Rule{Path: "pools." + pool.GetName() + ".all", Text: fmt.Sprintf("pool %s has every node that is left", pool.GetName())}
		if kind(pool.Pool) == 1 {
			rule = &v1.Rule{Path: "pools." + pool.GetName() + ".weight", Text: fmt.Sprintf("pool %s has a share of weight %d", pool.GetName(), pool.GetWeight())}
		}
		c.Rules = append(c.Rules, rule)
	}
	c.Rules = append(c.Rules, &v1.Rule{Path: "nodes", Text: r.registeredText()})
	c.Reason = shortage
	if len(names) > 0 {
		c.Reason = fmt.Sprintf("the nodes that pool %s needs are in the share of %s", p.pools[k].GetName(), enumerate(names, fewFacts))
	}
	return c
}
