package rollout

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	v1 "roster/proto/roster/v1"
)

// readyNow counts by the design's own words.
func (c *cluster) readyNow() map[string]int { return c.countReady(func(string) bool { return true }) }

func (c *cluster) countReady(counted func(node string) bool) map[string]int {
	counts := map[string]int{}
	for _, n := range c.nodes {
		if n.State == v1.NodeState_NODE_STATE_DOWN || n.State == v1.NodeState_NODE_STATE_UNSPECIFIED || !counted(n.Id) {
			continue
		}
		for _, a := range n.Assignments {
			for _, r := range n.Reports {
				if r.Service == a.Service && a.Wanted == v1.Wanted_WANTED_SERVING && r.State == v1.ServiceState_SERVICE_STATE_SERVING {
					counts[a.Service]++
					for _, p := range c.parts {
						if p.Service == a.Service && liesIn(n, p.Where) {
							counts[KeyOf(p)]++
						}
					}
				}
			}
		}
	}
	return counts
}

// takeStock keeps the judge's account of floors and compares it.
func (c *cluster) takeStock() {
	c.t.Helper()
	ready := c.readyNow()
	asked := map[string]uint32{}
	for _, p := range c.top.Pools {
		for _, name := range p.Services {
			for _, s := range c.top.Services {
				if s.Name == name {
					asked[name] = s.GetFloor()
				}
			}
		}
	}
	for _, p := range c.parts {
		asked[KeyOf(p)] = p.Target
	}
	next := map[string]uint32{}
	for service, target := range asked {
		if f := c.inForce[service]; f < target && ready[service] < int(target) {
			next[service] = f
		} else {
			next[service] = target
		}
	}
	c.inForce = next
	counted := map[string]uint32{}
	for service, n := range ready {
		counted[service] = uint32(n)
	}
	c.floors = AdvanceFloors(c.floors, c.top, c.parts, nil)
	if got := ReadyCounts(c.nodes, c.floors); !reflect.DeepEqual(got, counted) {
		c.t.Fatalf("ReadyCounts is %v, really ready are %v", got, counted)
	}
	c.floors = AdvanceFloors(c.floors, c.top, c.parts, counted)
	got := map[string]uint32{}
	for service, f := range c.floors {
		got[service] = f.Floor
	}
	if !reflect.DeepEqual(got, c.inForce) {
		c.t.Fatalf("floors in force are %v, should be %v", got, c.inForce)
	}
}

// judgeMoves: commands go where the design lets them.
func (c *cluster) judgeMoves(v View, moves []*v1.Move) {
	c.t.Helper()
	for _, m := range moves {
		n := c.node(m.Node)
		a := assignment(n, m.Service)
		if m.Reason == "" {
			c.t.Fatalf("%v has no reason", m)
		}
		if n.State == v1.NodeState_NODE_STATE_DOWN && !(m.Action == v1.Action_ACTION_RESEAT && m.Borrowed) {
			c.t.Fatalf("%v: the node is down", m)
		}
		if m.Cause == v1.Cause_CAUSE_UNSPECIFIED {
			c.t.Fatalf("%v has no cause", m)
		}
		switch m.Action {
		case v1.Action_ACTION_START:
			if a == nil && (n.State != v1.NodeState_NODE_STATE_UP || n.Settings.Cordoned || n.Settings.Drain != nil) {
				c.t.Fatalf("%v: the node is %v, set to %v", m, n.State, n.Settings)
			}
		case v1.Action_ACTION_DRAIN, v1.Action_ACTION_STOP:
			if !v.Heard(m.Node) {
				c.t.Fatalf("%v: the node was not heard", m)
			}
			timedOut := !Ready(n, m.Service) && !c.now.Before(a.Since.AsTime().Add(StartDeadline))
			if m.Action == v1.Action_ACTION_STOP && a.Wanted != v1.Wanted_WANTED_DRAINING && !timedOut {
				c.t.Fatalf("%v: it was not drained, and has not timed out", m)
			}
		}
	}
}

// judgeSuccessors: nothing that is ready is drained before as many are ready as
// the target has seats.
func (c *cluster) judgeSuccessors(v View, moves []*v1.Move) {
	c.t.Helper()
	if !c.calm {
		return
	}
	seats, drained, ready := map[string]int{}, map[string]int{}, c.readyNow()
	for _, set := range v.Target.Wanted(c.top) {
		for service := range set {
			seats[service]++
		}
	}
	for _, m := range moves {
		if m.Action == v1.Action_ACTION_DRAIN && Ready(c.node(m.Node), m.Service) {
			drained[m.Service]++
		}
	}
	for service, n := range drained {
		if ready[service]-n < min(seats[service], ready[service]) {
			c.t.Fatalf("%s: %d of %d ready %s are drained before %d are ready", write(moves), n, ready[service], service, seats[service])
		}
	}
}

