package rollout

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "roster/proto/roster/v1"
)

// running is a calm cluster that has rolled a topology out.
func running(t *testing.T, nodes []*v1.Node, top *v1.Topology) *cluster {
	t.Helper()
	c := newCluster(t, top, nodes, nil)
	c.mustBeDone(c.run())
	c.waves = nil
	return c
}

// expect does one wave and compares it.
func (c *cluster) expect(want string) Step {
	c.t.Helper()
	step := c.step()
	if got := write(step.Moves); got != want {
		c.t.Fatalf("the wave is %q, want %q; waiting for %q", got, want, step.Waiting)
	}
	return step
}

func (c *cluster) finish() { c.settle(func() bool { return true }) }

func mustSay(t *testing.T, step Step, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !slices.ContainsFunc(step.Waiting, func(s string) bool { return strings.Contains(s, part) }) {
			t.Errorf("nothing about %q in %q", part, step.Waiting)
		}
	}
}

// only limits a pool to nodes.
func only(p *v1.Pool, ids ...string) *v1.Pool {
	p.Where = map[string]*v1.LabelValues{"id": {Values: ids}}
	return p
}

func TestAServiceIsStartedElsewhereBeforeItIsDrained(t *testing.T) {
	c := running(t, nodesOf(2), topologyOf(only(count("imap", 1, "imap"), "node-1")))
	c.adopt(topologyOf(only(count("imap", 1, "imap"), "node-2")))
	c.expect("start imap node-2")
	mustSay(t, c.expect(""), "imap on node-2 has to become ready")
	c.finish()
	c.expect("drain imap node-1")
	mustSay(t, c.expect(""), "imap on node-1 drains, at most 1m0s")
	c.finish()
	c.expect("stop imap node-1")
	c.mustBeDone(c.expect(""))
}

func TestSuccessorsComeFirstEvenWhereTheFloorIsLower(t *testing.T) {
	c := running(t, nodesOf(6), topologyOf(only(count("imap", 3, "imap"), "node-1", "node-2", "node-3")))
	c.adopt(moving(topologyOf(only(count("mail", 3, "imap"), "node-4", "node-5", "node-6")), 100))
	c.expect("start imap node-4, start imap node-5, start imap node-6")
	c.finish()
	c.expect("drain imap node-1, drain imap node-2, drain imap node-3")
}

func TestTheNextWaveWaitsForEveryMoveOfTheLast(t *testing.T) {
	c := running(t, nodesOf(4), topologyOf(only(count("imap", 1, "imap"), "node-1"), only(count("jmap", 1, "jmap"), "node-2")))
	c.adopt(topologyOf(only(count("imap", 1, "imap"), "node-3"), only(count("jmap", 1, "jmap"), "node-4")))
	c.expect("start imap node-3, start jmap node-4")
	c.report(c.node("node-3"), "imap", v1.ServiceState_SERVICE_STATE_SERVING)
	c.takeStock()
	mustSay(t, c.expect(""), "jmap on node-4 has to become ready")
	c.finish()
	c.expect("drain imap node-1, drain jmap node-2")
}

func TestTheFirstPlacementIsNotBoundByMaxMoving(t *testing.T) {
	c := newCluster(t, topologyOf(all("all", five...)), tenNodes(), nil)
	if step := c.step(); len(step.Moves) != 50 {
		t.Errorf("%d moves in the first wave, want 50", len(step.Moves))
	}
}

func TestMaxMovingIsAShareOfTheLargerSizeAndRoundsUp(t *testing.T) {
	for _, tc := range []struct {
		percent uint32
		before  uint32
		after   uint32
		starts  int
	}{{25, 1, 10, 3}, {25, 2, 6, 2}, {10, 1, 5, 1}, {0, 1, 5, 1}, {100, 1, 5, 4}} {
		c := running(t, nodesOf(10), topologyOf(count("imap", tc.before, "imap")))
		c.adopt(moving(topologyOf(count("imap", tc.after, "imap")), tc.percent))
		if got := len(c.step().Moves); got != tc.starts {
			t.Errorf("%v: %d starts", tc, got)
		}
		c.run()
		c.waves = nil
		c.adopt(moving(topologyOf(count("imap", tc.before, "imap")), tc.percent))
		if got := len(c.step().Moves); got != tc.starts {
			t.Errorf("%v: %d drains on the way back", tc, got)
		}
		c.mustBeDone(c.run())
	}
}

