package placement

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
)

// ErrImpossible is wrapped by every error of Place: no set of nodes could ever
// make the view true.
var ErrImpossible = errors.New("no nodes can ever fill this topology")

// maxSpread is how many keys one pool may be spread over.
const maxSpread = 8

// problem is a view in compact form: pools and nodes by number. Nodes are
// numbered by rank: greater capacity first (see bucket), then as people count.
type problem struct {
	top *v1.Topology
	// Those that take nodes for themselves first, in the order of the file; then
	// those that are shared, by priority.
	pools    []poolFacts
	own      int   // how many take nodes for themselves
	filed    []int // the pools in the order of the file
	nodes    []nodeFacts
	services []*v1.Service  // by number; those that pools name
	numbers  map[string]int // of services
	byName   map[string]int // of pools
	keepers  [][]string     // by service: the nodes that its data binds it to; none: it is bound to none
	now      time.Time
	frozen   func(*v1.Node) bool // nil: none is
	// Seats are open or gone for good: members stay where they are, see
	// fillHeld.
	strained bool
	// By node, then service: a seat that it has in the target means it. It grows
	// while shared pools are placed one after the other, see seatShared.
	given []bool
	// By pool, then node: who was a member when the rollout began that is being
	// walked back; nil: none is.
	prefer []map[string]bool
	// How good the spread is, where keys cross.
	spreads []*v1.SpreadBound
}

// poolFacts is what a topology says of one pool.
type poolFacts struct {
	*v1.Pool
	services []int // numbers of its services
	only     map[string]bool
	exclude  map[string]bool
	requires []requirement
	spread   []int   // the spread keys that make a difference, by number, see families
	quotas   []quota // what floors over parts need of it
	// A node that observes has a seat: it comes before every other one.
	watched bool
	// Where seats are open or gone: how many levels of priority are above, and
	// whether it has open seats, see fillHeld.
	depth int
	grows bool
	loose bool // an `all` pool that is larger than it has to be
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
	whose    []int  // by service: the pool that it serves or drains it for; unseated: of none that there is
	serves   []bool // by service: wanted serving, and no loan of a pool that there is
	drains   []bool // by service: the same, wanted draining
	holds    []bool // by pool: it holds a seat there
	standsIn []bool // by pool: it serves all of it without a seat
	ready    []bool // by service: wanted serving, and it does
	fails    []bool // by service: lost while the node is live
	groups   []int  // by service: number of its restart group; 0: none. nil: no two share one
	barrier  []barrier
	drained  bool
	leaves   bool // a seat that it has is to be given away; until then it gets no other
	down     bool
	location int
}

