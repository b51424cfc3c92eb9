package fsm

import (
	"bytes"
	"fmt"

	"google.golang.org/protobuf/proto"

	"roster/fsm/placement"
	v1 "roster/proto/roster/v1"
)

// What an operator has to say for a topology to be admitted, in the words of
// the request's fields.
const (
	NeedAllowStop      = "allow_stop"
	NeedAcceptShortage = "accept_shortage"
)

// Needs is what an apply of the topology has to say to be admitted now: the
// rule that Apply itself uses, for plans. effective and target belong to wanted.
func Needs(s *State, wanted *v1.Topology, source []byte, effective *v1.Topology, target *placement.Target) []string {
	if force := s.Topology(); proto.Equal(force.GetTopology(), wanted) && bytes.Equal(force.GetSource(), source) {
		return nil // nothing is applied
	}
	nodes := s.Nodes()
	var needs []string
	if short(target, nodes) {
		needs = append(needs, NeedAcceptShortage)
	}
	if stops(s.Effective(), effective, target, nodes) != "" {
		needs = append(needs, NeedAllowStop)
	}
	return needs
}

// short says whether today's nodes cannot fill a topology. Before the first
// node registers, everything is short, and no mistake.
func short(target *placement.Target, nodes []*v1.Node) bool {
	return len(nodes) > 0 && len(target.Shortages) > 0
}

func amount(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
