package placement

import (
	"fmt"
	"slices"
	"strings"

	v1 "roster/proto/roster/v1"
)

// IsLocal says whether a service's data is on the disks of the nodes that serve
// it: the topology says so, or says nothing and some agent claims it.
func IsLocal(says v1.Data, claimed bool) bool {
	return says == v1.Data_DATA_LOCAL || says == v1.Data_DATA_UNSPECIFIED && claimed
}

// Local are the services of which IsLocal is true, of a topology (effective) or
// claimed.
func Local(top *v1.Topology, nodes []*v1.Node) map[string]bool {
	local := map[string]bool{}
	for _, n := range nodes {
		for _, c := range n.GetClaims().GetServices() {
			if c.GetData() == v1.Data_DATA_LOCAL {
				local[c.GetName()] = true
			}
		}
	}
	for _, s := range top.GetServices() {
		if IsLocal(s.GetData(), local[s.GetName()]) {
			local[s.GetName()] = true
		} else {
			delete(local, s.GetName())
		}
	}
	return local
}

// findData notes which services have data that binds them to the nodes that hold
// it: their data is local, and some registered node holds it, whatever else may
// be with that node. While nobody does, a local service is placed freely, once.
func (p *problem) findData(nodes []*v1.Node) {
	p.keepers = make([][]string, len(p.services))
	claimed := make([]bool, len(p.services))
	holders := make([][]string, len(p.services))
	for _, n := range nodes {
		for _, c := range n.GetClaims().GetServices() {
			s, named := p.numbers[c.GetName()]
			if named && c.GetData() == v1.Data_DATA_LOCAL {
				claimed[s] = true
				holders[s] = append(holders[s], n.GetId())
			}
		}
		for _, name := range n.GetHolds() {
			if s, named := p.numbers[name]; named && claimOf(n, name).GetData() != v1.Data_DATA_LOCAL {
				holders[s] = append(holders[s], n.GetId())
			}
		}
	}
	for s, service := range p.services {
		if IsLocal(service.GetData(), claimed[s]) {
			slices.SortFunc(holders[s], Compare)
			p.keepers[s] = holders[s]
		}
	}
}

// hasData: nothing of a service's data is missing at a node. Where it is being
// served or was asked for, its data is or begins there.
func (p *problem) hasData(n *v1.Node, s int) bool {
	if len(p.keepers[s]) == 0 {
		return true
	}
	name := p.services[s].GetName()
	return claimOf(n, name).GetData() == v1.Data_DATA_LOCAL || slices.Contains(n.GetHolds(), name) || assignmentOf(n, name) != nil
}

// lacksData is the first of some services whose data is not at a node.
func (p *problem) lacksData(n *v1.Node, services []int) (s int, lacks bool) {
	for _, s := range services {
		if !p.hasData(n, s) {
			return s, true
		}
	}
	return 0, false
}

// whereData says where the data is that binds some services.
func (p *problem) whereData(services []int) string {
	var places []string
	for _, s := range services {
		if len(p.keepers[s]) > 0 {
			places = append(places, fmt.Sprintf("the data of %s is on %s", p.services[s].GetName(), enumerate(p.keepers[s], 8)))
		}
	}
	return strings.Join(places, ", ")
}
