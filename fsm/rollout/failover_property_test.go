package rollout

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"roster/fsm/placement"
	v1 "roster/proto/roster/v1"
)

// anyTarget is placement's own with loans that nobody thought about: rollout may
// not rely on them being wise.
func anyTarget(t *rapid.T, c *cluster) *placement.Target {
	target := c.place()
	wanted := target.Wanted(c.top)
	loaned := target.Loaned()
	for range rapid.IntRange(0, 4).Draw(t, "loans") {
		n := rapid.SampledFrom(c.nodes).Draw(t, "borrower")
		p := rapid.SampledFrom(c.top.Pools).Draw(t, "pool")
		service := rapid.SampledFrom(p.Services).Draw(t, "loan")
		if wanted[n.Id][service] != "" || loaned[n.Id][service] != "" {
			continue
		}
		if loaned[n.Id] == nil {
			loaned[n.Id] = map[string]string{}
		}
		loaned[n.Id][service] = p.Name
		target.Loans = append(target.Loans, &v1.Loan{Pool: p.Name, Service: service, Node: n.Id, Reason: "why not"})
	}
	return target
}

func anyRestraints(t *rapid.T, c *cluster) Restraints {
	var r Restraints
	for range rapid.IntRange(0, 2).Draw(t, "freezes") {
		n := rapid.SampledFrom(c.nodes).Draw(t, "frozen")
		scope := rapid.SampledFrom([]string{
			"node:" + n.Id, "zone:" + n.Zone, "region:" + n.Region, "service:" + rapid.SampledFrom(five).Draw(t, "service"), "pool:p0", "all",
		}).Draw(t, "scope")
		r.Freezes = append(r.Freezes, freezeOf(scope, c.now.Add(time.Duration(rapid.IntRange(-10, 60).Draw(t, "for"))*time.Second)))
	}
	if rapid.Bool().Draw(t, "hold") {
		r.Hold = holding(rapid.Bool().Draw(t, "slow"))
	}
	r.Open = rapid.Bool().Draw(t, "open")
	r.AcceptGap = rapid.Bool().Draw(t, "accept gap")
	if rapid.IntRange(0, 4).Draw(t, "paused") == 0 {
		r.Pause = &v1.Pause{By: "anna", Time: stamp(c.now), Reason: "lunch"}
	}
	return r
}

// happen is one thing that goes wrong, or right again, or that the operator does.
func (c *cluster) happen(t *rapid.T) {
	n := rapid.SampledFrom(c.nodes).Draw(t, "node")
	switch rapid.IntRange(0, 14).Draw(t, "event") {
	case 0, 1:
		n.State, n.StateSince = v1.NodeState_NODE_STATE_DOWN, stamp(c.now)
	case 2, 3:
		if n.State == v1.NodeState_NODE_STATE_DOWN {
			c.comeBack(n.Id)
		}
	case 4:
		c.deaf[n.Id] = !c.deaf[n.Id]
	case 5:
		if c.drained(n.Id, time.Duration(rapid.IntRange(0, 100).Draw(t, "deadline"))*time.Second); rapid.Bool().Draw(t, "undrain") {
			n.Settings = &v1.NodeSettings{}
		}
	case 6:
		n.Mode = rapid.SampledFrom([]v1.AgentMode{v1.AgentMode_AGENT_MODE_ACT, v1.AgentMode_AGENT_MODE_OBSERVE}).Draw(t, "mode")
	case 7:
		n.Frozen = rapid.SampledFrom([]string{"", "disk work"}).Draw(t, "frozen")
	case 8:
		service := rapid.SampledFrom(five).Draw(t, "service")
		c.broken[instance{n.Id, service}] = !c.broken[instance{n.Id, service}]
		if assignment(n, service) != nil {
			c.report(n, service, v1.ServiceState_SERVICE_STATE_FAILING)
		}
	case 9:
		c.restraints = anyRestraints(t, c)
	case 10:
		c.adopt(anyFloors(t, c, anyTopology(t)))
	case 11, 12:
		c.now = c.now.Add(time.Duration(rapid.IntRange(1, 100).Draw(t, "seconds")) * time.Second)
	default:
		c.settle(func() bool { return rapid.Bool().Draw(t, "finish") })
	}
	c.takeStock()
}

// Every wave is judged: see judgeMoves, judgeRestraints and the floors in
// stepTo.
func TestNoStepBreaksAFloorOrAFreezeOrAHoldWhateverIsLostAndLent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := start(t, rapid.SampledFrom([]groups{noGroup, someGroup, oneGroup}).Draw(t, "groups"))
		c.calm = false
		c.adopt(anyFloors(t, c, anyTopology(t)))
		c.restraints = anyRestraints(t, c)
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			c.happen(t)
			step := c.stepTo(c.viewOf(anyTarget(t, c)))
			if !step.Done && len(step.Moves) == 0 && len(step.Waiting) == 0 {
				t.Fatalf("nothing is done, without a word")
			}
			for _, h := range step.Held {
				if h.Why == "" {
					t.Fatalf("%v is held without a word", h.Move)
				}
			}
		}
	})
}