func TestAStartThatTimesOutIsExplainedAndHoldsUpNobody(t *testing.T) {
	c := running(t, nodesOf(4), topologyOf(only(count("imap", 2, "imap"), "node-1", "node-2")))
	c.adopt(topologyOf(only(count("imap", 2, "imap"), "node-3", "node-4")))
	c.calm = false
	c.broken[instance{"node-3", "imap"}] = true
	c.expect("start imap node-3")
	c.finish()
	c.node("node-3").Reports[0].Detail = "connection refused"
	c.expect("")
	c.now = c.now.Add(StartDeadline)
	step := c.expect("start imap node-4")
	mustSay(t, step, "imap on node-3 has not become ready within 1m0s: connection refused")
	c.finish()
	// Two of the three that are ready stay: node-4 and one of the old ones, as
	// node-3 is not counted on any longer.
	c.expect("drain imap node-1")
	c.finish()
	c.expect("stop imap node-1, drain imap node-2")
	c.finish()
	c.expect("stop imap node-2")
	if step := c.expect(""); step.Done {
		t.Errorf("done, though imap on node-3 is not ready")
	}
	delete(c.broken, instance{"node-3", "imap"})
	c.finish()
	c.mustBeDone(c.expect(""))
}

func TestAStuckStartNeverBreaksAFloor(t *testing.T) {
	top := func(ids ...string) *v1.Topology {
		return floor(topologyOf(only(count("imap", 2, "imap"), ids...)), "imap", 2)
	}
	c := running(t, nodesOf(4), top("node-1", "node-2"))
	c.adopt(top("node-3", "node-4"))
	c.calm = false
	c.broken[instance{"node-3", "imap"}] = true
	c.broken[instance{"node-4", "imap"}] = true
	target := targetOf("imap: node-3 node-4")
	for range 4 {
		c.runTo(target)
		c.now = c.now.Add(StartDeadline)
	}
	mustSay(t, c.aim(target, ""), "draining imap on node-1: imap has 2 ready and a floor in force of 2")
}

func TestNothingIsDrainedOrStoppedOnANodeThatWasNotHeard(t *testing.T) {
	c := running(t, nodesOf(2), topologyOf(count("imap", 2, "imap")))
	c.adopt(topologyOf(only(count("imap", 1, "imap"), "node-1")))
	c.deaf["node-2"] = true
	mustSay(t, c.expect(""), "node-2 was not heard within two heartbeats")
	delete(c.deaf, "node-2")
	c.expect("drain imap node-2")
	c.finish()
	c.deaf["node-2"] = true
	mustSay(t, c.expect(""), "node-2 was not heard within two heartbeats")
	delete(c.deaf, "node-2")
	c.expect("stop imap node-2")
}

func TestANodeThatWasNotHeardIsNotCountedOn(t *testing.T) {
	c := running(t, nodesOf(3), topologyOf(count("imap", 3, "imap")))
	c.adopt(floor(topologyOf(only(count("imap", 2, "imap"), "node-1", "node-2")), "imap", 2))
	c.calm = false
	c.deaf["node-1"] = true
	mustSay(t, c.expect(""), "draining imap on node-3: imap has 2 ready and a floor in force of 2")
	delete(c.deaf, "node-1")
	c.expect("drain imap node-3")
}

func TestADownNodeGetsNoCommandAndHoldsUpNobody(t *testing.T) {
	c := running(t, nodesOf(4), topologyOf(only(count("imap", 2, "imap"), "node-1", "node-2")))
	c.calm = false
	c.node("node-1").State = v1.NodeState_NODE_STATE_DOWN
	c.takeStock()
	c.adopt(topologyOf(only(count("imap", 2, "imap"), "node-3", "node-4")))
	c.run()
	if got := writeSet(c.node("node-1")); got != "imap serving imap" {
		t.Errorf("it has %q", got)
	}
	c.comeBack("node-1")
	c.mustBeDone(c.run())
	c.now = c.now.Add(time.Minute)
	c.mustBeDone(c.run())
	if got := writeSet(c.node("node-1")); got != "" {
		t.Errorf("it still has %q", got)
	}
}

func TestADrainThatIsWantedAgainIsCalledOff(t *testing.T) {
	both := topologyOf(count("imap", 2, "imap"))
	c := running(t, nodesOf(2), both)
	c.adopt(topologyOf(only(count("imap", 1, "imap"), "node-1")))
	c.expect("drain imap node-2")
	c.adopt(both)
	c.expect("undrain imap node-2")
	c.finish()
	c.mustBeDone(c.expect(""))
}

