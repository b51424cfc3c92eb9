package rollout

import (
	"fmt"

	v1 "roster/proto/roster/v1"
)

// Next decides the next wave. While a move of the wave before is still waited
// for, it proposes only what touches no service, as calling off drains and
// changes of seat, and repairs, which wait for nobody; nor does a seat that an
// order gives to a service under its floor. What is not tied to a drain waits for
// it no longer than for a start.
//
// Where nothing else can be done, nothing is on its way, and only floors are in
// the way, it proposes the least harmful step that breaks one, if the operator
// accepts that.
func Next(v View) Step {
	if v.Target == nil {
		return Step{Done: true}
	}
	_, step := decide(v)
	return step
}

func decide(v View) (*board, Step) {
	b := newBoard(v)
	b.reseat()
	b.undrain()
	b.start(v1.Cause_CAUSE_REPAIR)
	if b.underway() {
		b.startWhere(v1.Cause_CAUSE_REBALANCE, b.passesWaves)
	} else {
		b.stop()
		b.startWhere(v1.Cause_CAUSE_REBALANCE, func(s *slot) bool { return !b.waits(s) || b.passesWaves(s) })
		b.drain(true)
		if len(b.moves) == 0 {
			b.drain(false)
		}
	}
	why := ""
	if len(b.moves) == 0 && v.Restraints.AcceptGap {
		why = b.gap()
	}
	step := Step{Gap: why != "", why: why, Moves: b.moves, Held: b.allowed.held, Waiting: b.waiting(), Parts: b.parts}
	step.Done = len(step.Moves) == 0 && len(step.Waiting) == 0
	return b, step
}

// reseat gives services that stay where they are to the pool that wants them
// now, with a seat or without one. It touches no service.
func (b *board) reseat() {
	for _, h := range b.hosts {
		for _, s := range h.slots {
			if s.assignment == nil || !s.serves() {
				continue
			}
			var reason string
			switch {
			case !s.wantedHere() && b.givenAway(s):
				reason = fmt.Sprintf("its node is down, and its seat of pool %s was given away", s.assignment.GetPool())
			case !s.wantedHere() || s.seated() || !live(h.Node):
				continue
			case s.borrowed:
				reason = "stays as it is, without a seat: " + b.reasonOf(s)
			default:
				reason = fmt.Sprintf("stays as it is; its node is a member of pool %s now", s.pool)
			}
			m := b.move(s, v1.Action_ACTION_RESEAT, reason)
			m.Borrowed = s.borrowed || !s.wantedHere()
			if b.permitted(s, m) {
				b.propose(s, m)
			}
		}
	}
}

// givenAway: the seat of a node that is down is held by another node, and its
// own record has to say so before it comes back. Until its successor has
// started, the seat counts as lost.
func (b *board) givenAway(s *slot) bool {
	pool := s.assignment.GetPool()
	if s.phase != dark || pool == "" || s.assignment.GetBorrowed() {
		return false
	}
	holders := 0
	for _, m := range b.members[s.service] {
		if m.seatedIn(pool) {
			if m.assignment == nil || !m.seated() || m.phase == starting {
				return false
			}
			holders++
		}
	}
	for _, size := range b.v.Target.Sizes {
		if size.Pool == pool {
			return holders > 0 && holders >= int(size.Wanted)
		}
	}
	return false
}

// undrain calls off drains of what is wanted again.
func (b *board) undrain() {
	for _, h := range b.hosts {
		for _, s := range h.slots {
			if !s.wantedHere() || s.assignment == nil || s.serves() || !live(h.Node) {
				continue
			}
			lost := b.ledger.lossesOf(h.Node, s.service, v1.Action_ACTION_UNDRAIN)
			if blocked, ok := b.ledger.allows(h.Node, lost); !ok {
				b.block(s, v1.Action_ACTION_UNDRAIN, blocked)
				b.stuckAt(s)
				continue
			}
			m := b.move(s, v1.Action_ACTION_UNDRAIN, fmt.Sprintf("pool %s wants it here again", s.pool))
			if b.permitted(s, m) {
				b.enter(h.GetId(), []string{s.pool})
				b.propose(s, m)
			}
		}
	}
}

// start begins what is missing for one cause, node by node, all of a node's
// restart group together: that is one restart.
func (b *board) start(cause v1.Cause) {
	b.startWhere(cause, func(*slot) bool { return true })
}

func (b *board) startWhere(cause v1.Cause, wanted func(*slot) bool) {
	for _, h := range b.hosts {
		if h.GetState() != v1.NodeState_NODE_STATE_UP || h.closed() {
			continue
		}
		for _, s := range h.slots {
			if !b.missing(s, cause) || !wanted(s) {
				continue
			}
			together := []*slot{s}
			s.mates(func(m *slot) {
				if b.missing(m, cause) {
					together = append(together, m)
				}
			})
			b.startTogether(h, together, cause == v1.Cause_CAUSE_REPAIR)
		}
	}
}

// missing: it has to be started, for this cause.
func (b *board) missing(s *slot, cause v1.Cause) bool {
	return !s.taken() && !s.held && s.phase == absent && s.wantedHere() && b.cause(s, v1.Action_ACTION_START) == cause
}

func (b *board) startTogether(h *host, together []*slot, repair bool) {
	first := together[0]
	lost := b.ledger.lossesOf(h.Node, first.service, v1.Action_ACTION_START)
	if b.endsSessions(first) && !(repair && b.short(first)) {
		return
	}
	if len(lost) > 0 && !h.heard {
		b.unheard(h)
		return
	}
	if blocked, ok := b.ledger.allows(h.Node, lost); !ok {
		b.block(first, v1.Action_ACTION_START, blocked)
		b.stuckAt(together...)
		return
	}
	var moves []*v1.Move
	pools := poolsOf(h, lost)
	for _, s := range together {
		if !b.traffic(s.pool).unbound {
			pools = append(pools, s.pool)
		}
	}
	if full, ok := b.room(h.GetId(), pools, v1.Action_ACTION_START); !ok && !repair {
		b.queued[full] = true
		return
	}
	begun := together[:0]
	for _, s := range together {
		m := b.move(s, v1.Action_ACTION_START, b.startReason(s))
		if b.permitted(s, m) {
			begun, moves = append(begun, s), append(moves, m)
		}
	}
	if len(moves) > 0 && !repair {
		b.enter(h.GetId(), pools)
	}
	for i, m := range moves {
		b.propose(begun[i], m)
	}
}

func (b *board) startReason(s *slot) string {
	if s.borrowed {
		return fmt.Sprintf("stands in for pool %s: %s", s.pool, b.reasonOf(s))
	}
	return fmt.Sprintf("pool %s: %s", s.pool, b.reasonOf(s))
}

// reasonOf is why the target wants it here.
func (b *board) reasonOf(s *slot) string {
	if s.borrowed {
		return b.reasons[spot{s.pool, s.host.GetId(), s.service}]
	}
	return b.reasons[spot{s.pool, s.host.GetId(), ""}]
}

// endsSessions: a restart of its group would cut a drain short that is still
// going on.
func (b *board) endsSessions(s *slot) bool {
	ends := false
	s.mates(func(m *slot) { ends = ends || m.phase == draining && !m.taken() })
	return ends
}
