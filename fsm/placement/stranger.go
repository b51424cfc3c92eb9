package placement

import (
	"fmt"
	"slices"
	"strings"

	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
)

// Unknown tells of the nodes that pools want to have by name and nobody
// registered: a slip of the pen makes a pool smaller than its file says. Ranges
// may name nodes that are yet to come, and before the first one registers all are
// unknown. An apply has to accept it; what is in force is placed without it.
func Unknown(top *v1.Topology, nodes []*v1.Node) []*v1.Shortage {
	var shortages []*v1.Shortage
	for _, pool := range top.GetPools() {
		named := slices.Concat(pool.GetNodes(), pool.GetWhere()["id"].GetValues())
		if strangers := Strangers(named, nodes); len(strangers) > 0 {
			shortages = append(shortages, &v1.Shortage{
				Pool: pool.GetName(), Wanted: uint32(len(named)), Got: uint32(len(named) - len(strangers)),
				Reason: fmt.Sprintf("pool %s names %s", pool.GetName(), StrangersInWords(strangers, nodes)),
			})
		}
	}
	return shortages
}

// registered lists the nodes of the view.
func (p *problem) registered() []*v1.Node {
	nodes := make([]*v1.Node, len(p.nodes))
	for i := range p.nodes {
		nodes[i] = p.nodes[i].Node
	}
	return nodes
}

// Strangers lists the ids among patterns that are written singly and that no
// registered node has; none where no node is registered.
func Strangers(patterns []string, nodes []*v1.Node) []string {
	if len(patterns) == 0 || len(nodes) == 0 {
		return nil
	}
	known := make(map[string]bool, len(nodes))
	for _, n := range nodes {
		known[n.GetId()] = true
	}
	var strangers []string
	for _, id := range patterns {
		if !strings.Contains(id, "[") && !known[id] && !slices.Contains(strangers, id) {
			strangers = append(strangers, id)
		}
	}
	return sorted(strangers)
}

// StrangersInWords says that nodes are not registered, and which ones may have
// been meant.
func StrangersInWords(strangers []string, nodes []*v1.Node) string {
	names, it := enumerate(strangers, fewFacts), "it"
	text := names + ", and no node of that name is registered"
	if len(strangers) > 1 {
		text, it = names+", and no nodes of these names are registered", "them"
	}
	ids := make([]string, len(nodes))
	for i, n := range nodes {
		ids[i] = n.GetId()
	}
	sorted(ids)
	var meant []string
	for _, id := range strangers[:min(len(strangers), fewFacts)] {
		if near, ok := topology.Nearest(id, ids); ok && !slices.Contains(meant, near) {
			meant = append(meant, near)
		}
	}
	if len(meant) > 0 {
		return text + ": did you mean " + enumerate(meant, fewFacts) + "? Register " + it + ", or take " + it + " away"
	}
	return text + ": register " + it + ", or take " + it + " away"
}
