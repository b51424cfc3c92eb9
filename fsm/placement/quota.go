package placement

import (
	"fmt"
	"slices"

	v1 "roster/proto/roster/v1"
)

// findQuotas says how many members each pool needs in the parts of the nodes
// that the topology has a floor over: floors with a `where`. A floor `per` value
// of a label holds only where there are members; what they lack is lent.
//
// Where several pools have the service, the first ones in the file fill the
// floor as far as their own sizes and nodes allow.
func (p *problem) findQuotas(pools []int, got []int) {
	for _, k := range pools {
		p.pools[k].quotas = nil
	}
	for _, service := range p.top.GetServices() {
		s, named := p.numbers[service.GetName()]
		if !named {
			continue
		}
		for _, floor := range service.GetFloors() {
			if floor.GetPer() != "" || len(floor.GetWhere()) == 0 {
				continue
			}
			part := make([]bool, len(p.nodes))
			for i := range p.nodes {
				part[i] = matches(p.nodes[i].Node, floor.GetWhere())
			}
			p.shareQuota(pools, got, s, int(floor.GetMin()), quota{in: part, floor: floorWords(service.GetName(), floor)})
		}
	}
}

// shareQuota spreads a floor over the pools that have the service. What earlier
// pools put there counts for those that are shared.
func (p *problem) shareQuota(pools, got []int, s, least int, of quota) {
	part := of.in
	if p.given != nil {
		for i := range part {
			if part[i] && p.given[i*len(p.services)+s] {
				part[i] = false
				least--
			}
		}
	}
	for _, k := range pools {
		pool := &p.pools[k]
		if least <= 0 || !slices.Contains(pool.services, s) {
			continue
		}
		room := 0
		for i := range p.nodes {
			if part[i] && p.nodes[i].barrier[k] == free {
				room++
			}
		}
		if n := min(least, room, got[k]); n > 0 {
			pool.quotas = append(pool.quotas, quota{least: n, in: part, floor: of.floor})
			least -= n
		}
	}
}

// floorWords names a floor over a part of the nodes.
func floorWords(service string, floor *v1.Floor) string {
	return fmt.Sprintf("floor of %d of %s%s", floor.GetMin(), service, inWords(floor.GetWhere()))
}
