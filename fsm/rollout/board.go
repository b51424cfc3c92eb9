package rollout

import (
	"cmp"
	"slices"
	"time"

	"roster/fsm/placement"
	v1 "roster/proto/roster/v1"
)

// StartDeadline is how long a start, or a restart, is waited for. After it, the
// rest of the rollout goes on without it.
const StartDeadline = 60 * time.Second

// StopGrace is how long after the bound of its drain a service is stopped
// without its agent's word that no session is left.
const StopGrace = 10 * time.Second

// board is a view in working order, and the wave that grows from it.
type board struct {
	v       View
	hosts   []*host // as people count
	ledger  *ledger
	pools   map[string]*traffic
	seats   map[placedSeat]string // reasons of seats
	members map[string][]*slot    // wanted slots by service
	moves   []*v1.Move
	// Why nothing more could be done, see wait.go.
	blocked []string
	said    map[string]bool
	queued  map[string]bool // pools whose max_moving holds nodes back
}

type placedSeat struct{ pool, node string }

// host is one node.
type host struct {
	*v1.Node
	heard bool
	slots []*slot // sorted by service
}

// slot is one service of a node: assigned, wanted, or both.
type slot struct {
	host       *host
	service    string
	assignment *v1.Assignment // nil: none
	pool       string         // that wants it; empty: unwanted
	group      string         // restart group
	phase      phase
	action     v1.Action // what the wave does with it
	restarted  bool      // the wave restarts it
}

// phase is where an assignment is on its way.
type phase uint8

const (
	// absent: not assigned.
	absent phase = iota
	// starting: wanted serving, not ready yet, and still waited for.
	starting
	// ready: counts for the floor.
	ready
	// stuck: wanted serving, not ready, no longer waited for.
	stuck
	// draining: its sessions end, up to a bound.
	draining
	// drained: nothing is left to wait for before it is stopped.
	drained
	// dark: assigned on a node that is down; nobody knows.
	dark
)

func newBoard(v View) *board {
	b := &board{
		v: v, pools: map[string]*traffic{}, seats: map[placedSeat]string{},
		members: map[string][]*slot{}, queued: map[string]bool{}, said: map[string]bool{},
	}
	wanted := v.Target.Wanted(v.Topology)
	if v.Target != nil {
		for _, s := range v.Target.Seats {
			b.seats[placedSeat{s.GetPool(), s.GetNode()}] = s.GetReason()
		}
	}
	counts := ReadyCounts(v.Nodes)
	b.ledger = newLedger(counts, v.Floors)
	for _, n := range v.Nodes {
		h := &host{Node: n, heard: v.Heard == nil || v.Heard(n.GetId())}
		b.hosts = append(b.hosts, h)
		set := wanted[n.GetId()]
		for _, a := range n.GetAssignments() {
			b.addSlot(h, a.GetService(), a, set[a.GetService()])
		}
		for service, pool := range set {
			if assignment(n, service) == nil {
				b.addSlot(h, service, nil, pool)
			}
		}
		slices.SortFunc(h.slots, func(x, y *slot) int { return cmp.Compare(x.service, y.service) })
	}
	slices.SortFunc(b.hosts, func(x, y *host) int { return placement.Compare(x.GetId(), y.GetId()) })
	b.countTraffic(counts)
	return b
}

func (b *board) addSlot(h *host, service string, a *v1.Assignment, pool string) {
	s := &slot{host: h, service: service, assignment: a, pool: pool, group: restartGroup(h.Node, service)}
	s.phase = phaseOf(h.Node, a, b.v.Now)
	h.slots = append(h.slots, s)
	if pool != "" {
		b.members[service] = append(b.members[service], s)
	}
	if s.phase == ready && !h.heard {
		// It counts as ready, but nothing is taken away on the strength of it.
		b.ledger.left[service]--
	}
}

func phaseOf(n *v1.Node, a *v1.Assignment, now time.Time) phase {
	switch {
	case a == nil:
		return absent
	case !live(n):
		return dark
	case a.GetWanted() == v1.Wanted_WANTED_DRAINING:
		if drainEnded(n, a, now) {
			return drained
		}
		return draining
	case serving(n, a.GetService()):
		return ready
	}
	since := a.GetSince().AsTime()
	if r := report(n, a.GetService()); r.GetState() == v1.ServiceState_SERVICE_STATE_STARTING {
		// A restart of its group began later than the assignment. An agent's
		// clock that is ahead is not believed.
		if at := r.GetSince().AsTime(); at.After(since) && !at.After(now) {
			since = at
		}
	}
	if now.Before(since.Add(StartDeadline)) {
		return starting
	}
	return stuck
}

// drainEnded: no session is left, or none was there, or the bound passed.
func drainEnded(n *v1.Node, a *v1.Assignment, now time.Time) bool {
	r := report(n, a.GetService())
	switch r.GetState() {
	case v1.ServiceState_SERVICE_STATE_SERVING, v1.ServiceState_SERVICE_STATE_DRAINING:
	case v1.ServiceState_SERVICE_STATE_UNSPECIFIED:
		// Not reported. Once the agent has seen the set, it knows of none.
		if n.GetReportedGeneration() >= n.GetGeneration() {
			return true
		}
	default:
		return true
	}
	bound := a.GetSince().AsTime().Add(a.GetDrain().AsDuration()).Add(StopGrace)
	return !now.Before(bound)
}

// wantedHere: the target wants it.
func (s *slot) wantedHere() bool { return s.pool != "" }

// taken: the wave has a move for it.
func (s *slot) taken() bool { return s.action != v1.Action_ACTION_UNSPECIFIED }

// serves: it is wanted serving now, whatever came of it.
func (s *slot) serves() bool { return s.assignment.GetWanted() == v1.Wanted_WANTED_SERVING }

// mates calls visit for the other slots of its restart group.
func (s *slot) mates(visit func(*slot)) {
	if s.group == "" {
		return
	}
	for _, other := range s.host.slots {
		if other != s && other.group == s.group {
			visit(other)
		}
	}
}

// propose adds a move to the wave, and takes what it takes.
func (b *board) propose(s *slot, action v1.Action, pool, reason string) {
	lost := b.ledger.lossesOf(s.host.Node, s.service, action)
	b.ledger.take(s.host.GetId(), lost)
	s.action = action
	s.mates(func(m *slot) { m.restarted = m.restarted || slices.Contains(lost, m.service) })
	b.moves = append(b.moves, &v1.Move{
		Service: s.service, Pool: pool, Node: s.host.GetId(), Action: action, Reason: reason,
	})
}
