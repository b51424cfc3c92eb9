package rollout

import (
	"strings"
	"testing"
	"time"

	"roster/fsm/placement"
	v1 "roster/proto/roster/v1"
)

// targetOf reads a target: "mail: node-1 node-2" gives a pool its seats,
// "imap for mail: node-3" is a loan. Pools want as many as they have, one more
// for each "-".
func targetOf(lines ...string) *placement.Target {
	t := &placement.Target{}
	for _, line := range lines {
		what, nodes, _ := strings.Cut(line, ": ")
		service, pool, loan := strings.Cut(what, " for ")
		if loan {
			t.Loans = append(t.Loans, &v1.Loan{Pool: pool, Service: service, Node: nodes, Reason: "it has room"})
			continue
		}
		size := placement.PoolSize{Pool: what}
		for _, n := range strings.Fields(nodes) {
			size.Wanted++
			if n != "-" {
				t.Seats = append(t.Seats, &v1.Seat{Pool: what, Node: n, Reason: "it is free"})
				size.Got++
			}
		}
		t.Sizes = append(t.Sizes, size)
	}
	return t
}

// aim does one wave towards a target and compares it.
func (c *cluster) aim(target *placement.Target, want string) Step {
	c.t.Helper()
	step := c.stepTo(c.viewOf(target))
	if got := write(step.Moves); got != want {
		c.t.Fatalf("the wave is %q, want %q; waiting for %q", got, want, step.Waiting)
	}
	return step
}

func mustCause(t *testing.T, step Step, want v1.Cause) {
	t.Helper()
	for _, m := range step.Moves {
		if m.Cause != want {
			t.Errorf("%v is for %v, want %v", write([]*v1.Move{m}), m.Cause, want)
		}
	}
}

func (c *cluster) fail(id string) {
	n := c.node(id)
	n.State, n.StateSince = v1.NodeState_NODE_STATE_DOWN, stamp(c.now)
	c.calm = false
	c.takeStock()
}

// comeBack is what Apply does to a node that is heard again.
func (c *cluster) comeBack(id string) {
	n := c.node(id)
	if last := n.ReturnedAt; last != nil && c.now.Sub(last.AsTime()) <= time.Hour {
		n.Flaps++
	} else {
		n.Flaps = 1
	}
	n.State, n.StateSince, n.ReturnedAt = v1.NodeState_NODE_STATE_UP, stamp(c.now), stamp(c.now)
	c.takeStock()
}

const (
	repair    = v1.Cause_CAUSE_REPAIR
	rebalance = v1.Cause_CAUSE_REBALANCE
)

// pairOf runs imap on node-1 and node-2 and jmap on node-3, with a floor of 2
// for imap, and node-4 free.
func pairOf(t *testing.T) *cluster {
	t.Helper()
	top := floor(topologyOf(only(count("mail", 2, "imap"), "node-1", "node-2"), only(count("web", 1, "jmap"), "node-3")), "imap", 2)
	return running(t, nodesOf(4), top)
}

var (
	whole = targetOf("mail: node-1 node-2", "web: node-3")
	lent  = targetOf("mail: node-1 node-2", "web: node-3", "imap for mail: node-3")
	moved = targetOf("mail: node-2 node-4", "web: node-3")
)

func TestALoanBeginsWithoutASeatAndIsARepair(t *testing.T) {
	c := pairOf(t)
	c.fail("node-1")
	step := c.aim(lent, "start imap node-3")
	mustCause(t, step, repair)
	if m := step.Moves[0]; !m.Borrowed || m.Pool != "mail" || m.Reason != "stands in for pool mail: it has room" {
		t.Errorf("%v", m)
	}
	if a := assignment(c.node("node-3"), "jmap"); a.Borrowed || a.Pool != "web" {
		t.Errorf("its own seat became %v", a)
	}
	c.finish()
	if step := c.aim(lent, ""); !step.Done {
		t.Errorf("waiting for %q", step.Waiting)
	}
	if got := c.readyNow()["imap"]; got != 2 {
		t.Errorf("%d are ready", got)
	}
}

