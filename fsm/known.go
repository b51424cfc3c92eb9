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
	normal, err := normalClaims(claims)
	return err == nil && proto.Equal(n.GetClaims(), normal)
}
