package rollout

import (
	"time"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// GuardView is what the guard judges from.
type GuardView struct {
	// All registered nodes; those that observe count as well.
	Nodes []*v1.Node
	// Silent says whether a node has been silent for two heartbeats. A session
	// that merely broke is none.
	Silent func(node string) bool
	// Down says whether a node is down, or is marked down in this pass: no hold
	// begins before one is. nil: one that is silent will do.
	Down func(node string) bool
	// In force; nil: none.
	Hold *v1.Hold
	// The operator's word; nil: none.
	Override *v1.HoldOverride
	// Effective; nil: the defaults.
	Policy *v1.Policy
	// The leader's time.
	Now time.Time
}

// Guard says what becomes of the hold; nil: it stays as it is. It is asked in
// the pass that marks nodes down, and both are written at once.
func Guard(v GuardView) *storev1.HoldChange {
	return nil
}
