package rollout

import (
	"fmt"

	v1 "roster/proto/roster/v1"
)

// permission is the restraints as the wave grows.
type permission struct {
	held []Held
	// Nodes where a move is held by something that ends by itself.
	passing map[string]bool
	canary  *canary          // nil: nothing has to go first
	tries   bool             // something waits for it
	asks    map[moveKey]bool // of held moves, so that each is told once
	// Moves of approved plans.
	approved map[moveKey]bool
	// Starts that are on their way to be ready, by FloorKey.
	coming map[string]uint32
	// Nodes that mend a pool now, by pool: a slow hold lets one do so at a time.
	mending map[string]map[string]bool
}

// moveKey is what a move is to a plan's id and to an approval.
type moveKey struct {
	node, service, pool string
	action              v1.Action
	borrowed            bool
}

func keyOf(m *v1.Move) moveKey {
	return moveKey{m.GetNode(), m.GetService(), m.GetPool(), m.GetAction(), m.GetBorrowed()}
}

func (b *board) newPermission() *permission {
	p := &permission{passing: map[string]bool{}, canary: b.newCanary(), asks: map[moveKey]bool{}, approved: map[moveKey]bool{}, coming: map[string]uint32{}, mending: map[string]map[string]bool{}}
	for _, a := range b.v.Restraints.Approvals {
		for _, m := range a.GetMoves() {
			if !a.GetRejected() {
				p.approved[keyOf(m)] = true
			}
		}
	}
	for _, h := range b.hosts {
		for _, s := range h.slots {
			if s.phase == starting {
				p.expect(b.ledger, h.Node, s.service)
			}
			if b.repairs(s) {
				p.mend(s.assignment.GetPool(), h.GetId())
			}
		}
	}
	return p
}

// expect notes that an instance will be ready.
func (p *permission) expect(l *ledger, n *v1.Node, service string) {
	for _, key := range l.parts.keys(n, service) {
		p.coming[key]++
	}
}

func (p *permission) mend(pool, node string) {
	if p.mending[pool] == nil {
		p.mending[pool] = map[string]bool{}
	}
	p.mending[pool][node] = true
}

// underFloor: fewer are ready, or on their way to be, than a floor in force that a
// node would count for.
func (b *board) underFloor(n *v1.Node, service string) bool {
	for _, key := range b.ledger.parts.keys(n, service) {
		if b.ledger.before[key]+b.allowed.coming[key] < b.ledger.floors[key].GetFloor() {
			return true
		}
	}
	return false
}

// permitted says whether a move that is safe may be made. One that may not is
// held, and told.
func (b *board) permitted(s *slot, m *v1.Move) bool {
	if b.v.only != v1.Cause_CAUSE_UNSPECIFIED && (m.GetCause() != b.v.only || b.drains(s, m)) {
		return false
	}
	why, ok := b.ask(s, m)
	if ok {
		return true
	}
	s.held = true
	if key := keyOf(m); !b.allowed.asks[key] {
		b.allowed.asks[key] = true
		b.allowed.held = append(b.allowed.held, Held{Move: m, Why: why})
	}
	return false
}

func (b *board) ask(s *slot, m *v1.Move) (why string, ok bool) {
	r := b.v.Restraints
	if why, ok := r.withoutPolicy(s.host.Node, m, b.v.Now, b.underFloor); !ok {
		b.allowed.passing[m.GetNode()] = b.allowed.passing[m.GetNode()] || r.passes(s.host.Node, m, b.v.Now)
		return why, false
	}
	if r.Hold != nil && !restores(s.host.Node, m, b.underFloor) {
		// It is slow, else it would not have come so far.
		mending := b.allowed.mending[m.GetPool()]
		if len(mending) > 0 && !mending[m.GetNode()] {
			b.allowed.passing[m.GetNode()] = true
			return fmt.Sprintf("Roster holds: pool %s is repaired one node at a time", m.GetPool()), false
		}
	}
	if why := r.paused(m); why != "" {
		return why, false
	}
	if why := b.allowed.canary.waits(s, m); why != "" {
		b.allowed.tries = true
		return why, false
	}
	if b.v.only != v1.Cause_CAUSE_UNSPECIFIED || b.allowed.approved[keyOf(m)] || b.drains(s, m) {
		return "", true
	}
	return r.byPolicy(m, b.v.Topology.GetPolicy())
}

// drains: the operator's word on a node brings it, which is approval enough.
func (b *board) drains(s *slot, m *v1.Move) bool {
	if m.GetCause() != v1.Cause_CAUSE_REBALANCE {
		return false
	}
	return s.host.GetSettings().GetDrain() != nil || s.wantedHere() && b.lossesOf(m.GetPool(), m.GetService()).drained
}

// grant notes what a permitted move takes up.
func (b *board) grant(s *slot, m *v1.Move) {
	b.allowed.canary.join(s, m)
	switch m.GetAction() {
	case v1.Action_ACTION_START, v1.Action_ACTION_UNDRAIN:
		b.allowed.expect(b.ledger, s.host.Node, m.GetService())
	}
	if m.GetCause() == v1.Cause_CAUSE_REPAIR {
		b.allowed.mend(m.GetPool(), m.GetNode())
	}
}