// movingNow lists the nodes that move in each pool: joining from start to
// ready, leaving from drain to stop. In a pool where something is started, a
// node that has drained and only has to be stopped may be overtaken.
func (c *cluster) movingNow(started map[string]bool, still map[string]map[string]bool) map[string]map[string]bool {
	crowd := map[string]map[string]bool{}
	for _, n := range c.nodes {
		if n.State == v1.NodeState_NODE_STATE_DOWN || c.deaf[n.Id] {
			continue
		}
		for _, a := range n.Assignments {
			since := a.Since.AsTime()
			starting := a.Wanted == v1.Wanted_WANTED_SERVING && !Ready(n, a.Service) && c.now.Before(since.Add(time.Minute))
			over := reported(n, a.Service) != v1.ServiceState_SERVICE_STATE_DRAINING || !c.now.Before(since.Add(a.Drain.AsDuration()+StopGrace))
			leaving := a.Wanted == v1.Wanted_WANTED_DRAINING && !still[n.Id][a.Service] && !(started[a.Pool] && over)
			if starting && !c.repairs[instance{n.Id, a.Service}] || leaving {
				if crowd[a.Pool] == nil {
					crowd[a.Pool] = map[string]bool{}
				}
				crowd[a.Pool][n.Id] = true
			}
		}
	}
	return crowd
}

// bespoken adds to movingNow the pools that a drain that goes on will still touch
// by its stop: those of the services that are, or will be, restarted by it.
func (c *cluster) bespoken() map[string]map[string]bool {
	crowd, wanted := c.movingNow(nil, nil), c.view().Target.Wanted(c.top)
	add := func(pool, node string) {
		if crowd[pool] == nil {
			crowd[pool] = map[string]bool{}
		}
		crowd[pool][node] = true
	}
	for _, n := range c.nodes {
		for _, a := range n.Assignments {
			group := restartGroup(n, a.Service)
			if a.Wanted != v1.Wanted_WANTED_DRAINING || group == "" {
				continue
			}
			for _, b := range n.Assignments {
				if group == restartGroup(n, b.Service) {
					add(b.Pool, n.Id)
				}
			}
			for service, pool := range wanted[n.Id] {
				if group == restartGroup(n, service) {
					add(pool, n.Id)
				}
			}
		}
	}
	return crowd
}

// judgeCrowd: no pool has more nodes moving than max_moving, where something it
// serves is ready, and where it did not have so many before.
func (c *cluster) judgeCrowd(step Step, before map[string]map[string]bool, sizes map[string]int, held map[instance]bool) {
	c.t.Helper()
	moves, still := step.Moves, map[string]map[string]bool{}
	for _, h := range step.Held {
		// A stop that is held is no move.
		if h.Move.Action == v1.Action_ACTION_STOP {
			if still[h.Move.Node] == nil {
				still[h.Move.Node] = map[string]bool{}
			}
			still[h.Move.Node][h.Move.Service] = true
		}
	}
	started := map[string]bool{}
	for _, m := range moves {
		added := m.Action == v1.Action_ACTION_START && !held[instance{m.Node, m.Service}]
		for _, a := range c.node(m.Node).Assignments {
			started[a.Pool] = started[a.Pool] || added
		}
		if m.Action == v1.Action_ACTION_UNDRAIN || m.Action == v1.Action_ACTION_RESEAT || m.Action == v1.Action_ACTION_START && !added { // never queue
			if before[m.Pool] == nil {
				before[m.Pool] = map[string]bool{}
			}
			before[m.Pool][m.Node] = true
		}
	}
	for pool, nodes := range c.movingNow(started, still) {
		for _, m := range moves {
			// Its drain has counted for all pools that the stop touches.
			if m.Action == v1.Action_ACTION_STOP {
				delete(nodes, m.Node)
			}
		}
		limit := max(1, (sizes[pool]*int(c.top.Policy.MaxMoving.Value)+99)/100)
		if len(nodes) <= max(limit, len(before[pool])) || c.nowhereReady(pool) {
			continue
		}
		c.t.Fatalf("%s: %d nodes move in pool %s of %d, at most %d may\n%s", write(moves), len(nodes), pool, sizes[pool], limit, c.story())
	}
}

