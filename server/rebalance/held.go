package rebalance

import (
	"roster/fsm/rollout"
	v1 "roster/proto/roster/v1"
)

// heldMove is a move that is safe and not made, and why.
type heldMove struct {
	node, service, why string
	action             v1.Action
}

// tellHeld logs each move that is not made when it comes up, and no more while
// it stays so.
func (l *Loop) tellHeld(held []rollout.Held) {
	now := make(map[heldMove]bool, len(held))
	for _, h := range held {
		m := heldMove{h.Move.GetNode(), h.Move.GetService(), h.Why, h.Move.GetAction()}
		now[m] = true
		if !l.held[m] {
			l.cfg.Logger.Info("move is not made", "action", actionWord(m.action), "service", m.service, "node", m.node, "why", m.why)
		}
	}
	l.held = now
}
