package fsm

import (
	"maps"
	"slices"

	"roster/fsm/placement"
	"roster/fsm/rollout"
	v1 "roster/proto/roster/v1"
)

// local says whether a service's data is on the disks of the nodes that serve it.
func (d *draft) local(service string) bool {
	says := v1.Data_DATA_UNSPECIFIED
	for _, s := range d.effective.GetServices() {
		if s.GetName() == service {
			says = s.GetData()
		}
	}
	return placement.IsLocal(says, d.localClaims[service] > 0)
}

// held notes on a node's new record that data of a service is on its disk from
// now on, since it is ready there. Its agent may claim so as well; but a claim
// can be taken back, and the data is there.
func (d *draft) held(after *v1.Node, service string) {
	if !d.knows(3) || !d.local(service) || slices.Contains(after.GetHolds(), service) {
		return
	}
	holds := append(slices.Clone(after.GetHolds()), service)
	slices.Sort(holds)
	after.Holds = holds
}

// holdReady notes the data of services that became local while they were served.
func (d *draft) holdReady(services ...string) {
	if !d.knows(3) {
		return
	}
	services = slices.DeleteFunc(services, func(s string) bool { return !d.local(s) })
	if len(services) == 0 {
		return
	}
	for _, n := range d.nodes.list(nodeKey) {
		after := copyNode(n)
		for _, service := range services {
			if rollout.Ready(n, service) {
				d.held(after, service)
			}
		}
		if len(after.GetHolds()) > len(n.GetHolds()) {
			d.putNode(n, after)
		}
	}
}

// trackClaims counts whose data agents claim to have on their disks, and notes
// that of services which became local by it. Either may be nil: no node.
func (d *draft) trackClaims(before, after *v1.Node) {
	if before.GetClaims() == after.GetClaims() {
		return
	}
	was, is := localClaimsOf(before), localClaimsOf(after)
	if slices.Equal(was, is) {
		return
	}
	if !d.claimsOwned {
		d.localClaims, d.claimsOwned = maps.Clone(d.localClaims), true
		if d.localClaims == nil {
			d.localClaims = map[string]int{}
		}
	}
	var fresh []string
	for _, service := range is {
		if d.localClaims[service]++; d.localClaims[service] == 1 && !slices.Contains(was, service) {
			fresh = append(fresh, service)
		}
	}
	for _, service := range was {
		if d.localClaims[service]--; d.localClaims[service] == 0 {
			delete(d.localClaims, service)
		}
	}
	d.holdReady(fresh...)
}

// localClaimsOf lists the services of which an agent claims the data, sorted as
// the claims are.
func localClaimsOf(n *v1.Node) []string {
	var services []string
	for _, c := range n.GetClaims().GetServices() {
		if c.GetData() == v1.Data_DATA_LOCAL {
			services = append(services, c.GetName())
		}
	}
	return services
}
