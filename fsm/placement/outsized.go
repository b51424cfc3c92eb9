package placement

import (
	"fmt"
	"slices"

	v1 "roster/proto/roster/v1"
)

// outsized adds the floors that are above the seats: what a topology asks for of a
// service, over all nodes or over a part, and its pools do not have even when they
// are filled. Loans make up for it as far as the floor is in force, and nothing
// that Roster does ends that: the operator has to choose. Where pools lack seats
// that would do, they are said to be short already.
func (l *lending) outsized(t *Target, shortages []*v1.Shortage) []*v1.Shortage {
	floors := map[string]uint32{}
	var parts []Part
	for _, service := range l.services {
		floors[service.GetName()] = service.GetFloor()
		if len(service.GetFloors()) > 0 && parts == nil {
			parts = t.Parts(l.top, l.registered())
		}
	}
	asked := l.demand(floors, parts)
	for i := range l.nodes {
		for s := range l.services {
			if !l.seated(i, s) {
				continue
			}
			for _, at := range asked[s].of(l.nodes[i].Node) {
				asked[s].all[at].have++
			}
		}
	}
	for s, service := range l.services {
		open := l.openSeats(s, t)
		for at := range asked[s].all {
			x := &asked[s].all[at]
			if x.have+open >= x.least {
				continue
			}
			said := slices.IndexFunc(shortages, func(one *v1.Shortage) bool {
				return one.GetPool() == "" && one.GetService() == service.GetName() && one.GetPart() == x.name
			})
			if said >= 0 {
				shortages[said].Reason += fmt.Sprintf("; its pools have %s%s: %s", room(x.have), x.inWords(), l.roomFor(s))
				continue
			}
			shortages = append(shortages, &v1.Shortage{
				Service: service.GetName(), Part: x.name, Wanted: uint32(x.least), Got: uint32(x.have), Reason: l.outsizedReason(s, x),
			})
		}
	}
	return shortages
}

// openSeats counts what the pools of a service are short of.
func (l *lending) openSeats(s int, t *Target) int {
	open := 0
	for _, short := range t.Shortages {
		if slices.Contains(l.pools[l.byName[short.GetPool()]].services, s) {
			open += int(short.GetWanted()) - int(short.GetGot())
		}
	}
	return open
}

// outsizedReason says which floor is above the seats, what is done about it, and
// what would mend it.
func (l *lending) outsizedReason(s int, x *demand) string {
	name := l.services[s].GetName()
	text := fmt.Sprintf("%s has a floor of %d%s, and its pools have %s", name, x.least, x.inWords(), room(x.have))
	if x.where != nil {
		text += " there"
	}
	lent := 0
	for _, loan := range l.loans {
		if loan.service == s && loan.counted && matches(l.nodes[loan.node].Node, x.where) {
			lent++
		}
	}
	inForce := 0
	for _, d := range l.demands[s].all {
		if d.name == x.name {
			inForce = d.least
		}
	}
	switch lent = min(lent, inForce-x.have); {
	case lent == 1:
		text += "; 1 more is lent for as long as it is so"
	case lent > 1:
		text += fmt.Sprintf("; %d more are lent for as long as it is so", lent)
	}
	return text + "; " + l.roomFor(s)
}

// roomFor says what would give a floor its seats.
func (l *lending) roomFor(s int) string {
	var pools []string
	for _, k := range l.filed {
		if slices.Contains(l.pools[k].services, s) {
			pools = append(pools, l.pools[k].GetName())
		}
	}
	if len(pools) == 1 {
		return "enlarge pool " + pools[0] + ", or lower the floor"
	}
	return "enlarge one of pools " + enumerate(pools, fewFacts) + ", or lower the floor"
}

func room(n int) string {
	if n == 0 {
		return "no seat"
	}
	return amount(n, "seat")
}
