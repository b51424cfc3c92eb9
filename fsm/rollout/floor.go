package rollout

import (
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// AdvanceFloors returns the floors in force after a change of the topology (nil:
// there is none) or of what is ready. A floor that is raised comes into force
// when it was first reached; until then min(the one in force before, the new
// one) is kept. The floors passed in are not changed, and returned as they are
// where nothing differs.
func AdvanceFloors(floors map[string]*storev1.FloorInForce, top *v1.Topology, ready map[string]uint32) map[string]*storev1.FloorInForce {
	targets := floorTargets(top)
	changed := len(targets) != len(floors)
	next := make(map[string]*storev1.FloorInForce, len(targets))
	for service, target := range targets {
		before := floors[service]
		floor := min(before.GetFloor(), target)
		if ready[service] >= target {
			floor = target
		}
		if before != nil && before.GetFloor() == floor && before.GetTarget() == target {
			next[service] = before
			continue
		}
		next[service] = &storev1.FloorInForce{Service: service, Floor: floor, Target: target}
		changed = true
	}
	if !changed {
		return floors
	}
	return next
}

// floorTargets lists what a topology asks for, for each service that a pool
// names.
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
