package whatif

import v1 "roster/proto/roster/v1"

// SurviveOptions says which losses are looked at, and who is told how far it is.
type SurviveOptions struct {
	// Also every two nodes.
	Pairs bool
	// Called after each loss that was looked at; nil: nobody is told.
	Progress func(done, all int)
}

// Survive looks at every loss of a node, two nodes, a zone, a region, members.
func (c *Cluster) Survive(o SurviveOptions) *v1.SurviveResponse { return &v1.SurviveResponse{} }

// Unkept lists promises of a topology's `survives` that it does not keep, as if
// it were settled on today's nodes.
func (c *Cluster) Unkept(top *v1.Topology) ([]string, error) { return nil, nil }
