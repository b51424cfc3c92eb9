package fsm

import (
	"time"

	v1 "roster/proto/roster/v1"
)

// Proposed is what Roster would do by itself if policy let it, repair first: at
// most one plan for each cause.
func Proposed(s *State, now time.Time) []*v1.ProposedPlan { return nil }
