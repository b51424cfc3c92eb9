package fsm

import (
	"fmt"
	"maps"
	"slices"

	"roster/fsm/rollout"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// trackReady keeps ready counts when a node's record is replaced, and says
// whether anything that is ready on it changed. Either may be nil: no node.
// Counting is by difference, since a command must not cost a walk over every
// node.
func (d *draft) trackReady(before, after *v1.Node) bool {
	moved := !d.parts.None() && !samePlace(before, after)
	if sameReadiness(before, after) && !moved {
		return false
	}
	changed := false
	for _, service := range assignedServices(before, after) {
		was, is := rollout.Ready(before, service), rollout.Ready(after, service)
		if was == is {
			if is && moved {
				d.countParts(before, service, false)
				d.countParts(after, service, true)
			}
			continue
		}
		changed = true
		d.noteReady(after, service, is)
		d.countReady(service, is)
		if is {
			d.countParts(after, service, true)
			d.held(after, service)
			after.Troubles = overcome(after.GetTroubles(), service)
		}
		if was {
			d.countParts(before, service, false)
		}
		d.emit(readyEvent(before, after, service, is))
	}
	return changed
}

// samePlace: the node lies in the same parts of the nodes.
func samePlace(a, b *v1.Node) bool {
	return a.GetRegion() == b.GetRegion() && a.GetZone() == b.GetZone() && maps.Equal(a.GetLabels(), b.GetLabels())
}

// sameReadiness is a cheap look: nothing that ready is made of was replaced.
func sameReadiness(a, b *v1.Node) bool {
	return a != nil && b != nil && a.GetState() == b.GetState() &&
		sameSlice(a.GetAssignments(), b.GetAssignments()) && sameSlice(a.GetReports(), b.GetReports())
}

func sameSlice[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

func assignedServices(nodes ...*v1.Node) []string {
	var services []string
	for _, n := range nodes {
		for _, a := range n.GetAssignments() {
			services = append(services, a.GetService())
		}
	}
	slices.Sort(services)
	return slices.Compact(services)
}

// countParts counts a service of a node in the parts of the nodes that it lies in.
func (d *draft) countParts(n *v1.Node, service string, up bool) {
	for _, key := range d.parts.Of(n, service) {
		d.countReady(key, up)
	}
}

// countReady counts one more, or one fewer, for a floor.
func (d *draft) countReady(key string, up bool) {
	d.ownReady()
	d.touch(key)
	if up {
		d.ready[key]++
		return
	}
	if d.ready[key]--; d.ready[key] == 0 {
		delete(d.ready, key)
	}
}

func (d *draft) ownReady() {
	if d.readyOwned {
		return
	}
	d.ready, d.readyOwned = maps.Clone(d.ready), true
	if d.ready == nil {
		d.ready = map[string]uint32{}
	}
}

// touch notes what is ready for a floor before the command changes it.
func (d *draft) touch(key string) {
	if _, ok := d.touched[key]; !ok {
		d.touched[key] = d.ready[key]
	}
}

func readyEvent(before, after *v1.Node, service string, ready bool) *v1.Event {
	n := after
	if n == nil {
		n = before
	}
	e := &v1.Event{Kind: EventServiceReady, Node: n.GetId(), Service: service, Message: fmt.Sprintf("%s is ready on %s", service, n.GetId())}
	if !ready {
		e.Kind, e.Message = EventServiceNotReady, fmt.Sprintf("%s is no longer ready on %s", service, n.GetId())
	}
	if a := assignment(n, service); a != nil {
		e.Pool, e.Revision = a.GetPool(), a.GetRevision()
	}
	e.Reason = notReadyReason(after, service)
	if ready {
		e.Reason = "its probe passed"
	}
	return e
}

// notReadyReason says why a service does not count, from the node's own record.
func notReadyReason(n *v1.Node, service string) string {
	a := assignment(n, service)
	switch {
	case n == nil:
		return "the node was removed"
	case n.GetState() == v1.NodeState_NODE_STATE_DOWN:
		return "the node is down"
	case a == nil:
		return "it is no longer wanted there"
	case a.GetWanted() == v1.Wanted_WANTED_DRAINING:
		return "it drains"
	}
	for _, r := range n.GetReports() {
		if r.GetService() == service {
			if r.GetDetail() != "" {
				return r.GetDetail()
			}
			return "its agent reports " + stateWord(r.GetState())
		}
	}
	return "its agent does not report it"
}

func stateWord(s v1.ServiceState) string {
	switch s {
	case v1.ServiceState_SERVICE_STATE_STOPPED:
		return "stopped"
	case v1.ServiceState_SERVICE_STATE_STARTING:
		return "starting"
	case v1.ServiceState_SERVICE_STATE_SERVING:
		return "serving"
	case v1.ServiceState_SERVICE_STATE_FAILING:
		return "failing"
	case v1.ServiceState_SERVICE_STATE_DRAINING:
		return "draining"
	case v1.ServiceState_SERVICE_STATE_DRAINED:
		return "drained"
	}
	return "nothing"
}

// settleFloors brings the floors in force up to date after a command, and says
// which were reached, broken or restored.
func (d *draft) settleFloors() {
	if len(d.touched) == 0 {
		return
	}
	before := d.floors
	d.floors = d.advanced()
	if d.asks {
		d.parts = rollout.PartKeysOf(d.floors)
	}
	for _, key := range slices.Sorted(maps.Keys(d.touched)) {
		f, is := d.floors[key]
		if !is && len(before[key].GetWhere()) > 0 {
			continue // nobody asks for that part any more
		}
		service := key
		if is {
			service = f.GetService()
		}
		old, now := before[key].GetFloor(), f.GetFloor()
		target, ready := f.GetTarget(), d.ready[key]
		emit := func(kind, message string) {
			d.emit(&v1.Event{Kind: kind, Service: service, Revision: d.revision(), Message: message})
		}
		switch wasBroken, isBroken := d.touched[key] < old, ready < now; {
		case isBroken && !wasBroken:
			emit(EventFloorBroken, fmt.Sprintf("%s has %d ready%s, under its floor of %d", service, ready, over(f), now))
		case wasBroken && !isBroken:
			emit(EventFloorRestored, fmt.Sprintf("%s has %d ready%s, its floor is %d", service, ready, over(f), now))
		}
		if now == target && old < now {
			emit(EventFloorReached, fmt.Sprintf("%s reached its floor of %d%s, which is kept from now on", service, now, over(f)))
		}
	}
	d.asked, d.asks, d.aims, d.touched = nil, false, false, map[string]uint32{}
}

// advanced is the floors in force now. Where the same is asked for as before, only
// what was touched can have been reached: a report must not cost a walk over every
// part of the nodes.
func (d *draft) advanced() map[string]*storev1.FloorInForce {
	if d.asks || d.aims {
		return rollout.AdvanceFloors(d.floors, d.effective, d.partsNow(), d.ready)
	}
	floors, own := d.floors, false
	for key := range d.touched {
		f := floors[key]
		if f.GetFloor() >= f.GetTarget() || d.ready[key] < f.GetTarget() {
			continue
		}
		if !own {
			floors, own = maps.Clone(floors), true
		}
		floors[key] = &storev1.FloorInForce{Service: f.GetService(), Floor: f.GetTarget(), Target: f.GetTarget(), Where: f.GetWhere()}
	}
	return floors
}
