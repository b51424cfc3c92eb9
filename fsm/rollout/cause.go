package rollout

import (
	"roster/fsm/placement"
	v1 "roster/proto/roster/v1"
)

// losses is what a pool has lost of a service, as far as its members' records
// tell. What moves on account of it is repair; everything else is not.
type losses struct {
	// A member is down, or fails.
	failed bool
	// The operator drains a member.
	drained bool
	// A member that is down, or fails, still has a seat of the pool in its record,
	// and the target gives it to another node.
	vacant bool
}

// seatOf is what every member of a pool has one of.
type seatOf struct{ pool, service string }

// countLosses looks at every seat that a record names.
func (b *board) countLosses() {
	for _, h := range b.hosts {
		for _, s := range h.slots {
			if s.assignment.GetPool() == "" || s.assignment.GetBorrowed() {
				continue
			}
			l := b.lossesOf(s.assignment.GetPool(), s.service)
			switch {
			case h.GetSettings().GetDrain() != nil:
				l.drained = true
			case b.fails(s):
				l.failed = true
				l.vacant = l.vacant || !s.seatedIn(s.assignment.GetPool())
			}
		}
	}
}

func (b *board) lossesOf(pool, service string) *losses {
	key := seatOf{pool, service}
	l := b.lost[key]
	if l == nil {
		l = &losses{}
		b.lost[key] = l
	}
	return l
}

// fails: it is wanted serving, and is not counted on any more.
func (b *board) fails(s *slot) bool {
	return s.serves() && (s.phase == dark || s.phase == stuck ||
		s.phase == starting && placement.Lost(s.host.Node, s.service, b.v.Topology.GetPolicy(), b.v.Now))
}

// seatedIn: the target gives its node a seat of a pool.
func (s *slot) seatedIn(pool string) bool { return s.pool == pool && !s.borrowed }

// cause says what a move is for.
func (b *board) cause(s *slot, action v1.Action) v1.Cause {
	repair := false
	switch action {
	case v1.Action_ACTION_START, v1.Action_ACTION_UNDRAIN:
		l := b.lossesOf(s.pool, s.service)
		switch {
		case s.borrowed:
			// A loan makes up for a drain where that is all that was lost.
			repair = l.failed || !l.drained
		case b.v.Restraints.ordered():
			repair = l.vacant
		case b.v.Restraints.Open:
			// What waits, or is only tried, comes as far as a floor lacks it.
			repair = l.vacant || b.underFloor(s.host.Node, s.service)
		default:
			repair = l.vacant || b.short(s)
		}
	case v1.Action_ACTION_RESEAT:
		repair = s.wantedHere() && !s.borrowed && b.lossesOf(s.pool, s.service).vacant ||
			!s.wantedHere() && s.host.GetSettings().GetDrain() == nil
	}
	if repair {
		return v1.Cause_CAUSE_REPAIR
	}
	return v1.Cause_CAUSE_REBALANCE
}

// short: fewer are ready than a floor in force that it counts for.
func (b *board) short(s *slot) bool { return b.ledger.short(s.host.Node, s.service) != "" }

// repairs: it is on its way to make up for a loss. That counts for no
// max_moving.
func (b *board) repairs(s *slot) bool {
	if s.phase != starting || !s.serves() {
		return false
	}
	l := b.lossesOf(s.assignment.GetPool(), s.service)
	if s.assignment.GetBorrowed() {
		return l.failed || !l.drained
	}
	return l.vacant && s.seatedIn(s.assignment.GetPool())
}
