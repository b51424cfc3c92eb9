package rollout

import (
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// Refuse lists the moves that would take a service below min(floor in force,
// ready before), when they are done in order and the refused ones left out.
func Refuse(nodes []*v1.Node, floors map[string]*storev1.FloorInForce, moves []*v1.Move) []Refusal {
	return nil
}
