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
	for _, m := range b.members[s.service] {
		if m.seatedIn(s.assignment.GetPool()) && b.cameBack(m.host) {
			return m.host
		}
	}
	return nil
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
