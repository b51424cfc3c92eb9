package rollout

import (
	"fmt"

	v1 "roster/proto/roster/v1"
)

// drain ends what the target does not want, where enough stays ready without
// it. Careful, it also keeps one more than the floor of every service whose
// members are still to be restarted: the last spare node of a service is what
// lets the others restart one by one. Careless, it ends one at most.
func (b *board) drain(careful bool) {
	for _, h := range b.hosts {
		for _, s := range h.slots {
			if s.taken() || s.wantedHere() || b.waits(s) || s.assignment == nil || !s.serves() || s.phase == dark {
				continue
			}
			if !careful && len(b.moves) > 0 {
				return
			}
			b.drainOne(h, s, careful)
		}
	}
}

func (b *board) drainOne(h *host, s *slot, careful bool) {
	if !h.heard {
		b.unheard(h)
		return
	}
	if b.restartedNow(s) || s.held {
		return
	}
	if s.phase == ready {
		if why := b.unsettled(s); why != "" {
			b.note(why)
			b.settles, s.held = true, true
			return
		}
	}
	ahead, ready := b.outlookOf(s.service), b.ledger.left[s.service]
	lost := b.ledger.lossesOf(h.Node, s.service, v1.Action_ACTION_DRAIN)
	if len(lost) > 0 { // else it serves nobody, and may end at once
		if blocked, ok := b.ledger.allows(h.Node, lost); !ok {
			b.block(s, v1.Action_ACTION_DRAIN, blocked)
			return
		}
		if ready < min(ahead.goal, b.ledger.before[s.service])+1 {
			return // its successors come first; they are waited for already
		}
		if careful && !b.spares(s, ahead) {
			return
		}
	}
	pools := b.tiedPools(s)
	if full, ok := b.room(h.GetId(), pools, v1.Action_ACTION_DRAIN); !ok {
		b.queued[full] = true
		return
	}
	if m := b.move(s, v1.Action_ACTION_DRAIN, b.drainReason(s, ahead.goal)); b.permitted(s, m) {
		b.enter(h.GetId(), pools)
		b.propose(s, m)
	}
}

func (b *board) drainReason(s *slot, goal uint32) string {
	if goal == 0 && len(b.members[s.service]) == 0 {
		return fmt.Sprintf("no pool serves %s any longer", s.service)
	}
	switch {
	case s.host.GetSettings().GetDrain() != nil:
		return fmt.Sprintf("the operator drains %s: %d wanted elsewhere, %d ready", s.host.GetId(), len(b.members[s.service]), b.ledger.before[s.service])
	case s.assignment.GetBorrowed() && s.assignment.GetPool() == "":
		return fmt.Sprintf("%s is served elsewhere: %d wanted, %d ready", s.service, len(b.members[s.service]), b.ledger.before[s.service])
	case s.assignment.GetBorrowed():
		return fmt.Sprintf("pool %s is whole again: %d wanted, %d ready", s.assignment.GetPool(), len(b.members[s.service]), b.ledger.before[s.service])
	}
	return fmt.Sprintf("%s has its seat elsewhere: %d wanted, %d ready", s.service, len(b.members[s.service]), b.ledger.before[s.service])
}

// outlook is what does not change while a wave grows.
type outlook struct {
	goal uint32
	// Floors, by key, of which a member has still to restart.
	restarts map[string]bool
}

// spares: one ready node more than each floor stays without it, where members
// have still to restart.
func (b *board) spares(s *slot, ahead outlook) bool {
	for _, key := range b.ledger.parts.keys(s.host.Node, s.service) {
		if ahead.restarts[key] && b.ledger.left[key] < b.ledger.floors[key].GetFloor()+2 {
			return false
		}
	}
	return true
}

func (b *board) outlookOf(service string) outlook {
	o, known := b.outlooks[service]
	if !known {
		o = outlook{b.goal(service), b.restartsAhead(service)}
		b.outlooks[service] = o
	}
	return o
}

// goal counts the nodes that the target wants for a service and that are ready,
// or may be expected to become so. Until as many are ready, nothing else that
// serves it is drained. A start that timed out and a node that is down are not
// waited for; floors alone are kept then.
func (b *board) goal(service string) uint32 {
	n := uint32(0)
	for _, s := range b.members[service] {
		switch s.phase {
		case ready, starting, draining, drained:
			n++
		case absent:
			if s.host.GetState() == v1.NodeState_NODE_STATE_UP && !s.host.closed() && s.host.acts() {
				n++
			}
		}
	}
	return n
}

// restartsAhead: nodes that are to keep a service have still to restart it,
// because others of its restart group begin or end there. They are told by the
// floors that they count for.
func (b *board) restartsAhead(service string) map[string]bool {
	var floors map[string]bool
	for _, s := range b.members[service] {
		ahead := false
		if s.phase != dark && s.phase != stuck {
			s.mates(func(m *slot) {
				ahead = ahead || m.wantedHere() && m.phase == absent || !m.wantedHere() && m.assignment != nil
			})
		}
		if !ahead {
			continue
		}
		if floors == nil {
			floors = map[string]bool{}
		}
		for _, key := range b.ledger.parts.keys(s.host.Node, service) {
			floors[key] = true
		}
	}
	return floors
}

// restartedNow: the wave restarts its group, which would cut its drain short.
func (b *board) restartedNow(s *slot) bool {
	now := false
	s.mates(func(m *slot) { now = now || m.taken() && len(Restarts(s.host.Node, m.service, m.action)) > 0 })
	return now
}
