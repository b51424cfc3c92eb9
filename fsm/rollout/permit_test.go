package rollout

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	v1 "roster/proto/roster/v1"
)

func freezeOf(scope string, ends time.Time) *v1.Freeze {
	return &v1.Freeze{Id: "f", Scope: scope, Since: stamp(noon), Expires: stamp(ends), By: "anna", Reason: "the carrier works"}
}

func holding(slow bool) *v1.Hold {
	return &v1.Hold{Since: stamp(noon), Reason: "4 of 10 nodes are silent at once", Slow: slow}
}

func mustHold(t *testing.T, step Step, moves, why string) {
	t.Helper()
	var held []*v1.Move
	for _, h := range step.Held {
		held = append(held, h.Move)
		if !strings.Contains(h.Why, why) {
			t.Errorf("%s is held by %q, want %q", write([]*v1.Move{h.Move}), h.Why, why)
		}
	}
	if got := write(held); got != moves {
		t.Errorf("held are %q, want %q", got, moves)
	}
	mustSay(t, step, why)
	if step.Done {
		t.Errorf("done, though something is held")
	}
}

func TestAFreezeCoversItsScopeAndNothingElse(t *testing.T) {
	n := grouped([]*v1.Node{newNode("node-1", "a1")}, "imap", "jmap")[0]
	n.Assignments = []*v1.Assignment{{Service: "imap", Pool: "mail", Wanted: v1.Wanted_WANTED_SERVING}, {Service: "smtp-inbound", Pool: "old", Wanted: v1.Wanted_WANTED_SERVING}}
	start := &v1.Move{Node: "node-1", Service: "jmap", Pool: "web", Action: v1.Action_ACTION_START}
	reseat := &v1.Move{Node: "node-1", Service: "smtp-inbound", Pool: "mx", Action: v1.Action_ACTION_RESEAT}
	for scope, covers := range map[string][2]bool{
		"all": {true, true}, "node:node-1": {true, true}, "node:node-10": {}, "pool:web": {true, false}, "pool:mx": {false, true}, "pool:old": {false, true},
		"service:jmap": {true, false}, "service:smtp-inbound": {false, true}, "service:webdav": {}, "region:a": {true, true}, "region:a1": {}, "zone:a1": {true, true}, "zone:a": {},
		// A start of jmap restarts imap there.
		"service:imap": {true, false},
	} {
		if got := [2]bool{Covers(scope, n, start), Covers(scope, n, reseat)}; got != covers {
			t.Errorf("%s covers %v, want %v", scope, got, covers)
		}
	}
}

func TestAFrozenScopeDoesNotMoveForARepairEitherAndSaysWhy(t *testing.T) {
	for _, scope := range []string{"all", "node:node-3", "pool:mail", "service:imap", "region:a", "zone:a1"} {
		c := pairOf(t)
		c.fail("node-1")
		c.restraints.Freezes = []*v1.Freeze{freezeOf(scope, noon.Add(time.Hour))}
		step := c.aim(lent, "")
		mustHold(t, step, "start imap node-3", scope+" is frozen until 2030-01-01T13:00:00Z by anna: the carrier works")
		mustSay(t, step, "starting imap on node-3 is not done: ")
		// Its time ends it.
		c.now = noon.Add(time.Hour)
		c.aim(lent, "start imap node-3")
	}
	c := pairOf(t)
	c.fail("node-1")
	c.restraints.Freezes = []*v1.Freeze{freezeOf("node:node-4", noon.Add(time.Hour)), freezeOf("zone:b1", noon.Add(time.Hour))}
	c.aim(lent, "start imap node-3")
}

func TestAFreezeKeepsSeatsAndDrainsAsTheyAre(t *testing.T) {
	c := pairOf(t)
	c.adopt(topologyOf(count("post", 2, "imap"), count("web", 1, "jmap")))
	c.restraints.Freezes = []*v1.Freeze{freezeOf("node:node-1", noon.Add(time.Hour))}
	mustHold(t, c.aim(targetOf("post: node-1 node-2", "web: node-3"), "reseat imap node-2"), "reseat imap node-1", "frozen")
	c = pairOf(t)
	c.adopt(topologyOf(count("mail", 1, "imap"), count("web", 1, "jmap")))
	c.aim(targetOf("mail: node-2", "web: node-3"), "drain imap node-1")
	c.restraints.Freezes = []*v1.Freeze{freezeOf("all", noon.Add(time.Hour))}
	c.calm = false
	mustHold(t, c.aim(targetOf("mail: node-1 node-2", "web: node-3"), ""), "undrain imap node-1", "frozen")
	c.finish()
	mustHold(t, c.aim(targetOf("mail: node-2", "web: node-3"), ""), "stop imap node-1", "frozen")
}

