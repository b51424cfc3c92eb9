package rollout

import (
	"maps"
	"slices"
	"testing"
)

func TestEveryPairOfExamplesIsGaplessAndEndsAtItsTarget(t *testing.T) {
	top := examples()
	names := slices.Sorted(maps.Keys(top))
	for _, restart := range []bool{false, true} {
		for _, first := range names {
			for _, second := range names {
				name := first + " to " + second
				if restart {
					name += " in one restart group"
				}
				t.Run(name, func(t *testing.T) {
					nodes := tenNodes()
					if restart {
						grouped(nodes)
					}
					before, floors := settled(t, top[first], nodes)
					c := newCluster(t, top[second], before, floors)
					plan := Plan(c.view())
					view := c.view()
					c.mustBeDone(c.run())
					c.mustBeAsPlanned(plan, view, c.waves)
					if first == second && len(plan.Waves) > 0 {
						t.Errorf("nothing changes, but %d waves", len(plan.Waves))
					}
					for service, n := range plan.LowestReady {
						if n == 0 {
							t.Errorf("%s has none ready on the way", service)
						}
					}
					t.Logf("%d waves, %d starts, %d stops, lowest %v", len(plan.Waves), plan.Summary.Starts, plan.Summary.Stops, plan.LowestReady)
				})
			}
		}
	}
}
