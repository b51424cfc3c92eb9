package fsm

import (
	"time"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// Freezes returns every freeze that was not ended, sorted by id; one whose time
// has passed does not count, and is here until the leader's loop ends it.
func (s *State) Freezes() []*v1.Freeze { return all[v1.Freeze](s.db.Txn(false), tableFreezes) }

// FreezesAndWatch returns them, and a channel that is closed when they are not
// what they were in this state. It may be closed without that: look again.
func (s *State) FreezesAndWatch() ([]*v1.Freeze, <-chan struct{}) {
	it := must(s.db.Txn(false).Get(tableFreezes, byID))
	return s.Freezes(), it.WatchCh()
}

// HandsOff returns the freeze that keeps Roster off one node, or nil.
func (s *State) HandsOff(node string, now time.Time) *v1.Freeze {
	for _, f := range s.Freezes() {
		if f.GetScope() == scopeNode+node && f.GetExpires().AsTime().After(now) {
			return f
		}
	}
	return nil
}

// Hold is Roster's doubt of itself, nil where there is none.
func (s *State) Hold() *v1.Hold { return s.hold }

// HoldOverride is the operator's last word on holds, nil where there is none. It
// counts until it expires.
func (s *State) HoldOverride() *v1.HoldOverride { return s.override }

// Approvals are the operator's words on proposed plans, at most one for each
// cause. The slice is shared: do not change it.
func (s *State) Approvals() []*v1.Approval { return s.approvals }

// RolloutOrder is the operator's last order that moves services, nil where there
// was none.
func (s *State) RolloutOrder() *storev1.RolloutOrder { return s.order }