func TestAnAgentThatDoesNothingGetsNoMoveAndTheStepSaysWhy(t *testing.T) {
	for why, change := range map[string]func(n *v1.Node){
		"node-3 observes":                         func(n *v1.Node) { n.Mode = v1.AgentMode_AGENT_MODE_OBSERVE },
		"node-3 is frozen on its host: disk work": func(n *v1.Node) { n.Frozen = "disk work" },
		"node-3 holds a newer set":                func(n *v1.Node) { n.Ahead = &v1.SetVersion{Epoch: 7} },
		"node-3 has not told yet what it serves":  func(n *v1.Node) { n.Unconfirmed = true },
	} {
		c := pairOf(t)
		change(c.node("node-3"))
		c.fail("node-1")
		mustHold(t, c.aim(lent, ""), "start imap node-3", why)
		// Nor is anything taken away there, or given another seat.
		c = pairOf(t)
		change(c.node("node-3"))
		c.aim(targetOf("mail: node-1 node-2", "web: node-4"), "start jmap node-4")
		c.finish()
		mustHold(t, c.aim(targetOf("mail: node-1 node-2", "web: node-4"), ""), "drain jmap node-3", why)
		c.adopt(topologyOf(count("mail", 2, "imap"), count("web", 1, "jmap"), count("webs", 1, "jmap")))
		mustHold(t, c.aim(targetOf("mail: node-1 node-2", "webs: node-3", "web: node-4"), ""), "reseat jmap node-3", why)
	}
}

func TestWhatItsHostNeverStopsIsNeitherDrainedNorStoppedNorRestarted(t *testing.T) {
	c := pairOf(t)
	never := func(id, service string) {
		for _, claim := range c.node(id).Claims.Services {
			claim.NeverStop = claim.NeverStop || claim.Name == service
		}
	}
	never("node-3", "jmap")
	c.aim(targetOf("mail: node-1 node-2", "web: node-4"), "start jmap node-4")
	c.finish()
	mustHold(t, c.aim(targetOf("mail: node-1 node-2", "web: node-4"), ""), "drain jmap node-3", "the configuration of node-3 says that jmap is never stopped there")
	c.fail("node-1")
	c.aim(targetOf("mail: node-1 node-2", "web: node-3 node-4", "imap for mail: node-3"), "start imap node-3")

	// Nor is it where it fails.
	c = pairOf(t)
	never("node-3", "jmap")
	c.calm = false
	c.report(c.node("node-3"), "jmap", v1.ServiceState_SERVICE_STATE_FAILING)
	c.now = c.now.Add(StartDeadline)
	c.takeStock()
	mustHold(t, c.aim(targetOf("mail: node-1 node-2"), ""), "stop jmap node-3", "jmap is never stopped there")

	c = pairOf(t)
	never("node-3", "jmap")
	grouped(c.nodes)
	c.fail("node-1")
	c.floors["jmap"].Floor = 0
	mustHold(t, func() Step { return Next(c.viewOf(lent)) }(), "start imap node-3", "jmap is never stopped there")
}

func TestAHoldLetsOnlyWhatRestoresAFloorHappen(t *testing.T) {
	c := pairOf(t)
	c.restraints.Hold = holding(false)
	// imap has two, its floor: nothing is started, nothing goes, no seat changes.
	mustHold(t, c.aim(targetOf("mail: node-1 node-2 node-4", "web: node-3"), ""), "start imap node-4", "Roster holds: 4 of 10 nodes are silent at once")
	c.adopt(floor(topologyOf(only(count("mail", 1, "imap"), "node-1"), count("web", 1, "jmap")), "imap", 1))
	mustHold(t, c.aim(targetOf("mail: node-1", "web: node-3"), ""), "drain imap node-2", "Roster holds")
	c.adopt(floor(topologyOf(count("mail", 2, "imap"), count("web", 1, "jmap")), "imap", 2))
	c.fail("node-1")
	// One is missing: one is begun, and no more.
	two := targetOf("mail: node-1 node-2", "web: node-3", "imap for mail: node-3", "imap for mail: node-4")
	step := c.aim(two, "start imap node-3")
	mustHold(t, step, "start imap node-4", "Roster holds")
	mustHold(t, c.aim(two, ""), "start imap node-4", "Roster holds")
}

