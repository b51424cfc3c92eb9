package rollout

import (
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// ledger counts what a wave takes away, all its moves together, from every floor:
// an instance counts for the floor over all nodes and for each part that its node
// lies in. It never counts what a wave brings: a start is ready when its probe has
// passed, not before.
type ledger struct {
	floors map[string]*storev1.FloorInForce
	parts  parts
	// Ready nodes before the wave, by FloorKey.
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
	l := &ledger{floors: floors, parts: partsOf(floors), before: ready, left: make(map[string]uint32, len(ready)), lost: map[instance]bool{}}
	for key, n := range ready {
		l.left[key] = n
	}
	return l
}

// floor is what no command may go below: min(floor in force, ready before).
func (l *ledger) floor(key string) uint32 {
	return min(l.floors[key].GetFloor(), l.before[key])
}

// short names a floor of a service that is not kept now and that a node would
// count for; empty: there is none.
func (l *ledger) short(n *v1.Node, service string) string {
	for _, key := range l.parts.keys(n, service) {
		if l.before[key] < l.floors[key].GetFloor() {
			return key
		}
	}
	return ""
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
// that the wave took before, and if not, which floor is in the way.
func (l *ledger) allows(n *v1.Node, lost []string) (blocked string, ok bool) {
	for _, service := range lost {
		for _, key := range l.parts.keys(n, service) {
			if l.left[key] < l.floor(key)+1 {
				return key, false
			}
		}
	}
	return "", true
}

// take takes them.
func (l *ledger) take(n *v1.Node, lost []string) {
	for _, service := range lost {
		l.lost[instance{n.GetId(), service}] = true
		l.discount(n, service)
	}
}

// discount counts on one instance less.
func (l *ledger) discount(n *v1.Node, service string) {
	for _, key := range l.parts.keys(n, service) {
		if l.left[key] > 0 {
			l.left[key]--
		}
	}
}

// lossesOf lists what a command takes on top of the wave so far.
func (l *ledger) lossesOf(n *v1.Node, service string, action v1.Action) []string {
	return l.fresh(n.GetId(), Losses(n, service, action))
}