func TestALoanGoesBackOnlyWhenTheTargetLetsGoAndTheNodeThatReturnedHasSettled(t *testing.T) {
	c := pairOf(t)
	c.fail("node-1")
	c.aim(lent, "start imap node-3")
	c.finish()
	c.comeBack("node-1")
	// Placement still wants it: it stays however long.
	c.now = c.now.Add(time.Hour)
	c.aim(lent, "")
	c.fail("node-1")
	c.comeBack("node-1")
	c.comeBack("node-1") // for the second time within the hour
	mustSay(t, c.aim(whole, ""), "imap stays on node-3 until node-1 has been back for long enough: it came back at 13:00:00, 3 times lately")
	c.now = c.now.Add(4*time.Minute - 1)
	c.aim(whole, "")
	c.now = c.now.Add(1)
	mustCause(t, c.aim(whole, "drain imap node-3"), rebalance)
	c.finish()
	c.aim(whole, "stop imap node-3")
	if step := c.aim(whole, ""); !step.Done {
		t.Errorf("waiting for %q", step.Waiting)
	}
}

func TestALoanGoesBackOnlyWhenAsManyAreReadyWithoutIt(t *testing.T) {
	c := pairOf(t)
	c.fail("node-1")
	c.aim(lent, "start imap node-3")
	c.finish()
	c.comeBack("node-1")
	c.now = c.now.Add(2 * time.Minute)
	c.report(c.node("node-1"), "imap", v1.ServiceState_SERVICE_STATE_FAILING)
	c.takeStock()
	mustSay(t, c.aim(whole, ""), "draining imap on node-3: imap has 2 ready and a floor in force of 2")
	c.report(c.node("node-1"), "imap", v1.ServiceState_SERVICE_STATE_SERVING)
	c.takeStock()
	// It has to last, else a service that crashes again and again would come and go.
	mustSay(t, c.aim(whole, ""), "imap stays on node-3 until it has been ready on node-1 for 1m0s")
	c.now = c.now.Add(time.Minute - 1)
	c.aim(whole, "")
	report(c.node("node-1"), "imap").Since = stamp(c.now.Add(time.Hour)) // its clock is ahead
	c.aim(whole, "drain imap node-3")
	c.aim(lent, "undrain imap node-3")
	c.finish()
	report(c.node("node-1"), "imap").Since = stamp(c.now.Add(-time.Minute))
	c.aim(whole, "drain imap node-3")
}

func TestAServiceThatCrashesAgainAndAgainBringsOneLoan(t *testing.T) {
	c := pairOf(t)
	c.calm = false
	starts := 0
	for s := range 600 {
		switch s % 40 {
		case 0:
			c.report(c.node("node-1"), "imap", v1.ServiceState_SERVICE_STATE_FAILING)
		case 20:
			c.report(c.node("node-1"), "imap", v1.ServiceState_SERVICE_STATE_SERVING)
		}
		c.now = c.now.Add(time.Second)
		c.takeStock()
		target := whole
		if placement.Lost(c.node("node-1"), "imap", c.top.Policy, c.now) {
			target = lent
		}
		for _, m := range c.stepTo(c.viewOf(target)).Moves {
			if m.Action != v1.Action_ACTION_START {
				t.Fatalf("%v after %d s", m, s)
			}
			starts++
		}
		for _, r := range c.node("node-3").Reports {
			r.State = v1.ServiceState_SERVICE_STATE_SERVING
		}
		c.takeStock()
	}
	if starts != 1 {
		t.Errorf("%d loans", starts)
	}
}

