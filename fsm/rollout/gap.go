package rollout

import (
	"cmp"
	"slices"

	v1 "roster/proto/roster/v1"
)

// stuckAt notes what begins or ends in one restart of one node, and is kept back
// by a floor. What is drained is never noted: a service is taken from nowhere
// before enough of it is ready elsewhere, so what breaks a floor is a restart.
func (b *board) stuckAt(together ...*slot) {
	b.stuck = append(b.stuck, slices.Clone(together))
}

// gap proposes the least harmful of the steps that a floor alone keeps back, of
// one node, and says which floor; empty: there is none, or something is on its
// way, or will come free by itself, after which a better one may be possible. It
// is never a repair, and touches no floor that is broken already.
func (b *board) gap() string {
	if b.settles || len(b.allowed.passing) > 0 || b.allowed.tries || !b.quiet() {
		return ""
	}
	steps := b.stuck
	slices.SortStableFunc(steps, func(x, y []*slot) int { return b.harm(x).compare(b.harm(y)) })
	for _, together := range steps {
		if why := b.breakFor(together); why != "" {
			return why
		}
	}
	return ""
}

// quiet: no node is waited for.
func (b *board) quiet() bool {
	for _, h := range b.hosts {
		if live(h.Node) && !h.heard {
			return false
		}
		for _, s := range h.slots {
			if s.phase == starting || s.phase == draining {
				return false
			}
		}
	}
	return true
}

// harm is what a step costs, worst first.
type harm struct {
	gone    int // services of which none is left
	broken  int // floors
	missing int // ready nodes under them
	lost    int // instances
}

func (h harm) compare(other harm) int {
	return cmp.Or(cmp.Compare(h.gone, other.gone), cmp.Compare(h.broken, other.broken),
		cmp.Compare(h.missing, other.missing), cmp.Compare(h.lost, other.lost))
}

func (b *board) harm(together []*slot) harm {
	var sum harm
	n, l := together[0].host.Node, b.ledger
	for _, service := range b.gapLosses(together) {
		sum.lost++
		for _, key := range l.parts.keys(n, service) {
			left := l.left[key] - min(1, l.left[key])
			if key == service && left == 0 {
				sum.gone++
			}
			if floor := l.floor(key); left < floor {
				sum.broken++
				sum.missing += int(floor - left)
			}
		}
	}
	return sum
}

// gapLosses lists what a step takes: each of it restarts the same group.
func (b *board) gapLosses(together []*slot) []string {
	s := together[0]
	return b.ledger.lossesOf(s.host.Node, s.service, s.ahead())
}

// ahead is what has to be done next with a slot that a floor keeps back.
func (s *slot) ahead() v1.Action {
	switch {
	case s.phase == absent:
		return v1.Action_ACTION_START
	case s.wantedHere():
		return v1.Action_ACTION_UNDRAIN
	}
	return v1.Action_ACTION_STOP
}

// breakFor proposes one step, if it may be made, and says which floor it breaks.
func (b *board) breakFor(together []*slot) string {
	first, lost := together[0], b.gapLosses(together)
	n := first.host.Node
	for _, service := range lost {
		if b.ledger.short(n, service) != "" {
			return ""
		}
	}
	blocked, ok := b.ledger.allows(n, lost)
	if ok || first.taken() {
		return ""
	}
	why := b.ledger.explain(&v1.Move{Service: first.service, Node: n.GetId(), Action: first.ahead()}, blocked)
	for _, s := range together {
		b.breakOne(s, why)
	}
	if len(b.moves) == 0 {
		return ""
	}
	// What else this restart can do there costs nothing more.
	for _, others := range b.stuck {
		if others[0].host == first.host && others[0].group == first.group && len(b.gapLosses(others)) == 0 {
			for _, s := range others {
				b.breakOne(s, why)
			}
		}
	}
	return why
}

func (b *board) breakOne(s *slot, why string) {
	if s.taken() {
		return
	}
	reason := "pool " + s.pool + " wants it here again"
	switch s.ahead() {
	case v1.Action_ACTION_START:
		reason = b.startReason(s)
	case v1.Action_ACTION_STOP:
		reason = b.stopReason(s)
	}
	m := b.move(s, s.ahead(), reason+"; nothing keeps the floor: "+why)
	if m.GetCause() != v1.Cause_CAUSE_REPAIR && b.permitted(s, m) {
		b.propose(s, m)
	}
}
