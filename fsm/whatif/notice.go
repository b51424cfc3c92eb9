package whatif

import (
	"fmt"
	"slices"

	"roster/fsm/placement"
	v1 "roster/proto/roster/v1"
)

// notices are what an operator should know of a plan, and need not consent to:
// what it names that is not there, and what ends with it.
func (c *Cluster) notices(effective *v1.Topology) (notices []string) {
	for _, p := range effective.GetPools() {
		if strangers := placement.Strangers(p.GetExclude(), c.Nodes); len(strangers) > 0 {
			notices = append(notices, fmt.Sprintf("pool %s excludes %s", p.GetName(), placement.StrangersInWords(strangers, c.Nodes)))
		}
		for _, key := range p.GetSpread() {
			if len(c.Nodes) > 0 && !slices.ContainsFunc(c.Nodes, func(n *v1.Node) bool { _, there := placement.Label(n, key); return there }) {
				notices = append(notices, fmt.Sprintf("pool %s is spread over %s, and no registered node has that label: give it to the nodes, or spread over another one", p.GetName(), key))
			}
		}
	}
	if effective != c.Topology {
		notices = append(notices, ends(c.Topology, effective)...)
	}
	return notices
}

// ends says which services no pool names any longer.
func ends(before, after *v1.Topology) (sentences []string) {
	seen := map[string]bool{}
	for _, p := range after.GetPools() {
		for _, s := range p.GetServices() {
			seen[s] = true
		}
	}
	for _, p := range before.GetPools() {
		for _, s := range p.GetServices() {
			if !seen[s] {
				seen[s] = true
				sentences = append(sentences, s+" ends: no pool names it any longer")
			}
		}
	}
	return sentences
}