func TestARepairDoesNotWaitForAWaveAndNoWaveForIt(t *testing.T) {
	c := pairOf(t)
	both := targetOf("mail: node-1 node-2", "web: node-3 node-4")
	c.adopt(floor(topologyOf(count("mail", 2, "imap"), count("web", 2, "jmap")), "imap", 2))
	mustCause(t, c.aim(both, "start jmap node-4"), rebalance)
	c.fail("node-1")
	mustCause(t, c.aim(targetOf("mail: node-1 node-2", "web: node-3 node-4", "imap for mail: node-3"), "start imap node-3"), repair)
}

// What an operator ordered may be what a broken floor waits for: then it waits for
// no wave, and still is the operator's, not a repair.
func TestAStartThatABrokenFloorNeedsDoesNotWaitForAWaveThoughItIsOrdered(t *testing.T) {
	c := pairOf(t)
	c.adopt(floor(topologyOf(count("mail", 2, "imap"), count("web", 2, "jmap")), "imap", 2))
	c.aim(targetOf("mail: node-1 node-2", "web: node-3 node-4"), "start jmap node-4")
	// The order gives imap a seat on node-3; while jmap starts, node-1 dies.
	ordered := targetOf("mail: node-1 node-2 node-3", "web: node-3 node-4")
	c.restraints.Open = true
	c.aim(ordered, "")
	c.fail("node-1")
	mustCause(t, c.aim(ordered, "start imap node-3"), rebalance)
}

func TestRepairsCountForNoMaxMovingAndQueueForNone(t *testing.T) {
	six := only(count("mail", 6, "imap"), "node-1", "node-2", "node-3", "node-4", "node-5", "node-6", "node-7", "node-8", "node-9")
	c := running(t, tenNodes(), moving(topologyOf(six, count("web", 1, "jmap")), 1))
	at := placementOf(c)
	for _, id := range at["mail"][:3] {
		c.fail(id)
	}
	var loans []string
	for _, id := range []string{"node-7", "node-8", "node-9"} {
		loans = append(loans, "imap for mail: "+id)
	}
	seats := []string{"mail: " + strings.Join(at["mail"], " "), "web: " + at["web"][0]}
	c.aim(targetOf(append(seats, loans...)...), "start imap node-7, start imap node-8, start imap node-9")
	// They are on their way, and jmap moves all the same once it may.
	c.finish()
	c.aim(targetOf(append(seats[:1:1], append(loans, "web: node-10 node-9")...)...), "start jmap node-9")
}

// placementOf lists the members of pools as records name them.
func placementOf(c *cluster) map[string][]string {
	at := map[string][]string{}
	for _, n := range c.nodes {
		for _, a := range n.Assignments {
			at[a.Pool] = append(at[a.Pool], n.Id)
		}
	}
	return at
}

func TestAStandInBecomesTheMemberWithoutBeingTouched(t *testing.T) {
	c := pairOf(t)
	c.fail("node-1")
	c.aim(targetOf("mail: node-1 node-2", "web: node-3", "imap for mail: node-4"), "start imap node-4")
	c.finish()
	c.now = c.now.Add(5 * time.Minute)
	step := c.aim(moved, "reseat imap node-4")
	mustCause(t, step, repair)
	if step.Moves[0].Borrowed || !Ready(c.node("node-4"), "imap") {
		t.Errorf("%v", step.Moves[0])
	}
	// Then the seat is taken out of the record of the node that is down.
	step = c.aim(moved, "reseat imap node-1")
	mustCause(t, step, repair)
	if a := assignment(c.node("node-1"), "imap"); !a.Borrowed || a.Pool != "mail" {
		t.Errorf("%v", a)
	}
	// It comes back, serves on, and goes when it has settled.
	c.comeBack("node-1")
	mustSay(t, c.aim(moved, ""), "imap stays on node-1 until node-1 has been back for long enough")
	c.now = c.now.Add(time.Minute)
	c.aim(moved, "drain imap node-1")
}

func TestASeatIsTakenFromADownNodeOnceItsSuccessorHasStarted(t *testing.T) {
	c := pairOf(t)
	c.fail("node-1")
	c.now = c.now.Add(5 * time.Minute)
	mustCause(t, c.aim(moved, "start imap node-4"), repair)
	c.aim(moved, "")
	c.finish()
	c.aim(moved, "reseat imap node-1")
}

