package rollout

import (
	"fmt"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// Refuse lists the moves that would take a service below min(floor in force,
// ready before), when all are done together and the refused ones are left out.
// It is the rule of Apply, whoever asks. A move that names an unknown node takes
// nothing, and is not refused here.
func Refuse(nodes []*v1.Node, floors map[string]*storev1.FloorInForce, moves []*v1.Move) []Refusal {
	byID := make(map[string]*v1.Node, len(nodes))
	for _, n := range nodes {
		byID[n.GetId()] = n
	}
	return RefuseCounted(ReadyCounts(nodes), func(id string) *v1.Node { return byID[id] }, floors, moves)
}

// RefuseCounted is Refuse for a caller that keeps the ready counts, and would
// not walk over every node.
func RefuseCounted(ready map[string]uint32, node func(id string) *v1.Node, floors map[string]*storev1.FloorInForce, moves []*v1.Move) []Refusal {
	l := newLedger(ready, floors)
	var refused []Refusal
	for _, m := range moves {
		n := node(m.GetNode())
		if n == nil {
			continue
		}
		lost := l.lossesOf(n, m.GetService(), m.GetAction())
		if blocked, ok := l.allows(lost); !ok {
			refused = append(refused, Refusal{m.GetNode(), m.GetService(), l.explain(m, blocked)})
			continue
		}
		l.take(m.GetNode(), lost)
	}
	return refused
}

// explain says why a move is blocked by the floor of a service.
func (l *ledger) explain(m *v1.Move, blocked string) string {
	floor := fmt.Sprintf("%s has %d ready and a floor in force of %d", blocked, l.left[blocked], l.floors[blocked].GetFloor())
	switch {
	case blocked == m.GetService() && m.GetAction() == v1.Action_ACTION_DRAIN:
		return fmt.Sprintf("draining %s on %s: %s", m.GetService(), m.GetNode(), floor)
	case blocked == m.GetService():
		return fmt.Sprintf("stopping %s on %s: %s", m.GetService(), m.GetNode(), floor)
	case m.GetAction() == v1.Action_ACTION_STOP:
		return fmt.Sprintf("stopping %s on %s restarts %s there: %s", m.GetService(), m.GetNode(), blocked, floor)
	}
	return fmt.Sprintf("starting %s on %s restarts %s there: %s", m.GetService(), m.GetNode(), blocked, floor)
}
