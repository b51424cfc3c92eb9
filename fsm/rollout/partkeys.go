package rollout

import (
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// PartKeys knows which floors over parts of the nodes an instance counts for:
// for a caller that keeps the ready counts by difference. The zero value knows of
// none.
type PartKeys struct{ parts parts }

// PartKeysOf is made once from floors in force; it is good until another part is
// asked for, or one no longer.
func PartKeysOf(floors map[string]*storev1.FloorInForce) PartKeys {
	return PartKeys{parts: partsOf(floors)}
}

// Of lists the FloorKeys of the parts that a service of a node counts for,
// sorted; nil: it counts for none.
func (p PartKeys) Of(n *v1.Node, service string) []string { return p.parts.of(n, service) }

// None says that no floor is over a part.
func (p PartKeys) None() bool { return len(p.parts) == 0 }
