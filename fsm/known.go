package fsm

import (
	"google.golang.org/protobuf/proto"

	v1 "roster/proto/roster/v1"
)

// Knows says that registering a node again with the same words would change
// nothing about it but that it is up.
func (s *State) Knows(id, instance, version string, claims *v1.NodeClaims) bool {
	n := s.Node(id)
	if n == nil || n.GetInstance() != instance || n.GetAgentVersion() != clip(version) {
		return false
	}
	normal, err := normalClaims(claims, s.cluster.GetSchema())
	return err == nil && proto.Equal(n.GetClaims(), normal)
}

// Reported says that the agent's reports are what the record of its node has:
// reporting them would change nothing but counts and times. Compare with the
// record, not with what was sent last: Apply itself takes readiness away, and an
// agent has to say again that it serves.
func Reported(n *v1.Node, generation uint64, reports []*v1.ServiceReport) bool {
	if n.GetReportedGeneration() != generation || len(n.GetReports()) != len(reports) {
		return false
	}
	known := make(map[string]*v1.ServiceReport, len(reports))
	for _, r := range n.GetReports() {
		known[r.GetService()] = r
	}
	for _, r := range reports {
		k := known[r.GetService()]
		if k == nil || k.GetState() != r.GetState() || k.GetPid() != r.GetPid() || k.GetDetail() != clip(r.GetDetail()) {
			return false
		}
	}
	return true
}
