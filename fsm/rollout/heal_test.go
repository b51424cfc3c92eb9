package rollout

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	v1 "roster/proto/roster/v1"
)

// heal ends everything that is wrong.
func (c *cluster) heal() {
	c.restraints, c.deaf, c.broken = Restraints{}, map[string]bool{}, map[instance]bool{}
	for _, n := range c.nodes {
		n.Mode, n.Frozen, n.Troubles, n.Settings = v1.AgentMode_AGENT_MODE_ACT, "", nil, &v1.NodeSettings{}
		if n.State == v1.NodeState_NODE_STATE_DOWN {
			c.comeBack(n.Id)
		}
	}
	c.takeStock()
}

// suffer is a while in which something happens, and waves go on or come to rest:
// run fails where two states alternate for ever.
func (c *cluster) suffer(t *rapid.T) {
	if rapid.IntRange(0, 6).Draw(t, "cordon") == 0 {
		n := rapid.SampledFrom(c.nodes).Draw(t, "node")
		n.Settings = &v1.NodeSettings{Cordoned: !n.Settings.GetCordoned(), Drain: n.Settings.GetDrain()}
	} else {
		c.happen(t)
	}
	c.restraints = Restraints{}
	for _, n := range c.nodes {
		n.Mode, n.Frozen = v1.AgentMode_AGENT_MODE_ACT, ""
	}
	for range rapid.IntRange(0, 3).Draw(t, "waves") {
		if c.step(); rapid.Bool().Draw(t, "finish") {
			c.settle(func() bool { return true })
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "rest") == 0 {
		c.run()
	}
	c.now = c.now.Add(time.Duration(rapid.IntRange(0, 400).Draw(t, "seconds")) * time.Second)
}

// With placement's own targets: whatever happened, and in the midst of it, the
// cluster comes to rest; and once all is well, nothing is borrowed any more.
func TestWhateverHappenedAllIsInItsPlaceOnceAllIsWell(t *testing.T) {
	for name, g := range map[string]groups{"live": noGroup, "some restart": someGroup, "all restart": oneGroup} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				c := start(t, g)
				c.calm = false
				top := spareFloors(t, c, anyTopology(t))
				for _, p := range top.Pools {
					p.Lend = proto.Bool(rapid.IntRange(0, 3).Draw(t, "lend") > 0)
					p.Priority = int32(rapid.IntRange(0, 2).Draw(t, "priority"))
				}
				c.adopt(top)
				for range rapid.IntRange(1, 25).Draw(t, "while") {
					c.suffer(t)
				}
				c.heal()
				c.adopt(spareFloors(t, c, proto.CloneOf(c.top)))
				for range 6 {
					c.run()
					c.now = c.now.Add(2 * time.Hour)
				}
				step := c.run()
				if g != noGroup {
					return // a floor may be in the way of a restart for ever
				}
				c.mustBeDone(step)
				for _, n := range c.nodes {
					for _, a := range n.Assignments {
						if a.Borrowed || a.Wanted != v1.Wanted_WANTED_SERVING {
							t.Fatalf("%s on %s: %v\n%s", a.Service, n.Id, a, c.story())
						}
					}
				}
			})
		})
	}
}
