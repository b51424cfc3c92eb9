package topology

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "roster/proto/roster/v1"
)

// parts checks the further floors of a service, each over a part of the nodes.
func (f *findings) parts(s *v1.Service, at path) {
	if f.tooMany(len(s.GetFloors()), maxLabels, "floors of a service", at) {
		return
	}
	for i, floor := range s.GetFloors() {
		below := at.item(i)
		if floor.GetMin() < 1 || floor.GetMin() > maxNodes {
			f.add(ruleFloors, below.to("min"), fmt.Sprintf("a floor of %d is out of range", floor.GetMin()), fmt.Sprintf("write a min from 1 to %d, or take the floor away", maxNodes))
		}
		if floor.GetPer() == "" && len(floor.GetWhere()) == 0 {
			f.add(ruleFloors, below, "the floor says neither per nor where", "name a label with per, or nodes with where; a floor over all nodes is the service's own `floor`")
		}
		if floor.GetPer() != "" {
			if message, mend := labelKeyFault(floor.GetPer()); message != "" {
				f.add(ruleLabelKey, below.to("per"), message, mend)
			} else if floor.GetPer() == "id" {
				f.add(ruleFloors, below.to("per"), "a floor for each id would never let the service leave a node", "name a label that several nodes share, as zone")
			}
		}
		f.labels(floor.GetWhere(), below.to("where"))
		for _, before := range s.GetFloors()[:i] {
			if samePart(before, floor) {
				f.add(rulePartOnce, below, fmt.Sprintf("a floor for %s%s stands a second time", s.GetName(), inPart(floor)), "keep one of the two, the higher if both are meant")
				break
			}
		}
	}
}

// samePart: two floors are over the same nodes, in whatever order their values
// stand.
func samePart(a, b *v1.Floor) bool {
	return a.GetPer() == b.GetPer() && maps.EqualFunc(a.GetWhere(), b.GetWhere(), func(x, y *v1.LabelValues) bool {
		return slices.Equal(slices.Sorted(slices.Values(x.GetValues())), slices.Sorted(slices.Values(y.GetValues())))
	})
}

// inPart names the nodes that a floor is over, to go on a sentence.
func inPart(floor *v1.Floor) string {
	var words []string
	for _, key := range sortedKeys(floor.GetWhere()) {
		words = append(words, key+" "+strings.Join(floor.GetWhere()[key].GetValues(), " or "))
	}
	text := ""
	if len(words) > 0 {
		text = " in " + strings.Join(words, ", ")
	}
	if floor.GetPer() != "" {
		text += " in each " + floor.GetPer()
	}
	return text
}
