package rollout

import (
	"cmp"
	"slices"
	"time"

	"roster/fsm/placement"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// StartDeadline is how long a start, or a restart, is waited for. After it, the
// rest of the rollout goes on without it.
const StartDeadline = placement.StartDeadline

// StopGrace is how long after the bound of its drain a service is stopped
// without its agent's word that no session is left.
const StopGrace = 10 * time.Second

// board is a view in working order, and the wave that grows from it.
type board struct {
	v        View
	hosts    []*host // as people count
	ledger   *ledger
	pools    map[string]*traffic
	reasons  map[spot]string    // of seats and loans
	seats    map[string]int     // members by pool, in the target
	members  map[string][]*slot // wanted slots by service
	lost     map[seatOf]*losses
	allowed  *permission
	outlooks map[string]outlook // by service
	unproved map[seatOf]*slot   // a member that was lost too lately, or nil
	moves    []*v1.Move
	ties     *ties                   // nil: nobody waits for a drain that takes long
	busy     map[tie]bool            // what waits, by root
	parts    []*storev1.FloorInForce // what the target asks of parts
	// Why nothing more could be done, see wait.go.
	blocked []string
	said    map[string]bool
	queued  map[string]bool // pools whose max_moving holds nodes back
	stuck   [][]*slot       // what a floor alone keeps back, each what restarts at once
	settles bool            // something stays until a node, or a service, has been well for long enough
}

// spot is a seat of a pool, or one service that a node has on loan for it.
type spot struct{ pool, node, service string }

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
	borrowed   bool           // it is wanted without a seat
	group      string         // restart group
	phase      phase
	action     v1.Action // what the wave does with it
	restarted  bool      // the wave restarts it
	held       bool      // something forbids what the wave would do with it
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
		v: v, pools: map[string]*traffic{}, reasons: map[spot]string{}, seats: map[string]int{}, lost: map[seatOf]*losses{},
		outlooks: map[string]outlook{}, unproved: map[seatOf]*slot{},
		members: map[string][]*slot{}, queued: map[string]bool{}, said: map[string]bool{},
	}
	wanted, loaned := v.Target.Wanted(v.Topology), v.Target.Loaned()
	for _, s := range v.Target.Seats {
		b.reasons[spot{s.GetPool(), s.GetNode(), ""}] = s.GetReason()
		b.seats[s.GetPool()]++
	}
	for _, l := range v.Target.Loans {
		b.reasons[spot{l.GetPool(), l.GetNode(), l.GetService()}] = l.GetReason()
	}
	b.parts = v.parts()
	floors, counts := withParts(v.Floors, b.parts, v.Nodes)
	b.ledger = newLedger(counts, floors)
	for _, n := range v.Nodes {
		h := &host{Node: n, heard: v.Heard == nil || v.Heard(n.GetId())}
		b.hosts = append(b.hosts, h)
		seats, loans := wanted[n.GetId()], loaned[n.GetId()]
		for _, a := range n.GetAssignments() {
			b.addSlot(h, a.GetService(), a, seats[a.GetService()], loans[a.GetService()])
		}
		for service, pool := range seats {
			if assignment(n, service) == nil {
				b.addSlot(h, service, nil, pool, "")
			}
		}
		for service, pool := range loans {
			if assignment(n, service) == nil && seats[service] == "" {
				b.addSlot(h, service, nil, "", pool)
			}
		}
		slices.SortFunc(h.slots, func(x, y *slot) int { return cmp.Compare(x.service, y.service) })
	}
	slices.SortFunc(b.hosts, func(x, y *host) int { return placement.Compare(x.GetId(), y.GetId()) })
	b.countLosses()
	b.allowed = b.newPermission()
	b.countTraffic(counts)
	return b
}

// addSlot adds what a node has or should have: a seat wins over a loan.
func (b *board) addSlot(h *host, service string, a *v1.Assignment, seat, loan string) {
	s := &slot{host: h, service: service, assignment: a, pool: seat, group: restartGroup(h.Node, service)}
	if seat == "" && loan != "" {
		s.pool, s.borrowed = loan, true
	}
	s.phase = phaseOf(h.Node, a, b.v.Topology.GetPolicy(), b.v.Now)
	h.slots = append(h.slots, s)
	if s.wantedHere() {
		b.members[service] = append(b.members[service], s)
	}
	if s.phase == ready && !h.heard {
		// It counts as ready, but nothing is taken away on the strength of it.
		b.ledger.discount(h.Node, service)
	}
}

func phaseOf(n *v1.Node, a *v1.Assignment, policy *v1.Policy, now time.Time) phase {
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
	if placement.Awaited(n, a, policy, now) {
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
	return !now.Before(drainEnds(n, a).Add(StopGrace))
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

// closed: nothing is begun there.
func (h *host) closed() bool {
	return h.GetSettings().GetCordoned() || h.GetSettings().GetDrain() != nil
}

// seated: it has what the target says: this pool's seat, or a loan for it.
func (s *slot) seated() bool {
	return s.assignment.GetPool() == s.pool && s.assignment.GetBorrowed() == s.borrowed
}

// move is what would be done with a slot, for the pool that wants it or else the
// one that it was begun for.
func (b *board) move(s *slot, action v1.Action, reason string) *v1.Move {
	m := &v1.Move{
		Service: s.service, Pool: s.pool, Node: s.host.GetId(), Action: action, Reason: reason,
		Cause: b.cause(s, action),
	}
	if action == v1.Action_ACTION_START || action == v1.Action_ACTION_RESEAT {
		m.Borrowed = s.borrowed
	}
	if !s.wantedHere() {
		m.Pool = s.assignment.GetPool()
	}
	return m
}

// propose adds a permitted move to the wave, and takes what it takes.
func (b *board) propose(s *slot, m *v1.Move) {
	lost := b.ledger.lossesOf(s.host.Node, s.service, m.GetAction())
	b.ledger.take(s.host.Node, lost)
	s.action, s.held = m.GetAction(), false
	s.mates(func(other *slot) { other.restarted = other.restarted || slices.Contains(lost, other.service) })
	b.grant(s, m)
	b.moves = append(b.moves, m)
}
