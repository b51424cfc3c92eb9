package rollout

import (
	"fmt"
	"time"

	"roster/fsm/placement"
	v1 "roster/proto/roster/v1"
)

// Settled reports whether a node that came back has been up for long enough to
// be relied on; see placement.Settled. Until then what stands in for it stays,
// and so does what it serves beyond its seat.
func Settled(n *v1.Node, policy *v1.Policy, now time.Time) bool {
	return placement.Settled(n, policy, now)
}

// unsettled says what something that the target no longer wants stays for: its
// node, or a member of its pool, came back too lately to be counted on for good.
// Else it would go back and forth with a node that flaps. nil: nothing.
func (b *board) unsettled(s *slot) *host {
	if s.host.GetSettings().GetDrain() != nil || !s.assignment.GetBorrowed() && b.v.Restraints.Open {
		return nil
	}
	if b.cameBack(s.host) {
		return s.host
	}
	return b.returnedTo(s.assignment.GetPool(), s.service)
}

// returnedTo is a member of a pool that came back too lately to be relied on for
// a service.
func (b *board) returnedTo(pool, service string) *host {
	key := seatOf{pool, service}
	h, known := b.returned[key]
	if known {
		return h
	}
	for _, m := range b.members[service] {
		if m.seatedIn(pool) && b.cameBack(m.host) {
			h = m.host
			break
		}
	}
	b.returned[key] = h
	return h
}

// cameBack: it was down, and may be so again soon.
func (b *board) cameBack(h *host) bool {
	return live(h.Node) && !Settled(h.Node, b.v.Topology.GetPolicy(), b.v.Now)
}

func (b *board) staysFor(s *slot, h *host) string {
	sentence := fmt.Sprintf("%s stays on %s until %s has been back for long enough: it came back at %s",
		s.service, s.host.GetId(), h.GetId(), h.GetReturnedAt().AsTime().Format(time.TimeOnly))
	if n := h.GetFlaps(); n > 1 {
		sentence += fmt.Sprintf(", %d times lately", n)
	}
	return sentence
}
