package placement

import (
	"errors"
	"fmt"
	"slices"

	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
)

// ErrImpossible is wrapped by every error of Place: no set of nodes could ever
// make the view true.
var ErrImpossible = errors.New("no nodes can ever fill this topology")

// maxSpread is how many keys one pool may be spread over.
const maxSpread = 8

// problem is a view in compact form: pools and nodes by number. Nodes are
// numbered by rank: greater capacity first, then as people count.
type problem struct {
	top   *v1.Topology
	pools []poolFacts
	nodes []nodeFacts
}

// poolFacts is what a topology says of one pool.
type poolFacts struct {
	*v1.Pool
	services []int // numbers of its services
	only     map[string]bool
	exclude  map[string]bool
	requires []requirement
	spread   []string // keys that make a difference, see locate
}

// requirement is a service's demand on the labels of any node serving it.
type requirement struct {
	service string
	labels  map[string]*v1.LabelValues
}

// nodeFacts is what the records say of one node.
type nodeFacts struct {
	*v1.Node
	can      []bool // by service: its agent claims that it can run it
	serves   []bool // by service: wanted serving
	drains   []bool // by service: wanted draining
	holds    []bool // by pool: it holds a seat there
	barrier  []barrier
	location int
}

// barrier is why a node may not be a member of a pool; free: it may.
type barrier uint8

const (
	free barrier = iota
	// The following hold while labels and claims are as they are, and take the
	// node out of the sizes too.
	notListed
	excluded
	mismatched
	unable
	lacking
	// The following close a pool to a node that has no seat there, for now.
	cordoned
	notUp
)

// fits: the node counts for the size of the pool.
func (b barrier) fits() bool { return b == free || b == cordoned || b == notUp }

func compile(v View) (*problem, error) {
	p := &problem{top: v.Topology}
	numbers := map[string]int{}
	byName := map[string]*v1.Service{}
	for _, s := range v.Topology.GetServices() {
		byName[s.GetName()] = s
	}
	poolNumbers := map[string]int{}
	for _, msg := range v.Topology.GetPools() {
		if _, twice := poolNumbers[msg.GetName()]; twice {
			return nil, fmt.Errorf("%w: pool %s is there twice", ErrImpossible, msg.GetName())
		}
		if msg.Size == nil {
			return nil, fmt.Errorf("%w: pool %s has no size", ErrImpossible, msg.GetName())
		}
		if len(msg.GetSpread()) > maxSpread {
			return nil, fmt.Errorf("%w: pool %s is spread over %d keys, at most %d are kept apart",
				ErrImpossible, msg.GetName(), len(msg.GetSpread()), maxSpread)
		}
		poolNumbers[msg.GetName()] = len(p.pools)
		facts := poolFacts{Pool: msg}
		for _, name := range msg.GetServices() {
			n, known := numbers[name]
			if !known {
				n = len(numbers)
				numbers[name] = n
			}
			facts.services = append(facts.services, n)
			if labels := byName[name].GetRequires(); len(labels) > 0 {
				facts.requires = append(facts.requires, requirement{name, labels})
			}
		}
		var err error
		if facts.only, err = idSet(msg.GetName(), "nodes", msg.GetNodes()); err != nil {
			return nil, err
		}
		if facts.exclude, err = idSet(msg.GetName(), "exclude", msg.GetExclude()); err != nil {
			return nil, err
		}
		p.pools = append(p.pools, facts)
	}
	if err := p.addNodes(v.Nodes, numbers, poolNumbers); err != nil {
		return nil, err
	}
	return p, nil
}

func idSet(pool, key string, patterns []string) (map[string]bool, error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	set := map[string]bool{}
	for _, pattern := range patterns {
		ids, err := topology.ExpandIDs(pattern)
		if err != nil {
			return nil, fmt.Errorf("%w: pool %s, %s: %w", ErrImpossible, pool, key, err)
		}
		for _, id := range ids {
			set[id] = true
		}
	}
	return set, nil
}

func (p *problem) addNodes(nodes []*v1.Node, services, pools map[string]int) error {
	sorted := slices.Clone(nodes)
	slices.SortFunc(sorted, func(a, b *v1.Node) int {
		if c := int64(capacity(b)) - int64(capacity(a)); c != 0 {
			return int(c)
		}
		return Compare(a.GetId(), b.GetId())
	})
	width := 3*len(services) + len(pools)
	flags := make([]bool, width*len(sorted))
	barriers := make([]barrier, len(pools)*len(sorted))
	seen := make(map[string]bool, len(sorted))
	p.nodes = make([]nodeFacts, len(sorted))
	for i, msg := range sorted {
		if seen[msg.GetId()] {
			return fmt.Errorf("%w: node %s is there twice", ErrImpossible, msg.GetId())
		}
		seen[msg.GetId()] = true
		f := flags[i*width : (i+1)*width]
		s := len(services)
		n := &p.nodes[i]
		*n = nodeFacts{Node: msg, can: f[:s], serves: f[s : 2*s], drains: f[2*s : 3*s], holds: f[3*s:]}
		for _, claim := range msg.GetClaims().GetServices() {
			if number, named := services[claim.GetName()]; named {
				n.can[number] = true
			}
		}
		for _, a := range msg.GetAssignments() {
			serving := a.GetWanted() == v1.Wanted_WANTED_SERVING
			service, named := services[a.GetService()]
			if !named {
				continue
			}
			n.serves[service], n.drains[service] = serving, !serving
			// A service that its pool no longer has holds no seat: it goes away
			// during the rollout, and the seat would with it.
			if k, there := pools[a.GetPool()]; there && serving && slices.Contains(p.pools[k].services, service) {
				n.holds[k] = true
			}
		}
		n.barrier = barriers[i*len(pools) : (i+1)*len(pools)]
		for k := range p.pools {
			n.barrier[k] = p.pools[k].admit(n, k)
		}
	}
	return nil
}

// capacity is a weight; a record that never said one has the default.
func capacity(n *v1.Node) uint32 {
	if n.GetCapacity() == 0 {
		return 100
	}
	return n.GetCapacity()
}

// admit says whether a node may be a member of the pool. A seat that would
// start nothing is not closed to cordoned nodes, or to nodes that are not up:
// there they serve on as they do.
func (p *poolFacts) admit(n *nodeFacts, number int) barrier {
	id := n.GetId()
	switch {
	case p.only != nil && !p.only[id]:
		return notListed
	case p.exclude[id]:
		return excluded
	case !matches(n.Node, p.GetWhere()):
		return mismatched
	}
	missing := false
	for _, s := range p.services {
		if !n.can[s] {
			return unable
		}
		missing = missing || !n.serves[s] && !n.drains[s]
	}
	for _, r := range p.requires {
		if !matches(n.Node, r.labels) {
			return lacking
		}
	}
	switch {
	case n.holds[number] || !missing:
		return free
	case n.GetSettings().GetCordoned():
		return cordoned
	case n.GetState() != v1.NodeState_NODE_STATE_UP:
		return notUp
	}
	return free
}

func matches(n *v1.Node, where map[string]*v1.LabelValues) bool {
	for key, values := range where {
		have, there := label(n, key)
		if !there || !slices.Contains(values.GetValues(), have) {
			return false
		}
	}
	return true
}

// label reads a node's label; region, zone and id are labels too.
func label(n *v1.Node, key string) (string, bool) {
	switch key {
	case "id":
		return n.GetId(), true
	case "region":
		return n.GetRegion(), n.GetRegion() != ""
	case "zone":
		return n.GetZone(), n.GetZone() != ""
	}
	value, there := n.GetLabels()[key]
	return value, there
}
