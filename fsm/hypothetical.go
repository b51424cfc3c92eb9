package fsm

import (
	"time"

	"roster/fsm/whatif"
	v1 "roster/proto/roster/v1"
)

// Hypothetical is a copy of the cluster as it is, to be asked what if. effective
// is the topology in force with every default filled in, perhaps with other
// times. Votes of members are the caller's to fill in.
func Hypothetical(s *State, effective *v1.Topology, now time.Time) *whatif.Cluster {
	return &whatif.Cluster{
		Topology: effective, Nodes: s.Nodes(), Floors: s.Floors(), Members: s.Members(), Now: now, Override: s.HoldOverride(),
		Restraints: Rollout(s, s.Effective(), nil, now, nil).Restraints, Revision: s.revision(),
		Prefer: preferred(&s.core, s.Effective()),
	}
}