func TestADrainEndsByWordByTimeOrWhereNothingRan(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(c *cluster, n *v1.Node)
		over   bool
	}{
		"still serving":        {func(c *cluster, n *v1.Node) { c.report(n, "imap", v1.ServiceState_SERVICE_STATE_SERVING) }, false},
		"sessions left":        {func(*cluster, *v1.Node) {}, false},
		"drained":              {func(c *cluster, n *v1.Node) { c.report(n, "imap", v1.ServiceState_SERVICE_STATE_DRAINED) }, true},
		"stopped":              {func(c *cluster, n *v1.Node) { c.report(n, "imap", v1.ServiceState_SERVICE_STATE_STOPPED) }, true},
		"failing":              {func(c *cluster, n *v1.Node) { c.report(n, "imap", v1.ServiceState_SERVICE_STATE_FAILING) }, true},
		"never reported":       {func(_ *cluster, n *v1.Node) { n.Reports = nil }, true},
		"not reported yet":     {func(_ *cluster, n *v1.Node) { n.Reports, n.ReportedGeneration = nil, 0 }, false},
		"in the grace":         {func(c *cluster, _ *v1.Node) { c.now = c.now.Add(time.Minute + StopGrace - 1) }, false},
		"past bound and grace": {func(c *cluster, _ *v1.Node) { c.now = c.now.Add(time.Minute + StopGrace) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			c := running(t, nodesOf(2), topologyOf(count("imap", 2, "imap")))
			c.adopt(topologyOf(only(count("imap", 1, "imap"), "node-1")))
			c.expect("drain imap node-2")
			tc.change(c, c.node("node-2"))
			if tc.over {
				c.expect("stop imap node-2")
			} else {
				c.expect("")
			}
		})
	}
}

func TestADrainOfAnOlderTopologyDoesNotHoldUpTheNewOne(t *testing.T) {
	c := running(t, nodesOf(3), topologyOf(count("imap", 2, "imap")))
	c.adopt(topologyOf(only(count("imap", 1, "imap"), "node-1")))
	c.expect("drain imap node-2")
	c.adopt(topologyOf(only(count("imap", 1, "imap"), "node-1"), count("jmap", 1, "jmap")))
	c.expect("start jmap node-2")
}

func TestADrainOfAnOlderTopologyCountsForMaxMoving(t *testing.T) {
	imap := only(count("imap", 1, "imap"), "node-1")
	c := running(t, nodesOf(4), topologyOf(count("imap", 4, "imap")))
	c.adopt(moving(topologyOf(imap), 25))
	c.expect("drain imap node-2")
	c.adopt(moving(topologyOf(imap, count("jmap", 1, "jmap")), 25))
	c.expect("start jmap node-2")
}

func TestAGroupRestartsOnceForAllThatIsBegunOrEnded(t *testing.T) {
	c := running(t, grouped(nodesOf(4)), topologyOf(count("imap", 2, "imap"), count("jmap", 2, "jmap")))
	c.adopt(moving(topologyOf(count("imap", 4, "imap", "jmap", "webdav")), 50))
	c.expect("reseat jmap node-3, reseat jmap node-4, start jmap node-1, start webdav node-1, start imap node-3, start webdav node-3")
	c.mustBeDone(c.run())
	c.waves = nil
	c.adopt(moving(topologyOf(count("imap", 4, "imap")), 25))
	c.expect("drain jmap node-1, drain webdav node-1")
	c.finish()
	c.expect("stop jmap node-1, stop webdav node-1")
	c.mustBeDone(c.run())
}

func TestARestartThatWouldBreakAFloorWaitsForAnotherNode(t *testing.T) {
	c := running(t, grouped(nodesOf(2)), topologyOf(only(count("imap", 1, "imap"), "node-1")))
	// node-1 may restart only once node-2 serves imap too.
	c.adopt(moving(topologyOf(count("imap", 2, "imap", "jmap")), 100))
	step := c.expect("start imap node-2, start jmap node-2")
	mustSay(t, step, "starting jmap on node-1 restarts imap there: imap has 1 ready and a floor in force of 1")
	c.finish()
	c.expect("start jmap node-1")
	c.finish()
	c.mustBeDone(c.expect(""))
}

func TestARestartThatNoNodeCanStandInForIsBlockedAndSaysSo(t *testing.T) {
	c := running(t, grouped(nodesOf(1)), topologyOf(count("imap", 1, "imap")))
	c.adopt(topologyOf(count("imap", 1, "imap", "jmap")))
	step := c.expect("")
	if step.Done {
		t.Errorf("done, though jmap is missing")
	}
	mustSay(t, step, "starting jmap on node-1 restarts imap there: imap has 1 ready and a floor in force of 1")
	// What would be proposed by itself is stuck; the operator's plan says what it
	// would cost.
	v := c.view()
	plan, _ := Forward(v)
	if len(plan.Shortages) == 0 || !strings.Contains(plan.Shortages[0].Reason, "restarts imap there") {
		t.Errorf("it is not said that it is stuck: %v", plan.Shortages)
	}
	plan = Plan(v)
	want := &v1.Gap{Wave: 1, Service: "imap", Ready: 0, Floor: 1, Reason: "starting jmap on node-1 restarts imap there: imap has 1 ready and a floor in force of 1"}
	if plan.Gapless || len(plan.Gaps) != 1 || !proto.Equal(plan.Gaps[0], want) || len(plan.Shortages) > 0 {
		t.Errorf("the plan is %v", plan)
	}
}

