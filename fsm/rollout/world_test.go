package rollout

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

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

// With placement's own targets, in each of the six models: whichever node dies,
// floors are mended in the next step, what happens later touches nothing twice,
// and when the node is back for good everything is as the topology says.
func TestWhicheverNodeDiesFloorsAreMendedAndEverythingGoesBack(t *testing.T) {
	for name, top := range examples() {
		for _, late := range []bool{false, true} {
			for i := range tenNodes() {
				t.Run(fmt.Sprintf("%s, node-%d, replaced %v", name, i+1, late), func(t *testing.T) {
					c := running(t, tenNodes(), top)
					before, id := c.sets(), fmt.Sprintf("node-%d", i+1)
					c.fail(id)
					mustCause(t, c.step(), repair)
					if left := c.unmended(); len(left) > 0 {
						t.Fatalf("not mended at once: %v\n%s", left, c.story())
					}
					c.finish()
					c.run()
					c.mustRest()
					if late {
						c.now = c.now.Add(5 * time.Minute)
						c.run()
						c.mustRest()
					}
					c.comeBack(id)
					if step := c.run(); slices.ContainsFunc(step.Moves, func(m *v1.Move) bool { return m.Action == v1.Action_ACTION_DRAIN }) {
						t.Fatalf("%s before it has settled", write(step.Moves))
					}
					c.now = c.now.Add(time.Minute)
					c.run()
					c.mustRest()
					if after := c.sets(); !late && !maps.Equal(before, after) {
						t.Errorf("%v became %v", before, after)
					}
					for _, n := range c.nodes {
						for _, a := range n.Assignments {
							if a.Borrowed {
								t.Errorf("%s is still borrowed by %s\n%s", a.Service, n.Id, c.story())
							}
						}
					}
				})
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
