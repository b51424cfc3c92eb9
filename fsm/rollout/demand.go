package rollout

import (
	"maps"
	"slices"

	"roster/fsm/placement"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// Demands are the further floors of the services that a topology places.
type Demands map[string][]*v1.Floor

// DemandsOf a topology, effective.
func DemandsOf(top *v1.Topology) Demands {
	var all Demands
	for _, s := range top.GetServices() {
		if len(s.GetFloors()) == 0 || !slices.ContainsFunc(top.GetPools(), func(p *v1.Pool) bool { return slices.Contains(p.GetServices(), s.GetName()) }) {
			continue
		}
		if all == nil {
			all = Demands{}
		}
		all[s.GetName()] = s.GetFloors()
	}
	return all
}

// Of is what is asked of a part of the nodes for a service; 0: nothing asks for
// that part.
func (a Demands) Of(service string, where map[string]*v1.LabelValues) uint32 {
	var least uint32
	for _, floor := range a[service] {
		if len(where) > 0 && partOf(floor, where) {
			least = max(least, floor.GetMin())
		}
	}
	return least
}

// partOf says whether a further floor may be over just these nodes: those of its
// own `where`, and of one value of the label that it names with `per`.
func partOf(floor *v1.Floor, where map[string]*v1.LabelValues) bool {
	per := floor.GetPer()
	if per == "" {
		return placement.PartName(floor.GetWhere()) == placement.PartName(where)
	}
	value := where[per].GetValues()
	if len(value) != 1 {
		return false
	}
	if own, ok := floor.GetWhere()[per]; ok && !slices.Contains(own.GetValues(), value[0]) {
		return false
	}
	outer := maps.Clone(floor.GetWhere())
	if outer == nil {
		outer = map[string]*v1.LabelValues{}
	}
	outer[per] = where[per]
	return placement.PartName(outer) == placement.PartName(where)
}

// Fixed are the floors over parts that follow from the topology alone.
func (a Demands) Fixed() []*storev1.FloorInForce {
	var parts []*storev1.FloorInForce
	for service, floors := range a {
		for _, floor := range floors {
			if floor.GetPer() == "" && len(floor.GetWhere()) > 0 {
				parts = append(parts, &storev1.FloorInForce{Service: service, Where: floor.GetWhere()})
			}
		}
	}
	return parts
}

// PartsUnder is what is asked of parts under a topology: what follows from it, and
// those of the others that it still asks for; each once, with its target.
func PartsUnder(top *v1.Topology, others []*storev1.FloorInForce) []*storev1.FloorInForce {
	asked, all := map[string]*storev1.FloorInForce{}, DemandsOf(top)
	for _, f := range append(all.Fixed(), others...) {
		if target := all.Of(f.GetService(), f.GetWhere()); target > 0 {
			asked[KeyOf(f)] = &storev1.FloorInForce{Service: f.GetService(), Target: target, Where: f.GetWhere()}
		}
	}
	parts := make([]*storev1.FloorInForce, 0, len(asked))
	for _, key := range slices.Sorted(maps.Keys(asked)) {
		parts = append(parts, asked[key])
	}
	return parts
}

// FloorsUnder is the floors in force under a topology that is not in force yet:
// those that applying it would begin with. nodes are as they are now.
func FloorsUnder(floors map[string]*storev1.FloorInForce, top *v1.Topology, nodes []*v1.Node) map[string]*storev1.FloorInForce {
	parts := PartsUnder(top, PartsOf(floors))
	next := AdvanceFloors(floors, top, parts, nil)
	return AdvanceFloors(next, top, parts, ReadyCounts(nodes, next))
}
