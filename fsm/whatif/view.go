package whatif

import (
	"slices"
	"strings"

	"roster/fsm/placement"
	"roster/fsm/rollout"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// placement is the view that a topology is placed from: the one in force, or
// one that is only planned, whose floors are those that applying it would begin
// with.
func (c *Cluster) placement(effective *v1.Topology) placement.View {
	v := placement.View{
		Topology: effective, Nodes: c.Nodes, Now: c.Now, Floors: map[string]uint32{}, Frozen: rollout.FrozenPlaces(c.Restraints.Freezes, c.Now),
	}
	if effective == c.Topology {
		v.Prefer = c.Prefer
	}
	for _, f := range c.floorsUnder(effective) {
		if len(f.GetWhere()) == 0 {
			v.Floors[f.GetService()] = f.GetFloor()
			continue
		}
		if f.GetFloor() > 0 {
			v.Parts = append(v.Parts, placement.Part{Service: f.GetService(), Where: f.GetWhere(), Min: f.GetFloor()})
		}
	}
	slices.SortFunc(v.Parts, func(a, b placement.Part) int {
		return strings.Compare(partKey(a), partKey(b))
	})
	return v
}

func partKey(p placement.Part) string {
	return rollout.FloorKey(p.Service, placement.PartName(p.Where))
}

// rollout is the view that the next steps are decided from. Applying a topology
// is the operator's order: it needs no approval, and ends what was said about the
// order before; where its policy says so, and it is not the first one, it begins with
// a canary.
func (c *Cluster) rollout(effective *v1.Topology, target *placement.Target) rollout.View {
	v := rollout.View{
		Now: c.Now, Topology: effective, Target: target, Nodes: c.Nodes, Floors: c.floorsUnder(effective), Restraints: c.Restraints,
	}
	v.Retarget = func(nodes []*v1.Node, floors map[string]*storev1.FloorInForce) *placement.Target {
		then := *c
		then.Topology, then.Nodes, then.Floors = effective, nodes, floors
		if effective != c.Topology {
			then.Prefer = nil
		}
		again, err := placement.Place(then.placement(effective))
		if err != nil {
			return target // it was placed once
		}
		return again
	}
	if effective == c.Topology {
		v.Revision = c.Revision
		return v
	}
	v.Restraints.Open, v.Restraints.Pause, v.Restraints.Canary, v.Restraints.AcceptGap = true, nil, nil, false
	if c.Topology != nil && effective.GetPolicy().GetRollout().GetCanary() > 0 {
		v.Restraints.Canary = &v1.Canary{}
	}
	return v
}

// floorsUnder are the floors in force, once a topology is.
func (c *Cluster) floorsUnder(effective *v1.Topology) map[string]*storev1.FloorInForce {
	if effective == c.Topology {
		return c.Floors
	}
	return rollout.FloorsUnder(c.Floors, effective, c.Nodes)
}
