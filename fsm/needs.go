package fsm

import (
	"bytes"
	"fmt"
	"slices"

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
	if len(shortages(effective, target, nodes)) > 0 {
		needs = append(needs, NeedAcceptShortage)
	}
	if stops(s.Effective(), effective, target, nodes) != "" {
		needs = append(needs, NeedAllowStop)
	}
	return needs
}

// shortages are what today's nodes cannot fill of a topology, and the nodes that
// it names and nobody registered. Before the first node registers, everything is
// short, and no mistake.
func shortages(effective *v1.Topology, target *placement.Target, nodes []*v1.Node) []*v1.Shortage {
	if len(nodes) == 0 {
		return nil
	}
	return slices.Concat(target.Shortages, placement.Unknown(effective, nodes))
}

func amount(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