// story is what happened so far and how things are.
func (c *cluster) story() string {
	var b strings.Builder
	for i, w := range c.waves {
		fmt.Fprintf(&b, "wave %d: %s\n", i, write(w))
	}
	for _, n := range c.nodes {
		fmt.Fprintf(&b, "%s %s heard %v settings %v\n", n.Id, n.State, !c.deaf[n.Id], n.Settings)
		for _, a := range n.Assignments {
			fmt.Fprintf(&b, "    %s of %s (borrowed %v): %s since %s, %s, group %q\n",
				a.Service, a.Pool, a.Borrowed, a.Wanted, a.Since.AsTime().Sub(noon), reported(n, a.Service), restartGroup(n, a.Service))
		}
	}
	for _, s := range c.view().Target.Seats {
		fmt.Fprintf(&b, "target: %s of %s\n", s.Node, s.Pool)
	}
	for _, l := range c.view().Target.Loans {
		fmt.Fprintf(&b, "target: %s of %s on loan for %s: %s\n", l.Service, l.Node, l.Pool, l.Reason)
	}
	fmt.Fprintf(&b, "%s after noon\n", c.now.Sub(noon))
	return b.String()
}

// poolSizes is the larger of every pool's old and new size.
func (c *cluster) poolSizes(v View) map[string]int {
	old, seats := map[string]int{}, map[string]int{}
	for _, n := range c.nodes {
		mine := map[string]bool{}
		for _, a := range n.Assignments {
			mine[a.Pool] = true
		}
		for pool := range mine {
			old[pool]++
		}
	}
	for _, s := range v.Target.Seats {
		seats[s.Pool]++
	}
	for pool, n := range seats {
		old[pool] = max(old[pool], n)
	}
	return old
}

func (c *cluster) nowhereReady(pool string) bool {
	ready := c.readyNow()
	for _, p := range c.top.Pools {
		if p.Name == pool {
			return !slices.ContainsFunc(p.Services, func(s string) bool { return ready[s] > 0 })
		}
	}
	return false
}

// seatsOf counts the nodes that a topology wants for each service.
func (c *cluster) seatsOf(top *v1.Topology) map[string]int {
	c.t.Helper()
	seats := map[string]int{}
	for _, set := range place(c.t, top, c.nodes).Wanted(top) {
		for service := range set {
			seats[service]++
		}
	}
	return seats
}

// expectReady counts an instance for every floor that it will count for.
func (c *cluster) expectReady(counts map[string]int, n *v1.Node, service string) {
	counts[service]++
	for _, p := range c.parts {
		if p.Service == service && liesIn(n, p.Where) {
			counts[KeyOf(p)]++
		}
	}
}

// judgeRestraints: nothing that is held is done, and nothing is done that must
// not be: by the words of the design, not by the package's own.
func (c *cluster) judgeRestraints(v View, step Step) {
	c.t.Helper()
	floors, coming := map[string]int{}, c.readyNow()
	for service, floor := range c.inForce {
		floors[service] = int(floor)
	}
	for _, n := range c.nodes {
		for _, a := range n.Assignments {
			if a.Wanted == v1.Wanted_WANTED_SERVING && !Ready(n, a.Service) && c.now.Before(a.Since.AsTime().Add(StartDeadline)) && n.State != v1.NodeState_NODE_STATE_DOWN {
				c.expectReady(coming, n, a.Service)
			}
		}
	}
	for _, m := range step.Moves {
		n := c.node(m.Node)
		if v.Restraints.Pause != nil && m.Cause != v1.Cause_CAUSE_REPAIR {
			c.t.Fatalf("%v: the rollout is paused", m)
		}
		for _, f := range v.Restraints.Freezes {
			frozen := map[string]bool{
				"all": true, "node:" + m.Node: true, "pool:" + m.Pool: true, "service:" + m.Service: true,
				"region:" + n.Region: true, "zone:" + n.Zone: true,
			}
			if frozen[f.Scope] && c.now.Before(f.Expires.AsTime()) {
				c.t.Fatalf("%v: %s is frozen", m, f.Scope)
			}
		}
		if n.Mode == v1.AgentMode_AGENT_MODE_OBSERVE || n.Unconfirmed || n.Ahead != nil || n.Frozen != "" && n.State != v1.NodeState_NODE_STATE_DOWN {
			c.t.Fatalf("%v: the node's agent does nothing", m)
		}
		begins := m.Action == v1.Action_ACTION_START || m.Action == v1.Action_ACTION_UNDRAIN
		restores := coming[m.Service] < floors[m.Service]
		for _, p := range c.parts {
			restores = restores || p.Service == m.Service && liesIn(n, p.Where) && coming[KeyOf(p)] < floors[KeyOf(p)]
		}
		if hold := v.Restraints.Hold; hold != nil && !hold.Slow && (!begins || !restores) {
			c.t.Fatalf("%v: it restores no floor, and Roster holds: %s has %d, its floor is %d", m, m.Service, coming[m.Service], floors[m.Service])
		}
		if begins {
			c.expectReady(coming, n, m.Service)
		}
	}
}
