package whatif

import (
	"slices"

	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "roster/proto/roster/v1"
)

// mostTold bounds the fatal losses that an outlook names.
const mostTold = 5

// Outlook is what the cluster would survive as it is: losses of one node, one
// zone, one region, members. Where no node names a zone or region, nothing is known
// of them, and nothing is said to be survived. Promises about two nodes are not judged here.
func (c *Cluster) Outlook() *v1.Survival {
	s := c.survey()
	kinds := s.harmful(slices.Concat(s.single(), s.zones(), s.regions()))
	s.look(kinds, SurviveOptions{})
	o := &v1.Survival{
		AnyNode: len(s.nodes) > 0, AnyZone: len(zonesOf(s.nodes)) > 0, AnyRegion: len(regionsOf(s.nodes)) > 0, Members: uint32(max(0, c.electorate().bears())),
		Unkept: s.unkept(kinds, c.Topology.GetSurvives()), Time: timestamppb.New(c.Now),
	}
	for _, k := range kinds {
		if !k.harms() {
			continue
		}
		switch k.of {
		case v1.LossKind_LOSS_KIND_NODE:
			o.AnyNode = false
		case v1.LossKind_LOSS_KIND_ZONE:
			o.AnyZone = false
		case v1.LossKind_LOSS_KIND_REGION:
			o.AnyRegion = false
		}
		s.each(k, true, func(lost ...string) {
			if len(o.Fatal) < mostTold {
				o.Fatal = append(o.Fatal, "without "+s.title(k, lost)+", "+s.costs(k))
			}
		})
	}
	return o
}
