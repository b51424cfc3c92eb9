package rollout

import (
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// ledger counts what a wave takes away, all its moves together. It never counts
// what a wave brings: a start is ready when its probe has passed, not before.
type ledger struct {
	floors map[string]*storev1.FloorInForce
	// Ready nodes by service before the wave.
	before map[string]uint32
	// Those that are counted on and not taken yet.
	left map[string]uint32
	lost map[instance]bool
}

// instance is one service on one node.
type instance struct{ node, service string }

// newLedger counts on every node that is ready. A leader that did not hear a
// node lately counts on less: see board.
func newLedger(ready map[string]uint32, floors map[string]*storev1.FloorInForce) *ledger {
	l := &ledger{floors: floors, before: ready, left: make(map[string]uint32, len(ready)), lost: map[instance]bool{}}
	for service, n := range ready {
		l.left[service] = n
	}
	return l
}

// floor is what no command may go below: min(floor in force, ready before).
func (l *ledger) floor(service string) uint32 {
	return min(l.floors[service].GetFloor(), l.before[service])
}

// fresh leaves out what the wave has taken already.
func (l *ledger) fresh(node string, lost []string) []string {
	var out []string
	for _, service := range lost {
		if !l.lost[instance{node, service}] {
			out = append(out, service)
		}
	}
	return out
}

// allows says whether services of one node may be taken on top of everything
// that the wave took before, and if not, which one is at its floor.
func (l *ledger) allows(lost []string) (blocked string, ok bool) {
	for _, service := range lost {
		if l.left[service] < l.floor(service)+1 {
			return service, false
		}
	}
	return "", true
}

// take takes them.
func (l *ledger) take(node string, lost []string) {
	for _, service := range lost {
		l.lost[instance{node, service}] = true
		if l.left[service] > 0 {
			l.left[service]--
		}
	}
}

// lossesOf lists what a command takes on top of the wave so far.
func (l *ledger) lossesOf(n *v1.Node, service string, action v1.Action) []string {
	return l.fresh(n.GetId(), Losses(n, service, action))
}
