// Package draft owns the topology file that is written from what nodes serve
// already: one pool for each set of services, with the nodes that serve it named
// one by one. It knows the messages and the form of the file, and no connection.
// Pure, safe from any goroutine.
package draft

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"roster/cmd/internal/word"
	"roster/fsm/placement"
	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
)

// ErrNothing means that no node serves anything.
var ErrNothing = errors.New("no node observes a service that answers")

// Draft is a topology that matches what runs.
type Draft struct {
	Topology *v1.Topology
	// Source is the file, with comments.
	Source []byte
}

// set is the nodes that serve the same services.
type set struct {
	services, nodes []string
}

// From writes the topology that matches what nodes serve before there is one:
// those that observe, and those that were handed over before it was written.
// Nodes that serve nothing are in no pool of it.
func From(name, cluster string, nodes []*v1.Node) (*Draft, error) {
	nodes = slices.SortedStableFunc(slices.Values(nodes), func(a, b *v1.Node) int { return placement.Compare(a.GetId(), b.GetId()) })
	sets := map[string]*set{}
	var remarks []string
	for _, n := range nodes {
		services := serves(n)
		if len(services) == 0 && n.GetMode() != v1.AgentMode_AGENT_MODE_OBSERVE {
			remarks = append(remarks, n.GetId()+" acts and serves nothing: it is in no pool here, and free for what you add")
			continue
		}
		if len(services) == 0 {
			remarks = append(remarks, n.GetId()+" observes and serves nothing: it is in no pool")
			continue
		}
		pool := topology.PoolName(services)
		if sets[pool] == nil {
			sets[pool] = &set{services: services}
		}
		sets[pool].nodes = append(sets[pool].nodes, n.GetId())
		if silent := silentClaims(n, services); len(silent) > 0 {
			remarks = append(remarks, fmt.Sprintf("%s could run %s, which does not answer there", n.GetId(), word.List(silent)))
		}
	}
	if len(sets) == 0 {
		return nil, ErrNothing
	}
	t := &v1.Topology{Cluster: cluster, Name: name}
	ready := map[string]int{}
	for _, pool := range slices.Sorted(maps.Keys(sets)) {
		s := sets[pool]
		t.Pools = append(t.Pools, &v1.Pool{
			Name: pool, Services: s.services, Nodes: CompressIDs(s.nodes), Size: &v1.Pool_Count{Count: uint32(len(s.nodes))},
		})
		for _, service := range s.services {
			ready[service] += len(s.nodes)
		}
	}
	for _, service := range slices.Sorted(maps.Keys(ready)) {
		if !slices.Contains(topology.KnownServices(), service) {
			t.Services = append(t.Services, &v1.Service{Name: service})
		}
	}
	return &Draft{Topology: t, Source: write(t, ready, remarks)}, nil
}

// serves is what a node's set has: where its agent observes, Apply mirrors there
// what it sees answering, and a node that is handed over keeps it.
func serves(n *v1.Node) (services []string) {
	for _, a := range n.GetAssignments() {
		if a.GetWanted() == v1.Wanted_WANTED_SERVING {
			services = append(services, a.GetService())
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(services)))
}

func silentClaims(n *v1.Node, services []string) (silent []string) {
	for _, claim := range n.GetClaims().GetServices() {
		if !slices.Contains(services, claim.GetName()) {
			silent = append(silent, claim.GetName())
		}
	}
	slices.Sort(silent)
	return silent
}

// write is the file: the topology as its own package writes it, with comments.
func write(t *v1.Topology, ready map[string]int, remarks []string) []byte {
	var b strings.Builder
	comment := func(format string, a ...any) { b.WriteString("# " + fmt.Sprintf(format, a...) + "\n") }
	comment("What the nodes serve already. Applying it moves nothing.")
	comment("Pools name their nodes one by one; once Roster acts, `where` and a size do better.")
	b.WriteString("#\n")
	comment("A floor is the fewest ready nodes that a service may have: 1 each, unless you")
	comment("raise it under `services:`, as {name: imap, floor: 2}. Ready now:")
	for _, service := range slices.Sorted(maps.Keys(ready)) {
		comment("  %s %d", service, ready[service])
	}
	if len(remarks) > 0 {
		b.WriteString("#\n")
	}
	for _, remark := range remarks {
		comment("%s", remark)
	}
	b.Write(topology.Format(t))
	return []byte(b.String())
}
