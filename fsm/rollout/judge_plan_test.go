package rollout

import (
	"reflect"
	"slices"

	v1 "roster/proto/roster/v1"
)

// mustEnd: done, unless a floor is higher than the target has seats.
func (c *cluster) mustEnd(step Step) {
	c.t.Helper()
	seats := map[string]int{}
	for id, set := range c.view().Target.Wanted(c.top) {
		for service := range set {
			seats[service]++
			for _, p := range c.parts {
				if p.Service == service && liesIn(c.node(id), p.Where) {
					seats[KeyOf(p)]++
				}
			}
		}
	}
	for key, floor := range c.inForce {
		if seats[key] < int(floor) {
			return
		}
	}
	c.mustBeDone(step)
}

// mustBeDone: every set is the target's.
func (c *cluster) mustBeDone(step Step) {
	c.t.Helper()
	if !step.Done {
		c.t.Fatalf("not done: %v", step.Waiting)
	}
	target := c.view().Target
	wanted, loaned := target.Wanted(c.top), target.Loaned()
	for _, n := range c.nodes {
		set := map[string]string{}
		for _, a := range n.Assignments {
			if a.Wanted == v1.Wanted_WANTED_SERVING {
				set[a.Service] = a.Pool
			} else {
				set[a.Service] = "draining"
			}
		}
		want := wanted[n.Id]
		if want == nil {
			want = map[string]string{}
		}
		for service, pool := range loaned[n.Id] {
			want[service] = pool
		}
		if !reflect.DeepEqual(set, want) {
			c.t.Fatalf("%s has %v, the target wants %v\n%s", n.Id, set, want, c.story())
		}
	}
}

// mustBeAsPlanned: the waves that came are those that were announced, and so is
// what they led to.
//
// Where it breaks floors, it comes so far as it breaks none, and the rest once
// that is accepted.
func (c *cluster) mustBeAsPlanned(plan *v1.Plan, view View, waves [][]*v1.Move) {
	c.t.Helper()
	if plan.Gapless != (len(plan.Gaps) == 0) {
		c.t.Fatalf("gapless is %v, with %d gaps", plan.Gapless, len(plan.Gaps))
	}
	if !plan.Gapless && !c.restraints.AcceptGap {
		if first := int(plan.Gaps[0].Wave); len(waves) != first-1 {
			c.t.Fatalf("wave %d breaks a floor, and %d came", first, len(waves))
		}
		before := len(c.waves)
		c.restraints.AcceptGap = true
		c.run()
		c.restraints.AcceptGap = false
		waves = append(slices.Clone(waves), c.waves[before:]...)
	}
	if len(waves) != len(plan.Waves) {
		for _, w := range plan.Waves {
			c.t.Logf("announced: %s", write(WaveMoves(w)))
		}
		c.t.Fatalf("%d waves were announced, %d came\n%s", len(plan.Waves), len(waves), c.story())
	}
	for i, w := range waves {
		if got, want := write(w), write(WaveMoves(plan.Waves[i])); got != want {
			c.t.Fatalf("wave %d is %s, announced was %s", i, got, want)
		}
	}
	c.mustLeaveAsPlanned(plan, len(c.waves)-len(waves))
	if !reflect.DeepEqual(c.view().Target.Wanted(c.top), view.Target.Wanted(c.top)) {
		c.t.Fatalf("the target changed on the way")
	}
}

// judgeGap: a floor is broken only if that is accepted, on one node, for no
// repair, when nothing is on its way and nothing else could be done.
func (c *cluster) judgeGap(v View, step Step, broken int) {
	c.t.Helper()
	if !v.Restraints.AcceptGap {
		c.t.Fatalf("%s breaks a floor, and nobody accepted that", write(step.Moves))
	}
	if broken == 0 {
		c.t.Fatalf("%s breaks no floor, and is called a gap", write(step.Moves))
	}
	for _, m := range step.Moves {
		if m.Node != step.Moves[0].Node || m.Cause == v1.Cause_CAUSE_REPAIR {
			c.t.Fatalf("%s breaks a floor", write(step.Moves))
		}
	}
	for _, n := range c.nodes {
		for _, a := range n.Assignments {
			state := reported(n, a.Service)
			starts := a.Wanted == v1.Wanted_WANTED_SERVING && state != v1.ServiceState_SERVICE_STATE_SERVING
			if n.State != v1.NodeState_NODE_STATE_DOWN && (starts || state == v1.ServiceState_SERVICE_STATE_DRAINING) &&
				c.now.Before(a.Since.AsTime().Add(StartDeadline)) {
				c.t.Fatalf("%s breaks a floor, and %s on %s is on its way\n%s", write(step.Moves), a.Service, n.Id, c.story())
			}
		}
	}
	v.Restraints.AcceptGap = false
	if without := Next(v); len(without.Moves) > 0 || len(without.Waiting) == 0 {
		c.t.Fatalf("%s breaks a floor, and %s could be done", write(step.Moves), write(without.Moves))
	}
}

// mustLeaveAsPlanned: what each wave leaves is what was announced.
func (c *cluster) mustLeaveAsPlanned(plan *v1.Plan, before int) {
	c.t.Helper()
	for i, w := range plan.Waves {
		committed, finished := c.committed[before+i], c.readyNow()
		if before+i < len(c.finished) {
			finished = c.finished[before+i]
		}
		told := map[string]bool{}
		for _, r := range w.Ready {
			key := FloorKey(r.Service, r.Part)
			told[key] = true
			if int(r.Committed) != committed[key] || int(r.Settled) != finished[key] {
				c.t.Fatalf("wave %d was to leave %d %s, then %d; it left %d, then %d\n%s", i, r.Committed, key, r.Settled, committed[key], finished[key], c.story())
			}
		}
		for key := range committed {
			if !told[key] {
				c.t.Fatalf("wave %d says nothing of %s", i, key)
			}
		}
	}
}
