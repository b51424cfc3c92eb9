package topology

import (
	"fmt"
	"slices"
	"strings"

	v1 "roster/proto/roster/v1"
)

// requires refuses a pool whose `where` rules out every node that one of its
// services could be served by, and services of one pool that no node could
// serve together.
func (f *findings) requires(t *v1.Topology) {
	services := map[string]*v1.Service{}
	for _, s := range t.GetServices() {
		services[s.GetName()] = s
	}
	for i, pool := range t.GetPools() {
		for at, name := range pool.GetServices() {
			labels := services[name].GetRequires()
			for _, key := range sortedKeys(labels) {
				asked := labels[key].GetValues()
				if have := pool.GetWhere()[key].GetValues(); len(have) > 0 && !meet(have, asked) {
					f.addKey(ruleRequires, path{"pools"}.item(i).to("where").to(key),
						fmt.Sprintf("pool %s takes nodes with %s %s, and %s requires %s", pool.GetName(), show(key), strings.Join(have, ", "), name, strings.Join(asked, ", ")),
						"let them have a value in common, or take one of them away")
				}
				for _, other := range pool.GetServices()[:at] {
					if also := services[other].GetRequires()[key].GetValues(); len(also) > 0 && !meet(also, asked) {
						f.add(ruleRequires, path{"pools"}.item(i).to("services"),
							fmt.Sprintf("no node can serve all of pool %s: %s requires %s %s, and %s %s", pool.GetName(), other, show(key), strings.Join(also, ", "), name, strings.Join(asked, ", ")),
							"put them into pools of their own, or let them have a value in common")
					}
				}
			}
		}
	}
}

// meet: some value is in both.
func meet(a, b []string) bool {
	return slices.ContainsFunc(a, func(value string) bool { return slices.Contains(b, value) })
}