func TestTheSpareNodeOfAServiceIsKeptUntilItsMembersHaveRestarted(t *testing.T) {
	top := topologyOf(all("all", "imap", "jmap"))
	c := running(t, grouped(nodesOf(4)), top)
	// imap stays on two nodes with a floor of 2: node-3 or node-4 has to stand in
	// while these end jmap one by one, and ends imap last.
	after := topologyOf(only(count("imap", 2, "imap"), "node-1", "node-2"), only(count("jmap", 2, "jmap"), "node-3", "node-4"))
	c.adopt(moving(floor(after, "imap", 2), 100))
	c.mustBeDone(c.run())
}

func TestACordonedNodeStartsNothing(t *testing.T) {
	c := running(t, nodesOf(1), topologyOf(count("imap", 1, "imap")))
	c.node("node-1").Settings.Cordoned = true
	c.adopt(topologyOf(count("imap", 1, "imap", "jmap")))
	mustSay(t, c.expect(""), "node-1 is cordoned, and jmap is not begun there")
	c.node("node-1").Settings.Cordoned = false
	c.expect("start jmap node-1")
}

func TestAServiceThatStaysUnderAnotherPoolIsNotTouched(t *testing.T) {
	c := running(t, grouped(nodesOf(2)), topologyOf(count("imap", 2, "imap")))
	c.adopt(topologyOf(count("mail", 2, "imap")))
	plan := Plan(c.view())
	if plan.Summary.Starts != 0 || plan.Summary.Stops != 0 || plan.LowestReady["imap"] != 2 {
		t.Errorf("the plan is %v, lowest %v", plan.Summary, plan.LowestReady)
	}
	c.expect("reseat imap node-1, reseat imap node-2")
	if got := c.readyNow()["imap"]; got != 2 {
		t.Errorf("%d are ready after it", got)
	}
	c.mustBeDone(c.expect(""))
}

func TestNoTopologyIsDone(t *testing.T) {
	if step := Next(View{Now: noon, Nodes: nodesOf(2)}); !step.Done || len(step.Moves) > 0 {
		t.Errorf("%v", step)
	}
	if plan := Plan(View{Now: noon, Nodes: nodesOf(2)}); len(plan.Waves) > 0 {
		t.Errorf("%v", plan)
	}
}

func TestAPlanChangesNoRecord(t *testing.T) {
	c := running(t, tenNodes(), examples()["unified"])
	c.adopt(examples()["service-specific"])
	before := c.sets()
	if Plan(c.view()); !mapsEqual(before, c.sets()) {
		t.Errorf("%v became %v", before, c.sets())
	}
}

func TestAPlanOfAFirstPlacementStartsFromNothing(t *testing.T) {
	c := newCluster(t, examples()["service-specific"], tenNodes(), nil)
	plan := Plan(c.view())
	if len(plan.Waves) != 1 || plan.Summary.Starts != 10 || plan.Summary.Stops != 0 || !plan.Gapless || plan.LowestReady["imap"] != 0 {
		t.Errorf("%d waves, %v, gapless %v, lowest %v", len(plan.Waves), plan.Summary, plan.Gapless, plan.LowestReady)
	}
	if len(plan.Seats) != 10 {
		t.Errorf("%d seats", len(plan.Seats))
	}
}

// An agent whose clock is ahead does not make its node wait for ever.
func TestAReportFromTheFutureIsNotWaitedFor(t *testing.T) {
	c := running(t, nodesOf(2), topologyOf(count("imap", 2, "imap")))
	n := c.node("node-1")
	n.Reports[0].State, n.Reports[0].Since = v1.ServiceState_SERVICE_STATE_STARTING, stamp(c.now.Add(time.Hour))
	c.now = c.now.Add(StartDeadline)
	c.calm = false
	c.takeStock()
	mustSay(t, c.expect(""), "imap on node-1 has not become ready within 1m0s")
}

func TestTheBoundOfADrainIsTheAssignmentsOwn(t *testing.T) {
	c := running(t, nodesOf(2), topologyOf(count("imap", 2, "imap")))
	c.adopt(topologyOf(only(count("imap", 1, "imap"), "node-1")))
	c.expect("drain imap node-2")
	assignment(c.node("node-2"), "imap").Drain = durationpb.New(time.Hour)
	c.now = c.now.Add(time.Hour)
	mustSay(t, c.expect(""), "at most 1h0m0s")
}
