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
// Else it would go back and forth with what flaps. Empty: it may go.
func (b *board) unsettled(s *slot) string {
	borrowed := s.assignment.GetBorrowed()
	if s.host.GetSettings().GetDrain() != nil || !borrowed && b.v.Restraints.Open {
		return ""
	}
	stays := fmt.Sprintf("%s stays on %s until ", s.service, s.host.GetId())
	if b.cameBack(s.host) {
		return stays + backFor(s.host)
	}
	switch m := b.unproven(s.assignment.GetPool(), s.service); {
	case m == nil:
	case b.cameBack(m.host):
		return stays + backFor(m.host)
	case borrowed:
		return fmt.Sprintf("%sit has been ready on %s for %s", stays, m.host.GetId(), b.returnAfter())
	}
	return ""
}

// unproven is a member of a pool that has not been back, or has not been ready
// for a service, for long enough; nil: there is none.
func (b *board) unproven(pool, service string) *slot {
	key := seatOf{pool, service}
	found, known := b.unproved[key]
	if known {
		return found
	}
	for _, m := range b.members[service] {
		if m.seatedIn(pool) && (b.cameBack(m.host) || found == nil && b.readyLately(m)) {
			if found = m; b.cameBack(m.host) {
				break
			}
		}
	}
	b.unproved[key] = found
	return found
}

// cameBack: it was down, and may be so again soon.
func (b *board) cameBack(h *host) bool {
	return live(h.Node) && !Settled(h.Node, b.v.Topology.GetPolicy(), b.v.Now)
}

// readyLately: it became ready, and may fail again soon. An agent's clock that is
// ahead is not believed.
func (b *board) readyLately(s *slot) bool {
	since := report(s.host.Node, s.service).GetSince().AsTime()
	return s.phase == ready && !since.After(b.v.Now) && b.v.Now.Before(since.Add(b.returnAfter()))
}

func (b *board) returnAfter() time.Duration {
	return b.v.Topology.GetPolicy().GetReturnAfter().AsDuration()
}

func backFor(h *host) string {
	sentence := fmt.Sprintf("%s has been back for long enough: it came back at %s", h.GetId(), h.GetReturnedAt().AsTime().Format(time.TimeOnly))
	if n := h.GetFlaps(); n > 1 {
		sentence += fmt.Sprintf(", %d times lately", n)
	}
	return sentence
}
