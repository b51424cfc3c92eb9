package rollout

import (
	"maps"
	"reflect"
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
					if !plan.Gapless {
						t.Errorf("the plan is not gapless")
					}
					target := place(t, c.top, c.nodes)
					step := c.run()
					c.mustBeDone(step)
					if len(c.waves) != len(plan.Waves) {
						t.Errorf("%d waves were announced, %d came", len(plan.Waves), len(c.waves))
					}
					for i := range min(len(c.waves), len(plan.Waves)) {
						if got, want := write(c.waves[i]), write(plan.Waves[i].Moves); got != want {
							t.Errorf("wave %d is %s, announced was %s", i, got, want)
						}
					}
					if !reflect.DeepEqual(place(t, c.top, c.nodes).Wanted(c.top), target.Wanted(c.top)) {
						t.Errorf("the target changed on the way")
					}
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
