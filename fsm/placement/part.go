package placement

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	v1 "roster/proto/roster/v1"
)

// Part is a floor over a part of the nodes.
type Part struct {
	Service string
	// Only nodes with these labels count, `region`, `zone` and `id` among them.
	Where map[string]*v1.LabelValues
	Min   uint32
}

// PartName names the part of the nodes that a `where` leaves: its keys and
// their values in order, as `region=a,zone=a1|a2`. Empty: all of them.
func PartName(where map[string]*v1.LabelValues) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(where)) {
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		values := slices.Clone(where[key].GetValues())
		slices.Sort(values)
		b.WriteString(key + "=" + strings.Join(slices.Compact(values), "|"))
	}
	return b.String()
}

// Matches says whether a node lies in a part of the nodes.
func Matches(n *v1.Node, where map[string]*v1.LabelValues) bool { return matches(n, where) }

// Parts lists the floors over parts of the nodes that a topology asks for: one
// for each floor with only a `where`, and one for each value of a `per` that
// nodes with a seat of a pool with the service have; of those, nodes outside the
// floor's own `where` do not speak. Two floors over one part are one, the higher.
// By service, then name of the part.
func (t *Target) Parts(top *v1.Topology, nodes []*v1.Node) []Part {
	type key struct{ service, part string }
	parts := map[key]Part{}
	add := func(service string, where map[string]*v1.LabelValues, least uint32) {
		at := key{service, PartName(where)}
		if least > parts[at].Min {
			parts[at] = Part{service, where, least}
		}
	}
	wanted, placed := t.Wanted(top), placedServices(top)
	for _, s := range top.GetServices() {
		for _, floor := range s.GetFloors() {
			switch per := floor.GetPer(); {
			case !placed[s.GetName()] || per == "" && len(floor.GetWhere()) == 0:
			case per == "":
				add(s.GetName(), floor.GetWhere(), floor.GetMin())
			default:
				for _, n := range nodes {
					value, there := label(n, per)
					if _, seated := wanted[n.GetId()][s.GetName()]; !seated || !there || !matches(n, floor.GetWhere()) {
						continue
					}
					where := maps.Clone(floor.GetWhere())
					if where == nil {
						where = map[string]*v1.LabelValues{}
					}
					where[per] = &v1.LabelValues{Values: []string{value}}
					add(s.GetName(), where, floor.GetMin())
				}
			}
		}
	}
	return slices.SortedFunc(maps.Values(parts), func(a, b Part) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), strings.Compare(PartName(a.Where), PartName(b.Where)))
	})
}

// placedServices are those that some pool has.
func placedServices(top *v1.Topology) map[string]bool {
	placed := map[string]bool{}
	for _, p := range top.GetPools() {
		for _, s := range p.GetServices() {
			placed[s] = true
		}
	}
	return placed
}
