package rollout

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	v1 "roster/proto/roster/v1"
)

// replaced is a cluster whose imap is to move from node-1 and node-2 to node-3 and
// node-4, each of them a pool's only two.
func replaced(t *testing.T) *cluster {
	t.Helper()
	c := running(t, nodesOf(5), topologyOf(only(count("mail", 2, "imap"), "node-1", "node-2")))
	top := topologyOf(only(count("mail", 2, "imap"), "node-3", "node-4"))
	top.Policy.Rollout = &v1.RolloutPolicy{Canary: 1, Bake: durationpb.New(10 * time.Minute)}
	c.adopt(moving(top, 100))
	c.restraints.Open = true
	return c
}

func TestWhileARolloutIsPausedNothingOfItBeginsOrEnds(t *testing.T) {
	c := replaced(t)
	c.expect("start imap node-3, start imap node-4")
	c.restraints.Pause = &v1.Pause{By: "roster://mail/user/anna", Time: stamp(noon), Reason: "lunch"}
	c.finish()
	step := c.expect("")
	if want := "the rollout is paused by roster://mail/user/anna since 2030-01-01T12:00:00Z: lunch"; len(step.Held) == 0 || step.Held[0].Why != want {
		t.Errorf("held is %v, want %q", step.Held, want)
	}
	c.restraints.Pause = &v1.Pause{Time: stamp(noon), Reason: "the canary failed: node-3 is down"}
	if step := c.expect(""); len(step.Held) == 0 || step.Held[0].Why != "the rollout is paused since 2030-01-01T12:00:00Z: the canary failed: node-3 is down" {
		t.Errorf("held is %v", step.Held)
	}
	c.restraints.Pause = nil
	c.expect("drain imap node-1, drain imap node-2")
	c.restraints.Pause = &v1.Pause{}
	c.finish()
	c.expect("") // what has drained is stopped when it goes on
}

func TestAServiceUnderItsFloorIsRepairedWhileTheRolloutIsPaused(t *testing.T) {
	c := running(t, nodesOf(4), floor(topologyOf(only(count("mail", 2, "imap"), "node-1", "node-2")), "imap", 2))
	c.adopt(floor(topologyOf(only(count("mail", 2, "imap"), "node-1", "node-3")), "imap", 2))
	c.restraints = Restraints{Open: true, Pause: &v1.Pause{}}
	c.expect("")
	c.fail("node-2")
	mustCause(t, c.aim(targetOf("mail: node-1 node-3"), "start imap node-3"), repair)
}

// A new service reached its floor on the canary alone. When that node dies, it is
// made up for by one other, and the rest waits as it did.
func TestANewServiceOfALostCanaryComesBackOnOneNodeOnly(t *testing.T) {
	for name, restraints := range map[string]Restraints{
		"it is watched": {Open: true, Canary: &v1.Canary{Nodes: []string{"node-1"}}},
		"it is paused":  {Open: true, Pause: &v1.Pause{}, Canary: &v1.Canary{Nodes: []string{"node-1"}, Failure: "node-1 is down"}},
	} {
		t.Run(name, func(t *testing.T) {
			mail := only(count("mail", 3, "imap"), "node-1", "node-2", "node-3")
			c := running(t, nodesOf(3), topologyOf(mail))
			both := only(count("mail", 3, "imap", "webdav"), "node-1", "node-2", "node-3")
			top := topologyOf(both)
			top.Policy.Rollout = &v1.RolloutPolicy{Canary: 1, Bake: durationpb.New(10 * time.Minute)}
			c.adopt(moving(top, 100))
			c.restraints = Restraints{Open: true, Canary: &v1.Canary{}}
			c.expect("start webdav node-1")
			c.finish()
			c.fail("node-1")
			c.restraints = restraints
			mustCause(t, c.expect("start webdav node-2"), repair)
		})
	}
}

func TestACanaryGoesFirstIsWatchedAndThenTheRestFollows(t *testing.T) {
	c := replaced(t)
	c.restraints.Canary = &v1.Canary{}
	judged := func(wellSince, passed bool) {
		t.Helper()
		verdict := JudgeCanary(c.view())
		if (verdict.GetWellSince() != nil) != wellSince || verdict.GetPassed() != passed || verdict.GetFailure() != "" {
			t.Fatalf("judged %v, waiting for %q", verdict, c.step().Waiting)
		}
		if verdict != nil {
			c.restraints.Canary.WellSince = verdict.WellSince
		}
	}
	judged(false, false)
	step := c.expect("start imap node-3")
	mustHold(t, step, "start imap node-4", "it waits for its canary: node-3 goes first")
	judged(false, false)
	c.finish()
	mustHold(t, c.expect(""), "start imap node-4, drain imap node-1, drain imap node-2", "it waits for its canary: node-3 goes first")
	judged(true, false)
	c.now = c.now.Add(10*time.Minute - time.Second)
	judged(false, false)
	c.restraints.Canary.WellSince = stamp(noon)
	c.now = c.now.Add(time.Second)
	judged(true, true)
	c.restraints.Canary = nil
	c.expect("start imap node-4, drain imap node-1")
}

