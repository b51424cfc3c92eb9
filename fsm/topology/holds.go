package topology

import (
	"fmt"
	"slices"

	v1 "roster/proto/roster/v1"
)

// alls refuses pools that would each take the same rest of the nodes.
func (f *findings) alls(t *v1.Topology, sets []nodeSet) {
	for i, pool := range t.GetPools() {
		if !pool.GetAll() || pool.GetShared() {
			continue
		}
		for j, other := range t.GetPools() {
			_, weighted := other.GetSize().(*v1.Pool_Weight)
			if i == j || other.GetShared() || sets[i].apart(sets[j]) {
				continue
			}
			const mend = "keep one of them, or give both a `where` with values that no node can have together"
			if other.GetAll() && j < i {
				f.add(ruleOneAll, path{"pools"}.item(i).to("all"), fmt.Sprintf("pools %s and %s would both take all the nodes that are left", other.GetName(), pool.GetName()), mend)
			}
			if weighted {
				f.add(ruleAllWeight, path{"pools"}.item(i).to("all"), fmt.Sprintf("pool %s takes all the nodes that are left, and pool %s a share of the same nodes by weight", pool.GetName(), other.GetName()), mend)
			}
		}
	}
}

// unbounded stands for as many nodes as there may be.
const unbounded = 1 << 30

// wanted is how many nodes a pool must have to be whole.
func wanted(pool *v1.Pool) int {
	switch size := pool.GetSize().(type) {
	case *v1.Pool_Count:
		return int(size.Count)
	default:
		if pool.Min != nil {
			return int(pool.GetMin())
		}
		return 1
	}
}

// holds refuses what no nodes whatsoever could make true.
func (f *findings) holds(t *v1.Topology, sets []nodeSet) {
	before := len(*f)
	for i, pool := range t.GetPools() {
		set, need := sets[i], wanted(pool)
		if !set.listed || len(set.ids) >= max(need, 1) {
			continue
		}
		at := path{"pools"}.item(i)
		if len(set.ids) == 0 {
			f.add(ruleFewIDs, at, fmt.Sprintf("pool %s can never have a node: its nodes, where and exclude leave none", pool.GetName()), "name nodes that may be members")
			continue
		}
		at = at.to("nodes")
		f.add(ruleFewIDs, at, fmt.Sprintf("pool %s wants %d nodes and can have only the %d that are named", pool.GetName(), need, len(set.ids)), "name more nodes, or want fewer")
	}
	if len(*f) > before {
		return
	}
	f.shared(t, sets)
	f.floors(t, sets)
}

// floors refuses a floor above what all pools of a service can ever have, as a
// whole or in the part of the nodes that the floor is over.
func (f *findings) floors(t *v1.Topology, sets []nodeSet) {
	for i, s := range t.GetServices() {
		at := path{"services"}.item(i)
		if most := mostOf(t, sets, s.GetName(), nil); int(s.GetFloor()) > most {
			f.add(ruleFloorHolds, at.to("floor"), fmt.Sprintf("a floor of %d for %s can never hold: its pools have %d nodes at most", s.GetFloor(), s.GetName(), most), "lower the floor, or give its pools more nodes")
		}
		for j, floor := range s.GetFloors() {
			if most := mostOf(t, sets, s.GetName(), floor.GetWhere()); int(floor.GetMin()) > most {
				f.add(rulePartHolds, at.to("floors").item(j).to("min"), fmt.Sprintf("a floor of %d for %s%s can never hold: its pools have %d nodes at most there", floor.GetMin(), s.GetName(), inPart(floor), most), "lower the min, or give its pools more nodes there")
			}
		}
	}
}

// mostOf is how many nodes with some labels all pools of a service can have, as
// far as ids, counts and labels decide it.
func mostOf(t *v1.Topology, sets []nodeSet, service string, where map[string]*v1.LabelValues) int {
	part := nodeSet{where: where}
	if ids, ok := where["id"]; ok {
		part.listed, part.ids = true, make(map[string]bool)
		for _, id := range ids.GetValues() {
			part.ids[id] = true
		}
	}
	most, named, any := 0, make(map[string]bool), false
	for j, pool := range t.GetPools() {
		if !slices.Contains(pool.GetServices(), service) || sets[j].apart(part) {
			continue
		}
		size := unbounded
		if count, ok := pool.GetSize().(*v1.Pool_Count); ok {
			size = int(count.Count)
		}
		ids, listed := sets[j].within(part)
		if any = any || !listed; listed {
			size = min(size, len(ids))
			for id := range ids {
				named[id] = true
			}
		}
		most = min(most+size, unbounded)
	}
	if !any {
		// One that is shared may have the same nodes as another.
		most = min(most, len(named))
	}
	return most
}