// seatsOfDrained lists what nodes that the operator drains have in their records.
func (c *cluster) seatsOfDrained() map[seatOf]bool {
	seats := map[seatOf]bool{}
	for _, n := range c.nodes {
		for _, a := range n.Assignments {
			if n.Settings.GetDrain() != nil && !a.Borrowed {
				seats[seatOf{a.Pool, a.Service}] = true
			}
		}
	}
	return seats
}

// drainBrings: the operator's word on a node is what a move is for.
func (c *cluster) drainBrings(m *v1.Move, drained map[seatOf]bool) bool {
	begins := m.Action != v1.Action_ACTION_DRAIN && m.Action != v1.Action_ACTION_STOP
	return m.Cause == rebalance && (c.node(m.Node).Settings.GetDrain() != nil || begins && drained[seatOf{m.Pool, m.Service}])
}

// judgeUnasked: nothing moves that nobody ordered or approved.
func (c *cluster) judgeUnasked(step Step, drained map[seatOf]bool) []*v1.Move {
	c.t.Helper()
	for _, m := range step.Moves {
		if !c.drainBrings(m, drained) {
			c.t.Fatalf("%s, and nobody approved it", write([]*v1.Move{m}))
		}
	}
	return step.Moves
}

// Whatever happens, under approve nothing moves but what a drain that the operator
// ordered brings, and what a plan showed that was approved; and while nothing happens, a plan that was approved is all done.
func TestUnderApproveExactlyTheShownMovesAreMade(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := start(t, noGroup)
		c.calm = false
		top := anyFloors(t, c, anyTopology(t))
		approve(top.Policy)
		c.adopt(top)
		for range rapid.IntRange(1, 3).Draw(t, "losses") {
			n := rapid.SampledFrom(c.nodes).Draw(t, "lost")
			if rapid.Bool().Draw(t, "drained") {
				c.drained(n.Id, 0)
			} else {
				c.fail(n.Id)
			}
		}
		target := anyTarget(t, c)
		drained := c.seatsOfDrained()
		for c.settle(func() bool { return true }) || len(c.judgeUnasked(c.stepTo(c.viewOf(target)), drained)) > 0 {
		}
		shown := map[moveKey]bool{}
		var approved []*v1.Approval
		for _, cause := range []v1.Cause{repair, rebalance} {
			p := Propose(c.viewOf(target), cause)
			if p == nil {
				continue
			}
			for _, m := range PlanMoves(p.Plan) {
				if m.Cause != cause {
					t.Fatalf("%v in a plan of %v", m, cause)
				}
				shown[keyOf(m)] = true
			}
			approved = append(approved, approval(p, false))
			if rapid.Bool().Draw(t, "one is enough") {
				break
			}
		}
		c.restraints.Approvals, c.waves = approved, nil
		c.runTo(target)
		done := map[moveKey]bool{}
		for _, w := range c.waves {
			for _, m := range w {
				if done[keyOf(m)] = true; !shown[keyOf(m)] && !c.drainBrings(m, drained) {
					t.Fatalf("%v was not shown", m)
				}
			}
		}
		if len(approved) == 1 {
			for key := range shown {
				if !done[key] {
					t.Fatalf("%v was shown and approved, and is not done\n%s", key, c.story())
				}
			}
		}
	})
}

// Where no restart is in the way, everything that is lent begins in the very
// next step, whatever else is underway.
func TestARepairNeverWaits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := start(t, noGroup)
		c.calm = false
		for range rapid.IntRange(1, 15).Draw(t, "steps") {
			c.happen(t)
			c.restraints = Restraints{Open: rapid.Bool().Draw(t, "order")}
			if rapid.Bool().Draw(t, "pause") {
				c.restraints.Pause = &v1.Pause{}
			}
			target := anyTarget(t, c)
			missing := map[instance]bool{}
			for _, l := range target.Loans {
				n := c.node(l.Node)
				drains := false // where a member is drained, it may be no repair
				for _, other := range c.nodes {
					drains = drains || other.Settings.GetDrain() != nil
				}
				if assignment(n, l.Service) == nil && n.State == v1.NodeState_NODE_STATE_UP && !drains && n.Mode != v1.AgentMode_AGENT_MODE_OBSERVE && n.Frozen == "" {
					missing[instance{l.Node, l.Service}] = true
				}
			}
			for _, m := range c.stepTo(c.viewOf(target)).Moves {
				if m.Action == v1.Action_ACTION_START && missing[instance{m.Node, m.Service}] {
					delete(missing, instance{m.Node, m.Service})
					if m.Cause != repair || !m.Borrowed {
						t.Fatalf("%v", m)
					}
				}
			}
			if len(missing) > 0 {
				t.Fatalf("%v have to wait\n%s", missing, c.story())
			}
		}
	})
}
