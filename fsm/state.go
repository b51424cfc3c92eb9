package fsm

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/hashicorp/go-memdb"

	"roster/fsm/rollout"
	"roster/fsm/topology"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// ErrCompacted says that events right after the index that was asked for are no
// longer kept.
var ErrCompacted = errors.New("events after that index are no longer kept")

// State is what the cluster agrees on at one index. It never changes; nor does
// any message reached from it.
type State struct {
	core
	db *memdb.MemDB

	nodesOnce sync.Once
	nodes     []*v1.Node
}

// core is the part of a State that is not in tables. Maps and slices in it are
// replaced, never changed.
type core struct {
	index    uint64
	cluster  *v1.Cluster
	topology *v1.TopologyRevision
	// The topology in force with defaults filled in, worked out once.
	effective *v1.Topology

	// Nodes that there are.
	nodeCount int
	// Ready nodes and floors in force, of each service and of each part of the
	// nodes that a floor of it is over: by rollout.FloorKey, as
	// rollout.ReadyCounts would count them.
	ready  map[string]uint32
	floors map[string]*storev1.FloorInForce
	// The parts among the floors, for lookup.
	parts rollout.PartKeys
	// Nodes whose agents claim that a service's data is on their disk.
	localClaims map[string]int
	// Nodes whose agents have not told yet what they serve, after a restore.
	unconfirmed int

	// What keeps Roster from acting, and what lets it: see guard.go, decide.go.
	hold      *v1.Hold
	override  *v1.HoldOverride
	approvals []*v1.Approval // by cause, at most one of each
	order     *storev1.RolloutOrder

	events     journal[*v1.Event]
	eventBytes int
	// Index of the newest event that was dropped.
	eventsDropped uint64
	requests      journal[*storev1.RequestRecord]
}

// Index is the Raft index of the last entry that was applied.
func (s *State) Index() uint64 { return s.index }

// Cluster is nil before init.
func (s *State) Cluster() *v1.Cluster { return s.cluster }

// Topology is the revision in force, nil where there is none yet.
func (s *State) Topology() *v1.TopologyRevision { return s.topology }

// Effective is the topology in force with every default filled in, nil where
// there is none yet.
func (s *State) Effective() *v1.Topology { return s.effective }

// Revision returns a kept revision of the topology, or nil.
func (s *State) Revision(n uint64) *v1.TopologyRevision {
	return find[v1.TopologyRevision](s.db.Txn(false), tableTopologies, ordered(n))
}

// Revisions returns the kept revisions, newest first.
func (s *State) Revisions() []*v1.TopologyRevision {
	revisions := all[v1.TopologyRevision](s.db.Txn(false), tableTopologies)
	slices.Reverse(revisions)
	return revisions
}

// Nodes returns every node, sorted by id. The slice is shared: do not change it.
func (s *State) Nodes() []*v1.Node {
	s.nodesOnce.Do(func() { s.nodes = all[v1.Node](s.db.Txn(false), tableNodes) })
	return s.nodes
}

// Node returns a node, or nil.
func (s *State) Node(id string) *v1.Node {
	return find[v1.Node](s.db.Txn(false), tableNodes, id)
}

// Removed returns the newest removal of a node id, or nil. The id may exist
// again, under another instance.
func (s *State) Removed(id string) *storev1.RemovedNode {
	var newest *storev1.RemovedNode
	it := must(s.db.Txn(false).LowerBound(tableRemoved, byID, removedKeyOf(id, "")))
	for row := it.Next(); row != nil; row = it.Next() {
		r := row.(*storev1.RemovedNode)
		if r.GetId() != id {
			break
		}
		if newest == nil || r.GetIndex() > newest.GetIndex() {
			newest = r
		}
	}
	return newest
}

// Retired says that an agent's data directory is not let in as that node any
// more: the node was removed, or another agent was to take its place.
func (s *State) Retired(id, instance string) bool {
	return find[storev1.RemovedNode](s.db.Txn(false), tableRemoved, removedKeyOf(id, instance)) != nil
}

