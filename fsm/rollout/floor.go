package rollout

import (
	"roster/fsm/placement"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// FloorKey is what the floor of a service over a part of the nodes is known by,
// in maps of floors and of ready counts; part is placement.PartName's, empty: all
// nodes.
func FloorKey(service, part string) string {
	if part == "" {
		return service
	}
	return service + "@" + part
}

// KeyOf is the key of a floor that says itself which part it is over.
func KeyOf(f *storev1.FloorInForce) string {
	return FloorKey(f.GetService(), placement.PartName(f.GetWhere()))
}

// PartTargets is what a topology asks for over parts of the nodes, given who has
// a seat in its target: floors over all nodes follow from the topology alone.
func PartTargets(top *v1.Topology, target *placement.Target, nodes []*v1.Node) []*storev1.FloorInForce {
	var parts []*storev1.FloorInForce
	for _, p := range target.Parts(top, nodes) {
		parts = append(parts, &storev1.FloorInForce{Service: p.Service, Target: p.Min, Where: p.Where})
	}
	return parts
}

// PartsOf lists the floors over parts among floors in force: what was asked for
// when they were last advanced.
func PartsOf(floors map[string]*storev1.FloorInForce) []*storev1.FloorInForce {
	var parts []*storev1.FloorInForce
	for _, f := range floors {
		if len(f.GetWhere()) > 0 {
			parts = append(parts, f)
		}
	}
	return parts
}

// withParts is the floors in force where the parts are these: those over all
// nodes stay as they are. It is what Apply does before it judges a wave.
func withParts(floors map[string]*storev1.FloorInForce, parts []*storev1.FloorInForce, nodes []*v1.Node) (map[string]*storev1.FloorInForce, map[string]uint32) {
	next, had := make(map[string]*storev1.FloorInForce, len(floors)+len(parts)), false
	for key, f := range floors {
		if len(f.GetWhere()) == 0 {
			next[key] = f
			continue
		}
		had = true
	}
	if !had && len(parts) == 0 {
		return floors, ReadyCounts(nodes, floors)
	}
	for _, p := range parts {
		key := KeyOf(p)
		next[key] = advanced(floors[key], p, 0)
	}
	ready := ReadyCounts(nodes, next)
	for _, p := range parts {
		key := KeyOf(p)
		next[key] = advanced(floors[key], p, ready[key])
	}
	return next, ready
}

// advanced is one floor in force after target was asked for; nil: there was none.
func advanced(before, target *storev1.FloorInForce, ready uint32) *storev1.FloorInForce {
	floor := min(before.GetFloor(), target.GetTarget())
	if ready >= target.GetTarget() {
		floor = target.GetTarget()
	}
	if before != nil && before.GetFloor() == floor && before.GetTarget() == target.GetTarget() {
		return before
	}
	return &storev1.FloorInForce{Service: target.GetService(), Floor: floor, Target: target.GetTarget(), Where: target.GetWhere()}
}

// AdvanceFloors returns the floors in force after a change of the topology (nil:
// there is none), of what is asked for over parts of the nodes, or of what is
// ready. A floor that is raised comes into force when it was first reached; until
// then min(the one in force before, the new one) is kept. A floor that nobody
// asks for is none. The floors passed in are not changed, and returned as they
// are where nothing differs. All maps are by FloorKey.
//
// A part that ready says nothing of is not reached: who adds parts counts again
// with the floors that come back, and advances those.
func AdvanceFloors(floors map[string]*storev1.FloorInForce, top *v1.Topology, parts []*storev1.FloorInForce, ready map[string]uint32) map[string]*storev1.FloorInForce {
	targets := floorTargets(top)
	changed := false
	next := make(map[string]*storev1.FloorInForce, len(targets)+len(parts))
	advance := func(key string, target *storev1.FloorInForce) {
		next[key] = advanced(floors[key], target, ready[key])
		changed = changed || next[key] != floors[key]
	}
	for service, target := range targets {
		advance(service, &storev1.FloorInForce{Service: service, Target: target})
	}
	for _, p := range parts {
		if _, named := targets[p.GetService()]; named {
			advance(KeyOf(p), p)
		}
	}
	if !changed && len(next) == len(floors) {
		return floors
	}
	return next
}

// floorTargets lists what a topology asks for over all nodes, for each service
// that a pool names.
func floorTargets(top *v1.Topology) map[string]uint32 {
	targets := map[string]uint32{}
	for _, p := range top.GetPools() {
		for _, service := range p.GetServices() {
			targets[service] = 1
		}
	}
	for _, s := range top.GetServices() {
		if _, named := targets[s.GetName()]; named && s.Floor != nil {
			targets[s.GetName()] = s.GetFloor()
		}
	}
	return targets
}
