package rollout

import (
	"testing"
	"time"

	v1 "roster/proto/roster/v1"
)

// swapped is two nodes whose services restart together and are to change places.
func swapped(t *testing.T) *cluster {
	t.Helper()
	c := running(t, grouped(nodesOf(2)), topologyOf(only(count("mail", 1, "imap"), "node-1"), only(count("web", 1, "jmap"), "node-2")))
	c.adopt(topologyOf(only(count("mail", 1, "imap"), "node-2"), only(count("web", 1, "jmap"), "node-1")))
	c.restraints.Open = true
	return c
}

func TestAFloorIsBrokenOnlyIfTheOperatorAcceptsItAndOneNodeAtATime(t *testing.T) {
	c := swapped(t)
	mustSay(t, c.expect(""), "starting jmap on node-1 restarts imap there: imap has 1 ready and a floor in force of 1")
	c.restraints.AcceptGap = true
	step := c.expect("start jmap node-1")
	if !step.Gap {
		t.Errorf("%v is said to break no floor", step.Moves)
	}
	c.expect("") // nothing else, while it is on its way
	c.finish()
	if step := c.expect("start imap node-2"); step.Gap {
		t.Errorf("both have jmap now")
	}
	c.finish()
	c.mustBeDone(c.run())
}

func TestTheLeastHarmfulStepBreaksTheFloor(t *testing.T) {
	// node-1 alone has imap; of jmap, whose floor is 2, there are two: one of them
	// restarts, and neither takes a service away.
	c := running(t, grouped(nodesOf(3)), floor(topologyOf(only(count("mail", 1, "imap"), "node-1"), only(count("web", 2, "jmap"), "node-2", "node-3")), "jmap", 2))
	c.adopt(floor(topologyOf(only(count("mail", 1, "imap", "webdav"), "node-1"), only(count("web", 2, "jmap", "smtp-inbound"), "node-2", "node-3")), "jmap", 2))
	c.restraints = Restraints{Open: true, AcceptGap: true}
	if step := c.expect("start smtp-inbound node-2"); !step.Gap {
		t.Errorf("no gap")
	}
}

func TestNoFloorIsBrokenWhileAnythingMayComeFreeByItself(t *testing.T) {
	for name, do := range map[string]func(c *cluster){
		"something starts":    func(c *cluster) { c.report(c.node("node-3"), "webdav", v1.ServiceState_SERVICE_STATE_STARTING) },
		"something drains":    func(c *cluster) { c.mustDrain("node-3", "webdav") },
		"a node is not heard": func(c *cluster) { c.deaf["node-3"] = true },
		"a freeze will end": func(c *cluster) {
			c.restraints.Freezes = []*v1.Freeze{freezeOf("node:node-3", c.now.Add(time.Hour))}
			c.surplus()
		},
		"Roster holds":          func(c *cluster) { c.restraints.Hold = holding(false) },
		"the rollout is paused": func(c *cluster) { c.restraints.Pause = &v1.Pause{} },
		"the floor is broken":   func(c *cluster) { c.failing("node-1"); c.now = c.now.Add(StartDeadline) },
	} {
		t.Run(name, func(t *testing.T) {
			three := only(count("dav", 1, "webdav"), "node-3")
			c := running(t, grouped(nodesOf(3)), topologyOf(only(count("mail", 1, "imap"), "node-1"), three))
			c.adopt(topologyOf(only(count("mail", 1, "imap", "jmap"), "node-1"), three))
			c.restraints = Restraints{Open: true, AcceptGap: true}
			do(c)
			c.calm = false
			if step := Next(c.view()); step.Gap {
				t.Errorf("%s", write(step.Moves))
			}
		})
	}
}

func TestARepairBreaksNoFloorWhateverIsAccepted(t *testing.T) {
	c := running(t, grouped(nodesOf(3)), topologyOf(only(count("mail", 1, "imap"), "node-1"), only(count("web", 1, "jmap"), "node-2")))
	c.fail("node-1")
	c.now = c.now.Add(time.Hour)
	c.restraints = Restraints{AcceptGap: true}
	step := c.aim(targetOf("mail: node-1", "web: node-2", "imap for mail: node-2"), "")
	mustSay(t, step, "starting imap on node-2 restarts jmap there")
}

// mustDrain drains a service behind everybody's back.
func (c *cluster) mustDrain(id, service string) {
	a := assignment(c.node(id), service)
	a.Wanted, a.Since, a.Revision = v1.Wanted_WANTED_DRAINING, stamp(c.now), c.rev
	c.report(c.node(id), service, v1.ServiceState_SERVICE_STATE_DRAINING)
	c.takeStock()
}

// surplus gives node-3 something that nobody wants there.
func (c *cluster) surplus() {
	n := c.node("node-3")
	n.Assignments = append(n.Assignments, &v1.Assignment{Service: "smtp-outbound", Node: n.Id, Wanted: v1.Wanted_WANTED_SERVING, Since: stamp(c.now)})
	c.report(n, "smtp-outbound", v1.ServiceState_SERVICE_STATE_SERVING)
	c.takeStock()
}

func TestWhatIsProposedBreaksNoFloor(t *testing.T) {
	c := swapped(t)
	approve(c.top.Policy)
	c.restraints = Restraints{AcceptGap: true}
	if p := Propose(c.view(), rebalance); p != nil {
		t.Errorf("proposed is %v", p)
	}
}
