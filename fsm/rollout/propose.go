package rollout

import v1 "roster/proto/roster/v1"

// Propose is what Roster would do of one cause if policy let it: the moves of
// Plan, as far as nothing but policy keeps them from being made. nil: nothing,
// or policy lets it be done by itself.
func Propose(v View, cause v1.Cause) *v1.ProposedPlan { return nil }
