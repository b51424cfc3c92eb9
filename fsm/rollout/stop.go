package rollout

import (
	"fmt"

	v1 "roster/proto/roster/v1"
)

// stop removes what has drained, and what never became ready and was given to
// another node. It asks for no room: the drain has done so for the restart as
// well, and what is stuck counts for none.
func (b *board) stop() {
	for _, h := range b.hosts {
		for _, s := range h.slots {
			if s.taken() || s.wantedHere() || b.waits(s) || s.phase != drained && !s.hopeless() {
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
			if blocked, ok := b.ledger.allows(h.Node, lost); !ok {
				b.block(s, v1.Action_ACTION_STOP, blocked)
				b.stuckAt(s)
				b.hold(s)
				continue
			}
			if m := b.move(s, v1.Action_ACTION_STOP, b.stopReason(s)); b.permitted(s, m) {
				b.propose(s, m)
			}
			// One that is held is nothing that others would have to wait for.
			b.leave(s)
		}
	}
}

// hopeless: it is no longer waited for, and its stop restarts nothing. Where it
// would, it is drained first like everything else.
func (s *slot) hopeless() bool {
	return s.phase == stuck && len(Losses(s.host.Node, s.service, v1.Action_ACTION_STOP)) == 0
}

func (b *board) stopReason(s *slot) string {
	if s.phase == stuck {
		return fmt.Sprintf("it is not ready here%s, and is wanted elsewhere or nowhere", b.detail(s))
	}
	switch report(s.host.Node, s.service).GetState() {
	case v1.ServiceState_SERVICE_STATE_DRAINED, v1.ServiceState_SERVICE_STATE_STOPPED:
		return "its drain has ended"
	case v1.ServiceState_SERVICE_STATE_SERVING, v1.ServiceState_SERVICE_STATE_DRAINING:
		return fmt.Sprintf("the bound of its drain, %s, has passed", s.drainTime())
	}
	return "it is not serving, so there is nothing to drain"
}
