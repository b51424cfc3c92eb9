package whatif

import (
	"roster/fsm/placement"
	v1 "roster/proto/roster/v1"
)

// Explain says why a service is on a node, or why it is not; see
// placement.Explain.
func (c *Cluster) Explain(service, node string) (*v1.ExplainResponse, error) {
	return placement.Explain(c.placement(c.Topology), service, node)
}