func compile(v View) (*problem, error) {
	numbers, poolNumbers := map[string]int{}, map[string]int{}
	p := &problem{top: v.Topology, now: v.Now, frozen: v.Frozen, numbers: numbers, byName: poolNumbers}
	byName := map[string]*v1.Service{}
	for _, s := range v.Topology.GetServices() {
		byName[s.GetName()] = s
	}
	pools, filed, own := inOrder(v.Topology.GetPools())
	p.filed, p.own = filed, own
	for _, msg := range pools {
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
				service := byName[name]
				if service == nil {
					service = &v1.Service{Name: name}
				}
				p.services = append(p.services, service)
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
	p.findData(v.Nodes)
	p.findPreferred(v.Prefer)
	if err := p.addNodes(v.Nodes); err != nil {
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

func (p *problem) addNodes(nodes []*v1.Node) error {
	sorted := slices.Clone(nodes)
	slices.SortFunc(sorted, func(a, b *v1.Node) int {
		if c := bucket(b) - bucket(a); c != 0 {
			return c
		}
		return Compare(a.GetId(), b.GetId())
	})
	services, pools := len(p.services), len(p.pools)
	width := 5*services + 2*pools
	whose := make([]int, services*len(sorted))
	flags := make([]bool, width*len(sorted))
	barriers := make([]barrier, pools*len(sorted))
	seen := make(map[string]bool, len(sorted))
	p.nodes = make([]nodeFacts, len(sorted))
	for i, msg := range sorted {
		if seen[msg.GetId()] {
			return fmt.Errorf("%w: node %s is there twice", ErrImpossible, msg.GetId())
		}
		seen[msg.GetId()] = true
		f := flags[i*width : (i+1)*width]
		take := func(n int) []bool {
			taken := f[:n:n]
			f = f[n:]
			return taken
		}
		n := &p.nodes[i]
		*n = nodeFacts{
			Node: msg, can: take(services), serves: take(services), drains: take(services), ready: take(services), fails: take(services),
			holds: take(pools), standsIn: take(pools), whose: whose[i*services : (i+1)*services],
			drained: drainedNode(msg), down: msg.GetState() == v1.NodeState_NODE_STATE_DOWN,
		}
		for _, claim := range msg.GetClaims().GetServices() {
			if number, named := p.numbers[claim.GetName()]; named {
				n.can[number] = true
			}
		}
		p.addSet(n)
		p.addGroups(n)
		n.barrier = barriers[i*pools : (i+1)*pools]
		for k := range p.pools {
			n.leaves = n.leaves || (n.holds[k] || n.standsIn[k]) && p.seatGone(n, k)
		}
		for k := range p.pools {
			n.barrier[k] = p.admit(n, k)
			if n.barrier[k] == free && n.holds[k] && observing(msg) {
				p.pools[k].watched = true
			}
		}
	}
	return nil
}

// addSet notes what a node serves, and what for.
func (p *problem) addSet(n *nodeFacts) {
	lent := false
	for s := range n.whose {
		n.whose[s] = unseated
	}
	for _, a := range n.GetAssignments() {
		serving := a.GetWanted() == v1.Wanted_WANTED_SERVING
		service, named := p.numbers[a.GetService()]
		if !named {
			continue
		}
		if serving && !n.down {
			n.ready[service] = reportOf(n.Node, a.GetService()).GetState() == v1.ServiceState_SERVICE_STATE_SERVING
			n.fails[service] = !n.ready[service] && lostLive(n.Node, a, p.top.GetPolicy(), p.now)
		}
		k, there := p.byName[a.GetPool()]
		if there && a.GetBorrowed() {
			lent = lent || serving
			continue
		}
		n.serves[service], n.drains[service] = serving, !serving
		if there && slices.Contains(p.pools[k].services, service) {
			n.whose[service] = k
		}
		// A service that its pool no longer has holds no seat: it goes away
		// during the rollout, and the seat would with it.
		if there && serving && slices.Contains(p.pools[k].services, service) {
			n.holds[k] = true
		}
	}
	for k := 0; lent && k < len(p.pools); k++ {
		n.standsIn[k] = !slices.ContainsFunc(p.pools[k].GetServices(), func(service string) bool {
			a := assignmentOf(n.Node, service)
			return !a.GetBorrowed() || a.GetPool() != p.pools[k].GetName() || a.GetWanted() != v1.Wanted_WANTED_SERVING
		})
	}
}

// capacity is a weight; a record that never said one has the default.
func capacity(n *v1.Node) uint32 {
	if n.GetCapacity() == 0 {
		return 100
	}
	return n.GetCapacity()
}

// bucket is the power of two that a capacity reaches. Nodes of one bucket are
// not told apart by their capacity.
func bucket(n *v1.Node) int { return bits.Len32(capacity(n)) }

// inOrder sorts pools as a problem numbers them, and says which of these is the
// first, the second, ... of the file, and how many are not shared.
func inOrder(file []*v1.Pool) (pools []*v1.Pool, filed []int, own int) {
	order := make([]int, len(file))
	for at := range order {
		order[at] = at
		if !file[at].GetShared() {
			own++
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		x, y := file[a], file[b]
		switch {
		case x.GetShared() != y.GetShared():
			return later(x.GetShared(), y.GetShared())
		case x.GetShared():
			return cmp.Compare(y.GetPriority(), x.GetPriority())
		}
		return 0
	})
	filed = make([]int, len(file))
	for k, at := range order {
		pools = append(pools, file[at])
		filed[at] = k
	}
	return pools, filed, own
}

// findPreferred notes who was a member of what.
func (p *problem) findPreferred(seats []*v1.Seat) {
	if len(seats) == 0 {
		return
	}
	p.prefer = make([]map[string]bool, len(p.pools))
	for _, seat := range seats {
		if k, there := p.byName[seat.GetPool()]; there {
			if p.prefer[k] == nil {
				p.prefer[k] = map[string]bool{}
			}
			p.prefer[k][seat.GetNode()] = true
		}
	}
}

// addGroups notes which services of a node restart together.
func (p *problem) addGroups(n *nodeFacts) {
	var names []string
	for _, c := range n.GetClaims().GetServices() {
		s, named := p.numbers[c.GetName()]
		if !named || c.GetChangeMode() != v1.ChangeMode_CHANGE_MODE_RESTART {
			continue
		}
		at := slices.Index(names, c.GetRestartGroup())
		if at < 0 {
			at = len(names)
			names = append(names, c.GetRestartGroup())
		}
		if n.groups == nil {
			n.groups = make([]int, len(p.services))
		}
		n.groups[s] = at + 1
	}
}
