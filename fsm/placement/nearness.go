package placement

import (
	"cmp"
	"slices"

	v1 "roster/proto/roster/v1"
)

// nearness orders the nodes that may take a service: what it would cost there.
// The fields come in the order of their weight.
type nearness struct {
	hindered bool   // it would have to wait: a floor, or a host that lets nothing stop, is in the way
	starts   int    // 0: serves it already, 1: a drain is called off, 2: it has to be started
	covers   int    // floors that are short and that it would count for
	seated   bool   // it has a seat of its own
	zone     bool   // not in the zone of the node that was lost
	region   bool   // not in its region
	priority int32  // of its pool
	load     int    // its services ...
	capacity uint32 // ... relative to this
	restarts bool   // a restart group begins anew
	id       string
}

// nearness of node i to the one that was lost; from -1: none was.
func (l *lending) nearness(from, i int, services []int) nearness {
	n := &l.nodes[i]
	near := nearness{seated: len(l.seats[i]) > 0, load: l.load[i], capacity: capacity(n.Node), id: n.GetId()}
	l.locateFrom(&near, from, i)
	for at, k := range l.seats[i] {
		if at == 0 || l.pools[k].GetPriority() > near.priority {
			near.priority = l.pools[k].GetPriority()
		}
	}
	for _, s := range services {
		name := l.services[s].GetName()
		starts := 2
		switch a := assignmentOf(n.Node, name); a.GetWanted() {
		case v1.Wanted_WANTED_SERVING:
			starts = 0
		case v1.Wanted_WANTED_DRAINING:
			starts = 1
		}
		near.starts = max(near.starts, starts)
		claim := claimOf(n.Node, name)
		if starts == 2 && claim.GetChangeMode() == v1.ChangeMode_CHANGE_MODE_RESTART {
			near.restarts = true
			near.hindered = near.hindered || l.hinders(i, claim)
		}
		near.hindered = near.hindered || claim.GetNeverStop() && starts > 0
	}
	return near
}

// locateFrom says how far node i is from the one that was lost.
func (l *lending) locateFrom(near *nearness, from, i int) {
	near.zone, near.region = false, false
	if from >= 0 {
		n, lost := l.nodes[i].Node, l.nodes[from].Node
		near.zone = lost.GetZone() == "" || n.GetZone() != lost.GetZone()
		near.region = lost.GetRegion() == "" || n.GetRegion() != lost.GetRegion()
	}
}

// hinders: a restart of this group may not be, as it would take another service
// under its floor, or stop what the host wants never to be stopped.
func (l *lending) hinders(i int, of *v1.ServiceClaim) bool {
	n := &l.nodes[i]
	return slices.ContainsFunc(n.GetClaims().GetServices(), func(c *v1.ServiceClaim) bool {
		t, named := l.numbers[c.GetName()]
		return named && n.ready[t] && c.GetChangeMode() == v1.ChangeMode_CHANGE_MODE_RESTART && c.GetRestartGroup() == of.GetRestartGroup() &&
			(c.GetNeverStop() || l.bare(i, t))
	})
}

// bare: a floor that the node counts for has none to spare.
func (l *lending) bare(i, s int) bool {
	d := &l.demands[s]
	return slices.ContainsFunc(d.of(l.nodes[i].Node), func(at int) bool { return d.all[at].ready <= d.all[at].least })
}

func (a *nearness) compare(b *nearness) int {
	switch {
	case a.hindered != b.hindered:
		return later(a.hindered, b.hindered)
	case a.starts != b.starts:
		return cmp.Compare(a.starts, b.starts)
	case a.covers != b.covers:
		return cmp.Compare(b.covers, a.covers)
	case a.seated != b.seated:
		return later(a.seated, b.seated)
	case a.zone != b.zone:
		return later(a.zone, b.zone)
	case a.region != b.region:
		return later(a.region, b.region)
	case a.priority != b.priority:
		return cmp.Compare(a.priority, b.priority)
	}
	if c := cmp.Compare(uint64(a.load)*uint64(b.capacity), uint64(b.load)*uint64(a.capacity)); c != 0 {
		return c
	}
	switch {
	case a.restarts != b.restarts:
		return later(a.restarts, b.restarts)
	case a.capacity != b.capacity:
		return cmp.Compare(b.capacity, a.capacity)
	}
	return Compare(a.id, b.id)
}

// later orders what is true after what is not.
func later(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// words says what speaks for a node.
func (a nearness) words(service string) string {
	switch {
	case a.starts == 0 && service != "":
		return " and serves " + service + " already"
	case !a.zone:
		return " and is in the same zone"
	case !a.region:
		return " and is in the same region"
	case a.seated:
		return " and comes first by priority, load and id"
	}
	return ""
}
