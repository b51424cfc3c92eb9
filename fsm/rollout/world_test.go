package rollout

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	v1 "roster/proto/roster/v1"
)

// unmended lists services under their floor in force for which a start is not on
// its way though a node that is up could take it.
func (c *cluster) unmended() []string {
	var out []string
	ready := c.readyNow()
	for service, floor := range c.inForce {
		if ready[service] >= int(floor) {
			continue
		}
		eligible, coming := false, false
		for _, n := range c.nodes {
			a := assignment(n, service)
			up := n.State == v1.NodeState_NODE_STATE_UP && n.Settings.GetDrain() == nil
			coming = coming || up && a != nil && !Ready(n, service)
			eligible = eligible || up && a == nil
		}
		if eligible && !coming {
			out = append(out, fmt.Sprintf("%s has %d of %d", service, ready[service], floor))
		}
	}
	return out
}

// worlds calls do for each of the six models on ten nodes and on twelve, of which
// two may be free, and for each loss: a node, and all that carry a service.
func worlds(t *testing.T, do func(t *testing.T, c *cluster, lost []string)) {
	t.Helper()
	for name, top := range examples() {
		for _, spare := range []bool{false, true} {
			nodes := tenNodes()
			if spare {
				nodes = append(nodes, newNode("node-11", "a2"), newNode("node-12", "c1"))
			}
			calm := running(t, nodes, top)
			losses := map[string][]string{}
			for _, n := range calm.nodes {
				losses[n.Id] = []string{n.Id}
				for _, a := range n.Assignments {
					losses[a.Service] = append(losses[a.Service], n.Id)
				}
			}
			for what, lost := range losses {
				if len(lost) > 4 {
					continue
				}
				t.Run(fmt.Sprintf("%s, spare %v, loss of %s", name, spare, what), func(t *testing.T) {
					do(t, running(t, nodes, top), lost)
				})
			}
		}
	}
}

// With placement's own targets: whatever dies, floors are mended in the next
// step, what happens later touches nothing twice, and when the nodes are back
// for good everything is as the topology says.
func TestWhateverDiesFloorsAreMendedAndEverythingGoesBack(t *testing.T) {
	loans := 0
	worlds(t, func(t *testing.T, c *cluster, lost []string) {
		for _, late := range []bool{false, true} {
			before := c.sets()
			for _, id := range lost {
				c.fail(id)
			}
			step := c.step()
			mustCause(t, step, repair)
			for _, m := range step.Moves {
				if m.Borrowed {
					loans++
				}
			}
			if left := c.unmended(); len(left) > 0 {
				t.Fatalf("not mended at once: %v\n%s", left, c.story())
			}
			c.run()
			c.mustRest()
			if late {
				c.now = c.now.Add(5 * time.Minute)
				c.run()
				c.mustRest()
			}
			for _, id := range lost {
				c.comeBack(id)
			}
			c.waves = nil
			c.run()
			for _, w := range c.waves {
				for _, m := range w {
					if m.Action == v1.Action_ACTION_DRAIN {
						t.Fatalf("%s before anything has settled", write(w))
					}
				}
			}
			c.now = c.now.Add(2 * time.Minute)
			c.run()
			c.mustRest()
			if after := c.sets(); !late && !maps.Equal(before, after) {
				t.Errorf("%v became %v", before, after)
			}
			c.mustOweNothing()
		}
	})
	if loans == 0 {
		t.Errorf("nothing was ever lent")
	}
}

// mustOweNothing: nothing is borrowed any more.
func (c *cluster) mustOweNothing() {
	c.t.Helper()
	for _, n := range c.nodes {
		for _, a := range n.Assignments {
			if a.Borrowed {
				c.t.Fatalf("%s is still borrowed by %s\n%s", a.Service, n.Id, c.story())
			}
		}
	}
}

// mustRest: planned again, nothing is to be done.
func (c *cluster) mustRest() {
	c.t.Helper()
	if step := c.step(); len(step.Moves) > 0 {
		c.t.Fatalf("it does not rest: %s\n%s", write(step.Moves), c.story())
	}
}

// Whatever is drained ends empty, or a floor is named.
func TestWhateverIsDrainedEndsEmptyOrAFloorIsNamed(t *testing.T) {
	emptied := 0
	worlds(t, func(t *testing.T, c *cluster, lost []string) {
		ready := c.readyNow()
		c.restraints.Open = true
		for _, id := range lost {
			c.drained(id, time.Hour)
		}
		for _, cause := range c.causesOf(c.run) {
			if cause != rebalance {
				t.Errorf("a drain brings a %v", cause)
			}
		}
		c.mustRest()
		for _, id := range lost {
			if writeSet(c.node(id)) == "" {
				emptied++
				continue
			}
			mustSay(t, c.step(), "draining ", "on "+id, "a floor in force of")
		}
		for service, floor := range c.inForce {
			if got := c.readyNow()[service]; got < min(int(floor), ready[service]) {
				t.Errorf("%s has %d ready, its floor is %d", service, got, floor)
			}
		}
		for _, id := range lost {
			c.node(id).Settings = &v1.NodeSettings{}
		}
		c.run()
		c.now = c.now.Add(2 * time.Minute)
		c.run()
		c.mustRest()
		c.mustOweNothing()
	})
	if emptied == 0 {
		t.Errorf("no node ended empty")
	}
}

// causesOf lists what the moves of a run were for.
func (c *cluster) causesOf(run func() Step) []v1.Cause {
	c.waves = nil
	run()
	var causes []v1.Cause
	for _, w := range c.waves {
		for _, m := range w {
			causes = append(causes, m.Cause)
		}
	}
	return causes
}

// The plan that waits for approval is the one that auto would carry out, at once
// and once seats are given away.
func TestWhatIsProposedIsWhatAutoDoes(t *testing.T) {
	proposals := 0
	worlds(t, func(t *testing.T, c *cluster, lost []string) {
		for _, id := range lost {
			c.fail(id)
		}
		for range 2 {
			v := c.view()
			v.Topology = proto.CloneOf(c.top)
			v.Topology.Policy.Repair = automationApprove
			shown := PlanMoves(Propose(v, repair).GetPlan())
			c.waves = nil
			c.run()
			var done []*v1.Move
			for _, w := range c.waves {
				for _, m := range w {
					if m.Cause == repair {
						done = append(done, m)
					}
				}
			}
			if planID(shown) != planID(done) {
				t.Errorf("shown was %s, done was %s", write(shown), write(done))
			}
			proposals += len(done)
			c.now = c.now.Add(5 * time.Minute)
		}
	})
	if proposals == 0 {
		t.Errorf("nothing was ever proposed")
	}
}
