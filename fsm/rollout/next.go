package rollout

import (
	"fmt"

	v1 "roster/proto/roster/v1"
)

// Next decides the next wave. While a move of the wave before is still waited
// for, it proposes only what touches no service: calling off drains, and
// changes of pool.
func Next(v View) Step {
	if v.Target == nil {
		return Step{Done: true}
	}
	b := newBoard(v)
	b.reseat()
	b.undrain()
	if !b.underway() {
		b.stop()
		b.start()
		b.drain(true)
		if len(b.moves) == 0 {
			b.drain(false)
		}
	}
	step := Step{Moves: b.moves, Waiting: b.waiting()}
	step.Done = len(step.Moves) == 0 && len(step.Waiting) == 0
	return step
}

// underway: a move is still waited for. A drain that an older topology began is
// not, since it may take long.
func (b *board) underway() bool {
	for _, h := range b.hosts {
		for _, s := range h.slots {
			if s.phase == starting || s.phase == draining && !s.taken() && b.current(s) {
				return true
			}
		}
	}
	return false
}

func (b *board) current(s *slot) bool { return s.assignment.GetRevision() == b.v.Revision }

// reseat gives services that stay where they are to the pool that wants them
// now. It touches no service, and makes the seat the node's own.
func (b *board) reseat() {
	for _, h := range b.hosts {
		for _, s := range h.slots {
			if s.wantedHere() && s.assignment != nil && s.serves() && s.assignment.GetPool() != s.pool && live(h.Node) {
				b.propose(s, v1.Action_ACTION_RESEAT, s.pool, fmt.Sprintf("stays as it is; its node is a member of pool %s now", s.pool))
			}
		}
	}
}

// undrain calls off drains of what is wanted again.
func (b *board) undrain() {
	for _, h := range b.hosts {
		for _, s := range h.slots {
			if !s.wantedHere() || s.assignment == nil || s.serves() || !live(h.Node) {
				continue
			}
			lost := b.ledger.lossesOf(h.Node, s.service, v1.Action_ACTION_UNDRAIN)
			if blocked, ok := b.ledger.allows(lost); !ok {
				b.block(s, v1.Action_ACTION_UNDRAIN, blocked)
				continue
			}
			b.enter(h.GetId(), []string{s.pool})
			b.propose(s, v1.Action_ACTION_UNDRAIN, s.pool, fmt.Sprintf("pool %s wants it here again", s.pool))
		}
	}
}

// start begins what is missing, node by node, all of a node's restart group
// together: that is one restart.
func (b *board) start() {
	for _, h := range b.hosts {
		if h.GetState() != v1.NodeState_NODE_STATE_UP || h.GetSettings().GetCordoned() {
			continue
		}
		for _, s := range h.slots {
			if s.taken() || s.phase != absent || !s.wantedHere() {
				continue
			}
			together := []*slot{s}
			s.mates(func(m *slot) {
				if !m.taken() && m.phase == absent && m.wantedHere() {
					together = append(together, m)
				}
			})
			b.startTogether(h, together)
		}
	}
}

func (b *board) startTogether(h *host, together []*slot) {
	first := together[0]
	lost := b.ledger.lossesOf(h.Node, first.service, v1.Action_ACTION_START)
	if b.endsSessions(first) {
		return
	}
	if len(lost) > 0 && !h.heard {
		b.unheard(h)
		return
	}
	if blocked, ok := b.ledger.allows(lost); !ok {
		b.block(first, v1.Action_ACTION_START, blocked)
		return
	}
	pools := poolsOf(h, lost)
	for _, s := range together {
		if !b.traffic(s.pool).unbound {
			pools = append(pools, s.pool)
		}
	}
	if full, ok := b.room(h.GetId(), pools, v1.Action_ACTION_START); !ok {
		b.queued[full] = true
		return
	}
	b.enter(h.GetId(), pools)
	for _, s := range together {
		reason := fmt.Sprintf("pool %s: %s", s.pool, b.seats[placedSeat{s.pool, h.GetId()}])
		b.propose(s, v1.Action_ACTION_START, s.pool, reason)
	}
}

// endsSessions: a restart of its group would cut a drain short that is still
// going on.
func (b *board) endsSessions(s *slot) bool {
	ends := false
	s.mates(func(m *slot) { ends = ends || m.phase == draining && !m.taken() })
	return ends
}

// stop removes what has drained. It asks for no room: the drain has done so for
// the restart as well.
func (b *board) stop() {
	for _, h := range b.hosts {
		for _, s := range h.slots {
			if s.taken() || s.phase != drained || s.wantedHere() {
				continue
			}
			if !h.heard {
				b.unheard(h)
				continue
			}
			if b.endsSessions(s) {
				continue
			}
			lost := b.ledger.lossesOf(h.Node, s.service, v1.Action_ACTION_STOP)
			if blocked, ok := b.ledger.allows(lost); !ok {
				b.block(s, v1.Action_ACTION_STOP, blocked)
				b.hold(s)
				continue
			}
			b.propose(s, v1.Action_ACTION_STOP, s.assignment.GetPool(), b.stopReason(s))
			b.leave(s)
		}
	}
}

func (b *board) stopReason(s *slot) string {
	switch report(s.host.Node, s.service).GetState() {
	case v1.ServiceState_SERVICE_STATE_DRAINED, v1.ServiceState_SERVICE_STATE_STOPPED:
		return "its drain has ended"
	case v1.ServiceState_SERVICE_STATE_SERVING, v1.ServiceState_SERVICE_STATE_DRAINING:
		return fmt.Sprintf("the bound of its drain, %s, has passed", s.assignment.GetDrain().AsDuration())
	}
	return "it is not serving, so there is nothing to drain"
}
