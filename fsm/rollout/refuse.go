package rollout

import (
	"fmt"

	"roster/fsm/placement"
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
	return RefuseCounted(ReadyCounts(nodes, floors), func(id string) *v1.Node { return byID[id] }, floors, moves)
}

// RefuseCounted is Refuse for a caller that keeps the ready counts, those of parts
// included, and would not walk over every node.
func RefuseCounted(ready map[string]uint32, node func(id string) *v1.Node, floors map[string]*storev1.FloorInForce, moves []*v1.Move) []Refusal {
	l := newLedger(ready, floors)
	var refused []Refusal
	for _, m := range moves {
		n := node(m.GetNode())
		if n == nil {
			continue
		}
		lost := l.lossesOf(n, m.GetService(), m.GetAction())
		if blocked, ok := l.allows(n, lost); !ok {
			refused = append(refused, Refusal{m.GetNode(), m.GetService(), l.explain(m, blocked)})
			continue
		}
		l.take(n, lost)
	}
	return refused
}

// explain says why a move is blocked by a floor.
func (l *ledger) explain(m *v1.Move, key string) string {
	floor := l.tell(key, l.left[key])
	blocked := key
	if f := l.floors[key]; f != nil {
		blocked = f.GetService()
	}
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

// tell says what is ready for a floor in force.
func (l *ledger) tell(key string, ready uint32) string {
	f := l.floors[key]
	if part := placement.PartName(f.GetWhere()); part != "" {
		return fmt.Sprintf("%s has %d ready in %s and a floor in force of %d there", f.GetService(), ready, part, f.GetFloor())
	}
	return fmt.Sprintf("%s has %d ready and a floor in force of %d", key, ready, f.GetFloor())
}