func TestACanaryThatIsNotWellAnyMoreIsWatchedAnew(t *testing.T) {
	c := replaced(t)
	c.restraints.Canary = &v1.Canary{Nodes: []string{"node-3"}}
	c.expect("start imap node-3")
	c.finish()
	c.restraints.Canary.WellSince = stamp(noon)
	c.now = c.now.Add(9 * time.Minute)
	c.report(c.node("node-3"), "imap", v1.ServiceState_SERVICE_STATE_FAILING)
	c.takeStock()
	if verdict := JudgeCanary(c.view()); verdict == nil || verdict.WellSince != nil || verdict.Passed || verdict.Failure != "" {
		t.Errorf("judged %v", verdict)
	}
}

func TestACanaryFailsByItsOwnNodesAlone(t *testing.T) {
	for name, x := range map[string]struct {
		do   func(c *cluster)
		want string
	}{
		"it is down":              {func(c *cluster) { c.fail("node-3") }, "node-3 is down"},
		"another node is down":    {func(c *cluster) { c.fail("node-5") }, ""},
		"the operator drains it":  {func(c *cluster) { c.drained("node-3", 0); c.fail("node-3") }, ""},
		"a start takes too long":  {func(c *cluster) { c.now = c.now.Add(StartDeadline) }, "imap on node-3 has not become ready within 1m0s"},
		"a start takes its time":  {func(c *cluster) { c.now = c.now.Add(StartDeadline - time.Second) }, ""},
		"it fails":                {func(c *cluster) { c.failing("node-3"); c.now = c.now.Add(10 * time.Second) }, "imap on node-3 fails"},
		"it has just begun to":    {func(c *cluster) { c.failing("node-3") }, ""},
		"one outside of it":       {func(c *cluster) { c.failing("node-1"); c.now = c.now.Add(10 * time.Second) }, ""},
		"it was judged already":   {func(c *cluster) { c.fail("node-3"); c.restraints.Canary.Failure = "so it is" }, ""},
		"the rollout is paused":   {func(c *cluster) { c.fail("node-3"); c.restraints.Pause = &v1.Pause{} }, ""},
		"there is no canary":      {func(c *cluster) { c.fail("node-3"); c.restraints.Canary = nil }, ""},
		"there is nothing to say": {func(*cluster) {}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := replaced(t)
			c.restraints.Canary = &v1.Canary{}
			c.expect("start imap node-3")
			x.do(c)
			if got := JudgeCanary(c.view()).GetFailure(); got != x.want {
				t.Errorf("it fails by %q, want %q", got, x.want)
			}
		})
	}
}

func (c *cluster) failing(id string) {
	c.calm = false
	c.report(c.node(id), "imap", v1.ServiceState_SERVICE_STATE_FAILING)
	c.takeStock()
}

func TestACanaryThatMovesNothingHasPassedUnlessSomethingIsInItsWay(t *testing.T) {
	c := running(t, nodesOf(2), topologyOf(only(count("mail", 1, "imap"), "node-1")))
	c.restraints = Restraints{Open: true, Canary: &v1.Canary{}}
	if verdict := JudgeCanary(c.view()); !verdict.GetPassed() {
		t.Errorf("judged %v", verdict)
	}
	top := topologyOf(only(count("mail", 1, "imap"), "node-2"))
	top.Policy.Rollout = &v1.RolloutPolicy{Canary: 1}
	c.adopt(top)
	c.restraints.Freezes = []*v1.Freeze{freezeOf("all", c.now.Add(time.Hour))}
	if verdict := JudgeCanary(c.view()); verdict != nil {
		t.Errorf("judged %v while all is frozen", verdict)
	}
}

func TestAPlanSaysWhatEachMoveIsAndWhatEachWaveLeaves(t *testing.T) {
	c := running(t, grouped(nodesOf(3)), topologyOf(only(count("mail", 2, "imap"), "node-1", "node-2")))
	c.adopt(topologyOf(only(count("mail", 2, "imap"), "node-1", "node-2"), only(count("web", 1, "jmap"), "node-3")))
	plan := Plan(c.view())
	if len(plan.Waves) != 1 || len(plan.Waves[0].Moves) != 1 {
		t.Fatalf("%v", plan)
	}
	m := plan.Waves[0].Moves[0]
	if !slices.Equal(m.Steps, []string{"its agent starts it", "its probe passes, and it counts as ready"}) ||
		m.Deadline.AsDuration() != StartDeadline || !strings.HasPrefix(m.WayBack, "if it is not ready within 1m0s, ") {
		t.Errorf("%v", m)
	}
	if r := plan.Waves[0].Ready; len(r) != 2 || r[0].Service != "imap" || r[0].Committed != 2 || r[0].Settled != 2 || r[0].Floor != 1 ||
		r[1].Service != "jmap" || r[1].Committed != 0 || r[1].Settled != 1 || r[1].Floor != 0 {
		t.Errorf("it leaves %v", r)
	}
	for _, m := range Next(c.view()).Moves {
		if len(m.Steps) > 0 || m.Deadline != nil || m.WayBack != "" {
			t.Errorf("%v is for a command", m)
		}
	}
	c.adopt(topologyOf(only(count("mail", 1, "imap"), "node-2")))
	plan = Plan(c.view())
	drain, stop := plan.Waves[0].Moves[0], plan.Waves[1].Moves[0]
	if drain.Deadline.AsDuration() != time.Minute || !slices.Contains(drain.Steps, "its sessions end, at most 1m0s") || drain.WayBack == "" {
		t.Errorf("%v", drain)
	}
	if stop.Action != v1.Action_ACTION_STOP || stop.Deadline != nil || len(stop.Steps) != 1 || stop.WayBack == "" {
		t.Errorf("%v", stop)
	}
}
