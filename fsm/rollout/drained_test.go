package rollout

import (
	"testing"
	"time"

	v1 "roster/proto/roster/v1"
)

// drained is the operator's drain, of now.
func (c *cluster) drained(id string, within time.Duration) {
	d := &v1.NodeDrain{Since: stamp(c.now), By: "anna"}
	if within != 0 {
		d.Deadline = stamp(c.now.Add(within))
	}
	c.node(id).Settings = &v1.NodeSettings{Drain: d}
}

func TestADrainedNodeEndsOnlyAfterItsReplacementIsReady(t *testing.T) {
	c := pairOf(t)
	// Floor and max_moving alone would let it go at once.
	c.adopt(moving(floor(c.top, "imap", 1), 100))
	c.restraints.Open = true
	c.drained("node-1", 0)
	mustCause(t, c.aim(moved, "start imap node-4"), rebalance)
	c.aim(moved, "")
	c.finish()
	c.aim(moved, "drain imap node-1")
	c.finish()
	c.aim(moved, "stop imap node-1")
	if step := c.aim(moved, ""); !step.Done {
		t.Errorf("waiting for %q", step.Waiting)
	}
}

func TestALoanThatMakesUpForADrainAloneIsNoRepair(t *testing.T) {
	c := pairOf(t)
	c.restraints.Open = true
	c.drained("node-1", 0)
	borrowing := targetOf("mail: node-2 -", "web: node-3", "imap for mail: node-3")
	mustCause(t, c.aim(borrowing, "start imap node-3"), rebalance)
	c.finish()
	c.aim(borrowing, "drain imap node-1")
}

func TestADrainThatAFloorBlocksSaysWhich(t *testing.T) {
	c := pairOf(t)
	c.drained("node-1", time.Second)
	c.calm = false
	alone := targetOf("mail: node-2 -", "web: node-3")
	c.now = c.now.Add(time.Hour) // a deadline breaks no floor either
	mustSay(t, c.aim(alone, ""), "draining imap on node-1: imap has 2 ready and a floor in force of 2", "imap has to be drained on node-1")
}

func TestADrainIsBoundByWhatIsLeftUntilTheDeadline(t *testing.T) {
	for _, tc := range []struct{ own, left, want time.Duration }{
		{time.Minute, 0, time.Minute}, {time.Minute, time.Hour, time.Minute}, {time.Minute, 20 * time.Second, 20 * time.Second}, {time.Minute, -time.Second, 0},
	} {
		n := &v1.Node{Settings: &v1.NodeSettings{Drain: &v1.NodeDrain{}}}
		if tc.left != 0 {
			n.Settings.Drain.Deadline = stamp(noon.Add(tc.left))
		}
		if got := DrainBound(n, tc.own, noon); got != tc.want {
			t.Errorf("%v: %s", tc, got)
		}
	}
	if got := DrainBound(newNode("node-1", "a1"), time.Minute, noon); got != time.Minute {
		t.Errorf("%s where nothing is drained", got)
	}
}

func TestADrainThatGoesOnEndsAtADeadlineThatCameLater(t *testing.T) {
	c := running(t, nodesOf(2), topologyOf(count("imap", 2, "imap")))
	c.adopt(topologyOf(only(count("imap", 1, "imap"), "node-1")))
	c.expect("drain imap node-2")
	c.drained("node-2", 10*time.Second)
	c.now = c.now.Add(10*time.Second + StopGrace - 1)
	mustSay(t, c.expect(""), "imap on node-2 drains, at most 10s")
	c.now = c.now.Add(1)
	c.expect("stop imap node-2")
}

func TestADrainThatEmptiesANodeHoldsUpNoWave(t *testing.T) {
	c := running(t, nodesOf(4), moving(topologyOf(count("mail", 3, "imap")), 100))
	c.drained("node-1", 0)
	c.aim(targetOf("mail: node-2 node-3 node-4"), "start imap node-4")
	c.finish()
	c.aim(targetOf("mail: node-2 node-3 node-4"), "drain imap node-1")
	// It takes long. Another node is drained meanwhile.
	c.drained("node-2", 0)
	c.calm = false
	c.aim(targetOf("mail: node-3 node-4 -"), "drain imap node-2")
}

func TestADrainThatIsCalledOffServesOn(t *testing.T) {
	c := pairOf(t)
	c.drained("node-1", 0)
	c.aim(moved, "start imap node-4")
	c.finish()
	c.aim(moved, "drain imap node-1")
	c.node("node-1").Settings = &v1.NodeSettings{}
	// Placement leaves the seat where it is now, and wants the other one too.
	both := targetOf("mail: node-1 node-2 node-4", "web: node-3")
	c.aim(both, "undrain imap node-1")
	c.finish()
	if step := c.aim(both, ""); !step.Done {
		t.Errorf("waiting for %q", step.Waiting)
	}
}

func TestNothingIsBegunOnADrainedNode(t *testing.T) {
	c := pairOf(t)
	c.drained("node-4", 0)
	c.calm = false
	mustSay(t, c.aim(targetOf("mail: node-1 node-2 node-4", "web: node-3"), ""), "node-4 is drained, and imap is not begun there")
}

func TestTheOperatorsOwnDrainNeedsNoApprovalThoughItsOrderIsSettled(t *testing.T) {
	c := running(t, nodesOf(3), topologyOf(only(count("mail", 2, "imap"), "node-1", "node-2", "node-3")))
	approve(c.top.Policy)
	c.drained("node-1", time.Hour)
	target := targetOf("mail: node-2 node-3")
	mustCause(t, c.aim(target, "start imap node-3"), rebalance)
	c.finish()
	c.aim(target, "drain imap node-1")
	c.finish()
	c.aim(target, "stop imap node-1")
	if p := Propose(c.viewOf(target), rebalance); p != nil {
		t.Errorf("proposed is %v", p)
	}
}

func TestADrainThatTakesLongHoldsUpOnlyWhatIsTiedToIt(t *testing.T) {
	top := topologyOf(only(count("out", 1, "smtp-outbound"), "node-1"), only(count("mail", 1, "imap"), "node-3"))
	c := running(t, nodesOf(5), top)
	c.bound = 30 * time.Minute
	c.adopt(topologyOf(only(count("out", 1, "smtp-outbound"), "node-2"), only(count("mail", 1, "imap"), "node-3")))
	c.expect("start smtp-outbound node-2")
	c.finish()
	c.expect("drain smtp-outbound node-1")
	c.top.Pools[1] = only(count("mail", 2, "imap"), "node-3", "node-4")
	c.top.Pools[0] = only(count("out", 2, "smtp-outbound"), "node-2", "node-5")
	moving(c.top, 100)
	c.expect("") // for a minute, everything waits
	c.now = c.now.Add(StartDeadline)
	c.expect("start imap node-4")
	c.settle(func() bool { return false })
	c.report(c.node("node-4"), "imap", v1.ServiceState_SERVICE_STATE_SERVING)
	c.takeStock()
	c.expect("")
	c.finish()
	c.expect("stop smtp-outbound node-1, start smtp-outbound node-5")
}
