package rollout

import (
	"testing"

	v1 "roster/proto/roster/v1"
)

func TestAPerFloorWithinAWhereIsOverTheValuesThere(t *testing.T) {
	floor := &v1.Floor{Min: 1, Per: "zone", Where: map[string]*v1.LabelValues{"region": {Values: []string{"b", "a"}}, "zone": {Values: []string{"a1", "a2"}}}}
	where := func(zone string, regions ...string) map[string]*v1.LabelValues {
		return map[string]*v1.LabelValues{"zone": {Values: []string{zone}}, "region": {Values: regions}}
	}
	if !partOf(floor, where("a1", "a", "b")) || partOf(floor, where("a3", "a", "b")) || partOf(floor, where("a1", "a")) || partOf(floor, map[string]*v1.LabelValues{"zone": {Values: []string{"a1"}}}) {
		t.Error("a part is taken for another")
	}
}
