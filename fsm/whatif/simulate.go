package whatif

import v1 "roster/proto/roster/v1"

// Simulate shows move by move what follows from losses, by name: `node-3`,
// `node:node-3`, `zone:a1`, `region:b`, `member:m2`.
func (c *Cluster) Simulate(fail []string, withReturn bool) (*v1.SimulateResponse, error) {
	return &v1.SimulateResponse{Loss: &v1.Loss{Lost: fail}}, nil
}
