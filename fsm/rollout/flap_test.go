package rollout

import (
	"testing"
	"time"

	"roster/fsm/placement"
	v1 "roster/proto/roster/v1"
)

// hasty is a placement that remembers nothing: what a node lost is lent at once,
// and taken back at once. All patience is rollout's.
func (c *cluster) hasty(borrower string) *placement.Target {
	target := targetOf("mail: node-1 node-2", "web: node-3", "mx: node-5")
	for _, n := range c.nodes {
		for _, a := range n.Assignments {
			if !a.Borrowed && placement.Lost(n, a.Service, c.top.Policy, c.now) {
				target.Loans = append(target.Loans, &v1.Loan{Pool: a.Pool, Service: a.Service, Node: borrower, Reason: "it has room"})
			}
		}
	}
	return target
}

func TestANodeThatFlapsForTenMinutesBringsOneBorrowAndOneReturn(t *testing.T) {
	top := floor(topologyOf(only(count("mail", 2, "imap", "webdav"), "node-1", "node-2"),
		only(count("web", 1, "jmap"), "node-3"), only(count("mx", 1, "smtp-inbound"), "node-5")), "imap", 2)
	c := running(t, nodesOf(5), top)
	c.calm = false
	moves := map[moveKey]int{}
	second := func() {
		c.now = c.now.Add(time.Second)
		for _, m := range c.stepTo(c.viewOf(c.hasty("node-4"))).Moves {
			moves[keyOf(m)]++
		}
		c.finish()
	}
	for s := range 600 {
		switch phase := s % 20; phase {
		case 0: // it falls silent
			c.deaf["node-1"] = true
		case 10: // and is marked down
			c.fail("node-1")
		case 15:
			delete(c.deaf, "node-1")
			c.comeBack("node-1")
			for _, r := range c.node("node-1").Reports {
				r.State, r.Since = v1.ServiceState_SERVICE_STATE_STARTING, stamp(c.now)
			}
			c.takeStock()
		}
		second()
	}
	if got := assignment(c.node("node-4"), "imap"); got == nil || c.node("node-1").Flaps != 30 {
		t.Fatalf("after ten minutes, it is not borrowed any more: %v, flaps %d", got, c.node("node-1").Flaps)
	}
	back := c.now
	for len(c.node("node-4").Assignments) > 0 && c.now.Before(back.Add(3*time.Hour)) {
		second()
	}
	t.Logf("given back %s after it came back for good", c.now.Sub(back))
	if c.now.Before(back.Add(time.Hour - 10*time.Second)) {
		t.Errorf("30 returns were not held against it")
	}
	for _, service := range []string{"imap", "webdav"} {
		start := moveKey{"node-4", service, "mail", v1.Action_ACTION_START, true}
		stop := moveKey{"node-4", service, "mail", v1.Action_ACTION_STOP, false}
		if moves[start] != 1 || moves[stop] != 1 {
			t.Errorf("%s was borrowed %d times and given back %d times", service, moves[start], moves[stop])
		}
	}
	for key, n := range moves {
		if key.node != "node-4" || n > 1 {
			t.Errorf("%v, %d times", key, n)
		}
	}
}