// ChangedNodes returns the nodes changed after an index, and the removals after
// it of nodes that do not exist now; each in order of change.
func (s *State) ChangedNodes(after uint64) (nodes []*v1.Node, removed []*storev1.RemovedNode) {
	txn := s.db.Txn(false)
	nodes = since[v1.Node](txn, tableNodes, after)
	for _, r := range since[storev1.RemovedNode](txn, tableRemoved, after) {
		if find[v1.Node](txn, tableNodes, r.GetId()) == nil {
			removed = append(removed, r)
		}
	}
	return nodes, removed
}

// NodeAndWatch returns a node, or nil, and a channel that is closed when the
// node's record is another than in this state. It may be closed without that,
// rarely: look again.
func (s *State) NodeAndWatch(id string) (*v1.Node, <-chan struct{}) {
	watch, row, err := s.db.Txn(false).FirstWatch(tableNodes, byID, id)
	node, _ := row.(*v1.Node)
	return node, must(watch, err)
}

// Members returns every member, sorted by id.
func (s *State) Members() []*v1.Member {
	return all[v1.Member](s.db.Txn(false), tableMembers)
}

// Member returns a member, or nil.
func (s *State) Member(id string) *v1.Member {
	return find[v1.Member](s.db.Txn(false), tableMembers, id)
}

// Floors returns the floors in force by rollout.FloorKey: a service's name for
// the one over all nodes. The map is the caller's, the messages are not.
func (s *State) Floors() map[string]*storev1.FloorInForce { return maps.Clone(s.floors) }

// ReadyCounts returns the number of ready nodes by service, and by the key of each
// floor over a part of them; what has none is absent. The map is the caller's.
func (s *State) ReadyCounts() map[string]uint32 { return maps.Clone(s.ready) }

// Events returns the first events after an index, oldest first: at most limit
// (0: all), but never a part of one entry's events. after 0 means the oldest
// kept. oldest is the index of the oldest event that is kept, 0 where there is
// none. ErrCompacted where some after the index are no longer kept.
func (s *State) Events(after uint64, limit int) (events []*v1.Event, oldest uint64, err error) {
	j := s.events
	if j.len() > 0 {
		oldest = j.at(0).GetIndex()
	}
	if after != 0 && after < s.eventsDropped {
		return nil, oldest, fmt.Errorf("read events after %d: %w; the oldest is at index %d", after, ErrCompacted, oldest)
	}
	from := sort.Search(j.len(), func(i int) bool { return j.at(i).GetIndex() > after })
	for i := from; i < j.len(); i++ {
		e := j.at(i)
		if limit > 0 && len(events) >= limit && e.GetIndex() != events[len(events)-1].GetIndex() {
			break
		}
		events = append(events, e)
	}
	return events, oldest, nil
}

// LastEvents returns the newest events after an index for which keep holds
// (nil: all), at most limit, oldest first. ErrCompacted as in Events.
func (s *State) LastEvents(after uint64, limit int, keep func(*v1.Event) bool) (events []*v1.Event, oldest uint64, err error) {
	j := s.events
	if j.len() > 0 {
		oldest = j.at(0).GetIndex()
	}
	if after != 0 && after < s.eventsDropped {
		return nil, oldest, fmt.Errorf("read events after %d: %w; the oldest is at index %d", after, ErrCompacted, oldest)
	}
	for i := j.len() - 1; i >= 0 && len(events) < limit; i-- {
		e := j.at(i)
		if e.GetIndex() <= after {
			break
		}
		if keep == nil || keep(e) {
			events = append(events, e)
		}
	}
	slices.Reverse(events)
	return events, oldest, nil
}

// revision is the number of the topology in force, 0 for none.
func (c *core) revision() uint64 { return c.topology.GetRevision() }

// setTopology makes a revision the one in force.
func (c *core) setTopology(t *v1.TopologyRevision) {
	c.topology, c.effective = t, nil
	if t != nil {
		c.effective = topology.Effective(t.GetTopology())
	}
}

// services of an effective topology that a pool names, sorted.
func placedServices(t *v1.Topology) []string {
	var services []string
	for _, pool := range t.GetPools() {
		services = append(services, pool.GetServices()...)
	}
	slices.SortFunc(services, strings.Compare)
	return slices.Compact(services)
}
