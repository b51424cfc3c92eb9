package rollout

import (
	"maps"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"pgregory.net/rapid"

	v1 "roster/proto/roster/v1"
)

// Of each pool no more nodes than the policy says are moved before the canary has
// passed, and nothing else; then all of it is done, as it was announced.
func TestACanaryMovesNoMoreNodesOfAPoolThanThePolicySaysBeforeItHasPassed(t *testing.T) {
	tried := 0
	rapid.Check(t, func(t *rapid.T) {
		c := start(t, rapid.SampledFrom([]groups{noGroup, someGroup}).Draw(t, "groups"))
		top := anyFloors(t, c, anyTopology(t))
		most := rapid.IntRange(1, 2).Draw(t, "canary")
		top.Policy.Rollout = &v1.RolloutPolicy{Canary: uint32(most), Bake: durationpb.New(time.Minute)}
		c.adopt(top)
		c.restraints = Restraints{Open: true, AcceptGap: true, Canary: &v1.Canary{}}
		c.pin = c.place()
		plan, view, before := Plan(c.view()), c.view(), len(c.waves)
		moved, nodes := map[string]map[string]bool{}, map[string]bool{}
		for range 1000 {
			step := c.step()
			for _, m := range step.Moves {
				leaves := m.Action == v1.Action_ACTION_DRAIN || m.Action == v1.Action_ACTION_STOP
				if leaves && !nodes[m.Node] && len(nodes) >= most {
					t.Fatalf("%s, after %v\n%s", write([]*v1.Move{m}), nodes, c.story())
				}
				nodes[m.Node] = true
				if leaves {
					continue
				}
				if moved[m.Pool] == nil {
					moved[m.Pool] = map[string]bool{}
				}
				if moved[m.Pool][m.Node] = true; len(moved[m.Pool]) > most {
					t.Fatalf("%v were moved for %s before its canary has passed\n%s", moved[m.Pool], m.Pool, c.story())
				}
			}
			settled := c.settle(func() bool { return true })
			verdict := JudgeCanary(c.view())
			switch {
			case verdict == nil:
			case verdict.Failure != "":
				t.Fatalf("it failed: %s", verdict.Failure)
			case verdict.Passed && c.restraints.Canary.WellSince == nil && len(nodes) > 0:
				t.Fatalf("it has passed, and was never well")
			case verdict.Passed && len(step.Moves) > 0:
				t.Fatalf("it has passed, and %s", write(step.Moves))
			default:
				c.restraints.Canary = &v1.Canary{Nodes: c.restraints.Canary.Nodes, WellSince: verdict.WellSince}
				c.now = c.now.Add(time.Minute)
			}
			if verdict.GetPassed() {
				break
			}
			if len(step.Moves) == 0 && !settled && verdict == nil {
				t.Fatalf("neither well nor failed: %v\n%s", step.Waiting, c.story())
			}
		}
		if len(nodes) > 0 {
			tried++
		}
		c.restraints.Canary = nil
		step := c.run()
		c.mustBeAsPlanned(plan, view, c.waves[before:])
		c.mustEnd(step)
	})
	if tried == 0 {
		t.Errorf("nothing was ever tried")
	}
}

// From any point of a rollout, an abort leads back to the seats that it began
// with.
func TestAnAbortLeadsBackToTheSeatsOfTheStartFromAnywhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := start(t, rapid.SampledFrom([]groups{noGroup, someGroup, oneGroup}).Draw(t, "groups"))
		c.restraints = Restraints{Open: true, AcceptGap: true}
		c.mustBeDone(c.run())
		if len(c.place().Shortages) > 0 {
			return // which pool is short may depend on who has what
		}
		first, seats, sets := c.top, c.place().Seats, c.sets()
		for range rapid.IntRange(1, 2).Draw(t, "changes") {
			c.adopt(anyFloors(t, c, anyTopology(t)))
			for range rapid.IntRange(0, 8).Draw(t, "waves") {
				c.step()
				c.settle(func() bool { return rapid.IntRange(0, 3).Draw(t, "finish") > 0 })
			}
		}
		c.prefer = seats
		c.adopt(first)
		c.mustBeDone(c.run())
		if now := c.sets(); !maps.Equal(now, sets) {
			t.Fatalf("%v became %v\n%s", sets, now, c.story())
		}
	})
}
