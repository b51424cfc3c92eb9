package rollout

import (
	"slices"

	v1 "roster/proto/roster/v1"
)

// traffic is what moves in one pool. A node counts for the pool that it joins
// from start to ready, and for the pool that it leaves from drain to stop.
// Where that restarts other services of the node, it counts for their pools as
// well: by a start until they are ready again, by a drain from its beginning,
// so that the stop never has to wait for another one.
type traffic struct {
	members map[string]bool // nodes that have an assignment of this pool
	seats   int             // members when the rollout is done
	moving  map[string]bool
	// Those of them whose stop is blocked by a floor. They make way for starts,
	// because a start may be what they wait for, and for nothing else.
	held map[string]bool
	// Those of them that perhaps only a repair restarts, which counts for nothing:
	// what is begun there besides asks for room like everything else.
	unsure map[string]bool
	limit  int
	// Nothing that the pool serves is ready anywhere: there is nothing to lose,
	// and the first placement is not bound.
	unbound bool
}

func (b *board) traffic(pool string) *traffic {
	t := b.pools[pool]
	if t == nil {
		t = &traffic{members: map[string]bool{}, moving: map[string]bool{}, held: map[string]bool{}, unsure: map[string]bool{}}
		b.pools[pool] = t
	}
	return t
}

func (b *board) countTraffic(ready map[string]uint32) {
	for pool, n := range b.seats {
		b.traffic(pool).seats = n
	}
	for _, h := range b.hosts {
		for _, s := range h.slots {
			if s.assignment == nil {
				continue
			}
			if !s.assignment.GetBorrowed() {
				b.traffic(s.assignment.GetPool()).members[h.GetId()] = true
			}
			b.count(s)
		}
	}
	for _, p := range b.v.Topology.GetPools() {
		t := b.traffic(p.GetName())
		t.unbound = true
		for _, service := range p.GetServices() {
			t.unbound = t.unbound && ready[service] == 0
		}
	}
	percent := int(b.v.Topology.GetPolicy().GetMaxMoving().GetValue())
	for _, t := range b.pools {
		size := max(len(t.members), t.seats)
		t.limit = max(1, (size*percent+99)/100)
	}
}

// count notes that a node moves on account of one of its services.
func (b *board) count(s *slot) {
	if !s.moves() || b.repairs(s) {
		return
	}
	mended := false
	s.mates(func(m *slot) { mended = mended || b.repairs(m) })
	if !mended {
		b.enter(s.host.GetId(), b.tiedPools(s))
		return
	}
	for _, pool := range b.tiedPools(s) {
		if t := b.traffic(pool); !t.moving[s.host.GetId()] {
			t.moving[s.host.GetId()], t.unsure[s.host.GetId()] = true, true
		}
	}
}

// moves: it is on its way, and counts for its pool's max_moving. What nobody
// waits for any more does not, so that a stuck move does not hold up others.
func (s *slot) moves() bool {
	switch s.phase {
	case starting, draining:
		return true
	case drained:
		return s.host.heard
	}
	return false
}

// room says whether a node may begin to move in all of these pools.
func (b *board) room(node string, pools []string, action v1.Action) (full string, ok bool) {
	for _, pool := range pools {
		t := b.traffic(pool)
		n, limit := len(t.moving), max(1, t.limit)
		if t.moving[node] && !t.held[node] && !t.unsure[node] && n <= limit {
			continue // it makes no difference
		}
		if action == v1.Action_ACTION_START {
			if n -= len(t.held); t.moving[node] && !t.held[node] {
				n--
			}
		} else if t.moving[node] {
			n--
		}
		if n >= limit {
			return pool, false
		}
	}
	return "", true
}

// hold notes that the stop of a service is blocked by a floor. A node that moves
// in the same pool for another reason does not make way.
func (b *board) hold(s *slot) {
	busy := map[string]bool{}
	for _, other := range s.host.slots {
		if other != s && (other.phase == starting || other.action == v1.Action_ACTION_UNDRAIN) {
			busy[other.pool] = true
			for _, pool := range other.labels() {
				busy[pool] = true
			}
		}
	}
	for _, pool := range b.tiedPools(s) {
		if !busy[pool] {
			b.traffic(pool).held[s.host.GetId()] = true
		}
	}
}

func (b *board) enter(node string, pools []string) {
	for _, pool := range pools {
		t := b.traffic(pool)
		t.moving[node] = true
		delete(t.held, node)
		delete(t.unsure, node)
	}
}

// leave takes a node out of the traffic that one service of it made, as far as
// nothing else there makes the same: another drain, or the restart that its stop
// brings with it.
func (b *board) leave(s *slot) {
	for _, pool := range b.tiedPools(s) {
		t := b.traffic(pool)
		delete(t.moving, s.host.GetId())
		delete(t.held, s.host.GetId())
		delete(t.unsure, s.host.GetId())
	}
	for _, other := range s.host.slots {
		switch {
		case other == s || other.action == v1.Action_ACTION_STOP:
		case other.restarted:
			b.enter(s.host.GetId(), other.labels())
		default:
			b.count(other)
		}
	}
}

// tiedPools lists the pools that a service's move counts for: its own, and where
// its drain ends in a restart, those of the services that are restarted.
func (b *board) tiedPools(s *slot) []string {
	pools := s.labels()
	if s.phase == starting {
		return pools
	}
	s.mates(func(m *slot) {
		if m.wantedHere() || m.serves() {
			pools = append(pools, m.labels()...)
		}
	})
	return pools
}

// poolsOf lists the pools of services that are lost on a node.
func poolsOf(h *host, lost []string) []string {
	var pools []string
	for _, s := range h.slots {
		if slices.Contains(lost, s.service) {
			pools = append(pools, s.labels()...)
		}
	}
	return pools
}

// labels lists the pools that an assignment counts for: the one that wants it,
// which it is given to without being touched, and the one that its record names
// until then. What is not wanted, or drains, counts for the one in the record.
func (s *slot) labels() []string {
	var pools []string
	if s.wantedHere() && (s.assignment == nil || s.serves()) {
		pools = append(pools, s.pool)
	}
	if recorded := s.assignment.GetPool(); s.assignment != nil && !slices.Contains(pools, recorded) {
		pools = append(pools, recorded)
	}
	return pools
}