func TestASeatThatNobodyTookStaysInTheRecordOfItsNode(t *testing.T) {
	c := pairOf(t)
	c.fail("node-1")
	c.now = c.now.Add(5 * time.Minute)
	c.aim(targetOf("mail: node-2 -", "web: node-3"), "")
	c.comeBack("node-1")
	if step := c.aim(whole, ""); !step.Done {
		t.Errorf("waiting for %q", step.Waiting)
	}
}

func TestAStartThatGotStuckAndWasGivenElsewhereIsStopped(t *testing.T) {
	c := pairOf(t)
	c.fail("node-1")
	c.broken[instance{"node-3", "imap"}] = true
	c.aim(lent, "start imap node-3")
	c.report(c.node("node-3"), "imap", v1.ServiceState_SERVICE_STATE_FAILING)
	report(c.node("node-3"), "imap").Detail = "address in use"
	elsewhere := targetOf("mail: node-1 node-2", "web: node-3", "imap for mail: node-4")
	c.now = c.now.Add(StartDeadline)
	mustSay(t, c.aim(lent, ""), "imap on node-3 fails: address in use")
	step := c.aim(elsewhere, "start imap node-4, stop imap node-3")
	if stop := step.Moves[1]; stop.Cause != rebalance || !strings.Contains(stop.Reason, "address in use") {
		t.Errorf("%v", stop)
	}
}

func TestARepairUnderTheFloorDoesNotWaitForSessionsToEnd(t *testing.T) {
	for _, floorOf2 := range []uint32{1, 2} {
		top := func(web uint32) *v1.Topology {
			return floor(topologyOf(only(count("mail", 2, "imap"), "node-1", "node-2"), count("web", web, "jmap")), "imap", floorOf2)
		}
		c := running(t, grouped(nodesOf(4)), top(2))
		c.adopt(top(1))
		c.aim(targetOf("mail: node-1 node-2", "web: node-3"), "drain jmap node-4") // which restarts imap, if it were there
		c.fail("node-1")
		lent := targetOf("mail: node-1 node-2", "web: node-3", "imap for mail: node-4")
		if floorOf2 == 1 {
			c.aim(lent, "")
			c.finish()
		}
		if got := write(c.stepTo(c.viewOf(lent)).Moves); !strings.Contains(got, "start imap node-4") {
			t.Errorf("with a floor of %d: %q", floorOf2, got)
		}
	}
}

// The agent says since when it starts the service anew, and that is a moment ago
// each time; so it was waited for again and again.
func TestAServiceThatCrashesAndIsStartedAgainAndAgainIsNotWaitedFor(t *testing.T) {
	c := pairOf(t)
	n := c.node("node-1")
	crashed := c.now
	assignment(n, "imap").UnreadySince = stamp(crashed)
	for c.now.Before(crashed.Add(time.Minute)) {
		c.report(n, "imap", v1.ServiceState_SERVICE_STATE_STARTING)
		report(n, "imap").Since = stamp(c.now)
		want, late := starting, !c.now.Before(crashed.Add(10*time.Second))
		if late {
			want = stuck
		}
		if got := phaseOf(n, assignment(n, "imap"), c.top.Policy, c.now); got != want || placement.Lost(n, "imap", c.top.Policy, c.now) != late {
			t.Fatalf("%s after the crash its phase is %d, want %d", c.now.Sub(crashed), got, want)
		}
		c.now = c.now.Add(time.Second)
	}
	mustSay(t, c.aim(lent, "start imap node-3"), "imap on node-1 was ready and is not since 2030-")
	assignment(n, "imap").RestartedAt = stamp(c.now)
	if got := phaseOf(n, assignment(n, "imap"), c.top.Policy, c.now.Add(StartDeadline-1)); got != starting {
		t.Error("what Roster restarts is not waited for")
	}
}