func TestASlowHoldRepairsEachPoolOneNodeAtATime(t *testing.T) {
	c := pairOf(t)
	c.adopt(topologyOf(count("mail", 2, "imap"), count("web", 1, "jmap"))) // floors of 1 hold
	c.fail("node-1")
	two := targetOf("mail: node-1 node-2", "web: node-3", "imap for mail: node-3", "imap for mail: node-4", "jmap for web: node-2")
	c.restraints.Hold = holding(false)
	mustHold(t, c.aim(two, ""), "start jmap node-2, start imap node-3, start imap node-4", "Roster holds: 4 of 10")
	c.restraints.Hold = holding(true)
	mustHold(t, c.aim(two, "start jmap node-2, start imap node-3"), "start imap node-4", "Roster holds: pool mail is repaired one node at a time")
	mustHold(t, c.aim(two, ""), "start imap node-4", "one node at a time")
	c.finish()
	c.aim(two, "start imap node-4")
	c.finish()
	// What is no repair waits for the end of the hold.
	c.calm = false
	c.now = c.now.Add(time.Minute)
	mustHold(t, c.aim(targetOf("mail: node-1 node-2", "web: node-3", "imap for mail: node-3", "jmap for web: node-2"), ""), "drain imap node-4", "Roster holds")
}

func TestReasonsComeInTheirOrder(t *testing.T) {
	n := newNode("node-1", "a1")
	n.Mode = v1.AgentMode_AGENT_MODE_OBSERVE
	m := &v1.Move{Node: "node-1", Service: "imap", Pool: "mail", Action: v1.Action_ACTION_START, Cause: repair}
	policy := &v1.Policy{Repair: v1.Automation_AUTOMATION_APPROVE}
	r := Restraints{Freezes: []*v1.Freeze{freezeOf("all", noon.Add(time.Hour))}, Hold: holding(false)}
	ask := func(want string) {
		t.Helper()
		why, ok := r.Permits(n, m, policy, noon, func(*v1.Node, string) bool { return false })
		if ok != (want == "") || !strings.Contains(why, want) {
			t.Errorf("%v, %q, want %q", ok, why, want)
		}
	}
	ask("all is frozen")
	r.Freezes = []*v1.Freeze{freezeOf("all", noon)} // its time has just passed
	ask("node-1 observes")
	n.Mode = v1.AgentMode_AGENT_MODE_ACT
	ask("Roster holds")
	r.Hold = nil
	ask("policy.repair waits for the operator's approval")
	policy.Repair = v1.Automation_AUTOMATION_OFF
	ask("policy.repair is off")
	r.Open = true // an order of the operator does not approve repairs
	ask("policy.repair is off")
	r.Approvals = []*v1.Approval{{Cause: repair, Rejected: true, Moves: []*v1.Move{proto.CloneOf(m)}}}
	ask("policy.repair is off")
	r.Approvals[0].Rejected = false
	ask("")
	for _, other := range []func(m *v1.Move){
		func(m *v1.Move) { m.Node = "node-2" }, func(m *v1.Move) { m.Service = "jmap" }, func(m *v1.Move) { m.Pool = "web" },
		func(m *v1.Move) { m.Borrowed = true }, func(m *v1.Move) { m.Action = v1.Action_ACTION_UNDRAIN },
	} {
		r.Approvals[0].Moves[0] = proto.CloneOf(m)
		other(r.Approvals[0].Moves[0])
		ask("policy.repair is off")
	}
	m.Cause = rebalance
	ask("")
	policy.Rebalance = v1.Automation_AUTOMATION_APPROVE
	ask("") // it is open
	r.Open = false
	ask("policy.rebalance waits for the operator's approval")
	policy.Rebalance = v1.Automation_AUTOMATION_AUTO
	ask("")
}

func TestNobodyWaitsForANodeWhoseAgentDoesNothing(t *testing.T) {
	c := pairOf(t)
	c.adopt(topologyOf(count("mail", 2, "imap"), count("web", 1, "jmap")))
	c.node("node-4").Mode = v1.AgentMode_AGENT_MODE_OBSERVE
	c.calm = false
	mustHold(t, c.aim(targetOf("mail: node-2 node-4", "web: node-3"), "drain imap node-1"), "start imap node-4", "node-4 observes")
	// What a freeze holds comes later, and is waited for.
	c = pairOf(t)
	c.adopt(topologyOf(count("mail", 2, "imap"), count("web", 1, "jmap")))
	c.restraints.Freezes = []*v1.Freeze{freezeOf("node:node-4", noon.Add(time.Hour))}
	mustHold(t, c.aim(targetOf("mail: node-2 node-4", "web: node-3"), ""), "start imap node-4", "frozen")
}
