package rollout

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	v1 "roster/proto/roster/v1"
)

// groups is how much of a node restarts together.
type groups int

const (
	noGroup groups = iota
	someGroup
	oneGroup
)

func anyNodes(t *rapid.T, least, most int, g groups) []*v1.Node {
	var nodes []*v1.Node
	local := ""
	if rapid.IntRange(0, 5).Draw(t, "local") == 0 {
		local = rapid.SampledFrom(five).Draw(t, "local service")
	}
	for i := range rapid.IntRange(least, most).Draw(t, "nodes") {
		n := newNode(fmt.Sprintf("node-%d", i+1), rapid.SampledFrom([]string{"a1", "a2", "b1"}).Draw(t, "zone"))
		for _, c := range n.Claims.Services {
			if c.Name == local && rapid.Bool().Draw(t, "holds") {
				c.Data = v1.Data_DATA_LOCAL
			}
			if g == oneGroup || g == someGroup && rapid.Bool().Draw(t, "grouped") {
				c.ChangeMode, c.RestartGroup = v1.ChangeMode_CHANGE_MODE_RESTART, "g"
				if g == someGroup {
					c.RestartGroup = rapid.SampledFrom([]string{"g", "h"}).Draw(t, "group")
				}
			}
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// anyTopology draws pools that today's nodes may or may not fill.
func anyTopology(t *rapid.T) *v1.Topology {
	var pools []*v1.Pool
	for i := range rapid.IntRange(1, 4).Draw(t, "pools") {
		name := fmt.Sprintf("p%d", i)
		services := rapid.SliceOfNDistinct(rapid.SampledFrom(five), 1, 3, rapid.ID[string]).Draw(t, "services")
		var p *v1.Pool
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			p = all(name, services...)
			p.Shared = rapid.IntRange(0, 3).Draw(t, "shared") == 0
		case 1:
			p = weight(name, uint32(rapid.IntRange(1, 5).Draw(t, "weight")), services...)
		default:
			p = count(name, uint32(rapid.IntRange(1, 4).Draw(t, "count")), services...)
			p.Shared = rapid.IntRange(0, 3).Draw(t, "shared") == 0
		}
		if rapid.IntRange(0, 4).Draw(t, "where") == 0 {
			in("region", rapid.SampledFrom([]string{"a", "b"}).Draw(t, "region"), p)
		}
		if rapid.IntRange(0, 3).Draw(t, "spread") == 0 {
			p.Spread = []string{"zone"}
		}
		pools = append(pools, p)
	}
	return moving(topologyOf(pools...), rapid.SampledFrom([]uint32{0, 10, 25, 50, 100}).Draw(t, "max_moving"))
}

// anyFloors draws floors up to what the target has.
func anyFloors(t *rapid.T, c *cluster, top *v1.Topology) *v1.Topology {
	seats := c.seatsOf(top)
	for _, s := range top.Services {
		s.Floor = proto.Uint32(uint32(rapid.IntRange(0, seats[s.Name]).Draw(t, "floor")))
		if rapid.IntRange(0, 3).Draw(t, "parts") == 0 {
			anyPart(t, c, top, s)
		}
	}
	return top
}

// anyPart draws a floor over a part of the nodes, no higher than the target has
// seats there.
func anyPart(t *rapid.T, c *cluster, top *v1.Topology, s *v1.Service) {
	wanted := place(t, top, c.nodes).Wanted(top)
	zones := map[string]int{}
	for _, n := range c.nodes {
		if _, seated := wanted[n.Id][s.Name]; seated {
			zones[n.Zone]++
		}
	}
	if rapid.Bool().Draw(t, "per") {
		least := len(c.nodes)
		for _, n := range zones {
			least = min(least, n)
		}
		s.Floors = append(s.Floors, &v1.Floor{Min: uint32(rapid.IntRange(1, least).Draw(t, "min")), Per: "zone"})
		return
	}
	if zones["a1"]+zones["a2"] > 0 {
		s.Floors = append(s.Floors, &v1.Floor{
			Min:   uint32(rapid.IntRange(1, zones["a1"]+zones["a2"]).Draw(t, "min")),
			Where: map[string]*v1.LabelValues{"zone": {Values: []string{"a2", "a1"}}},
		})
	}
}

// spareFloors draws floors that leave one ready node to spare, in the target and
// now.
func spareFloors(t *rapid.T, c *cluster, top *v1.Topology) *v1.Topology {
	seats, ready := c.seatsOf(top), c.readyNow()
	for _, s := range top.Services {
		most := seats[s.Name] - 1
		if n := ready[s.Name]; n > 0 {
			most = min(most, n-1)
		}
		s.Floor, s.Floors = proto.Uint32(uint32(rapid.IntRange(0, max(0, most)).Draw(t, "floor"))), nil
	}
	return top
}

// start is a cluster that runs any topology.
func start(t *rapid.T, g groups) *cluster {
	c := newCluster(t, topologyOf(), anyNodes(t, 1, 8, g), nil)
	c.adopt(anyFloors(t, c, anyTopology(t)))
	c.run()
	return c
}

func TestAnyChangeEndsAtItsTargetAndBreaksNoFloor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := start(t, noGroup)
		for range rapid.IntRange(1, 2).Draw(t, "changes") {
			c.adopt(anyFloors(t, c, anyTopology(t)))
			c.pin = c.place()
			plan, sets := Plan(c.view()), c.view()
			before := len(c.waves)
			step := c.run()
			c.mustEnd(step)
			c.mustBeAsPlanned(plan, sets, c.waves[before:])
		}
	})
}

// Where nodes restart, floors may make the target out of reach; then the step
// says so, and so did the plan.
func TestAnyChangeOfNodesThatRestartBreaksNoFloor(t *testing.T) {
	for _, g := range []groups{someGroup, oneGroup} {
		rapid.Check(t, func(t *rapid.T) {
			c := start(t, g)
			c.adopt(anyFloors(t, c, anyTopology(t)))
			c.pin = c.place()
			plan, view := Plan(c.view()), c.view()
			before := len(c.waves)
			step := c.run()
			if !step.Done && len(step.Waiting) == 0 {
				t.Fatalf("stuck without a word")
			}
			if step.Done {
				c.mustBeDone(step)
			}
			c.mustBeAsPlanned(plan, view, c.waves[before:])
		})
	}
}

func TestAnyChangeOfNodesThatRestartEndsWhereFloorsLeaveOneToSpare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := start(t, oneGroup)
		c.adopt(spareFloors(t, c, anyTopology(t)))
		c.mustBeDone(c.run())
	})
}

// A node fails, comes back, is suspect, unheard or cordoned, a service does not
// start, the topology changes again, agents finish in any order, time passes:
// the judge allows none of it to be made worse by a command.
func TestNoCommandBreaksAFloorWhateverFails(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := start(t, rapid.SampledFrom([]groups{noGroup, someGroup, oneGroup}).Draw(t, "groups"))
		c.calm = false
		c.adopt(anyFloors(t, c, anyTopology(t)))
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			n := rapid.SampledFrom(c.nodes).Draw(t, "node")
			switch rapid.IntRange(0, 11).Draw(t, "event") {
			case 0:
				n.State = v1.NodeState_NODE_STATE_DOWN
			case 1:
				n.State = v1.NodeState_NODE_STATE_SUSPECT
			case 2:
				n.State = v1.NodeState_NODE_STATE_UP
				delete(c.deaf, n.Id)
			case 3:
				c.deaf[n.Id] = true
			case 4:
				n.Settings = &v1.NodeSettings{Cordoned: !n.Settings.Cordoned}
			case 5:
				service := rapid.SampledFrom(five).Draw(t, "service")
				c.broken[instance{n.Id, service}] = !c.broken[instance{n.Id, service}]
			case 6:
				service := rapid.SampledFrom(five).Draw(t, "service")
				if assignment(n, service) != nil {
					c.report(n, service, rapid.SampledFrom([]v1.ServiceState{
						v1.ServiceState_SERVICE_STATE_FAILING, v1.ServiceState_SERVICE_STATE_STOPPED, v1.ServiceState_SERVICE_STATE_STARTING,
					}).Draw(t, "report"))
				}
			case 7:
				c.now = c.now.Add(time.Duration(rapid.IntRange(1, 100).Draw(t, "seconds")) * time.Second)
			case 8:
				c.adopt(anyFloors(t, c, anyTopology(t)))
			default:
				c.takeStock()
				c.settle(func() bool { return rapid.Bool().Draw(t, "finish") })
			}
			c.takeStock()
			c.step()
		}
		// Everything is well again: it ends at the target, where it can end.
		for _, n := range c.nodes {
			n.State, n.Settings = v1.NodeState_NODE_STATE_UP, &v1.NodeSettings{}
			for _, claim := range n.Claims.Services {
				claim.ChangeMode, claim.RestartGroup = v1.ChangeMode_CHANGE_MODE_LIVE, ""
			}
		}
		clear(c.deaf)
		clear(c.broken)
		c.takeStock()
		step, seats, possible := c.run(), c.seatsOf(c.top), true
		for service, floor := range c.inForce {
			possible = possible && seats[service] >= int(floor)
		}
		if possible {
			c.mustBeDone(step)
		} else if !step.Done && len(step.Waiting) == 0 {
			t.Fatalf("stuck without a word")
		}
	})
}

// Refuse is held against a count by hand, for any moves, sensible or not.
func TestWhatIsNotRefusedBreaksNoFloorAndWhatIsRefusedWould(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := start(t, rapid.SampledFrom([]groups{noGroup, someGroup, oneGroup}).Draw(t, "groups"))
		for _, n := range c.nodes {
			n.State = rapid.SampledFrom([]v1.NodeState{v1.NodeState_NODE_STATE_UP, v1.NodeState_NODE_STATE_UP, v1.NodeState_NODE_STATE_DOWN}).Draw(t, "state")
		}
		c.takeStock()
		var moves []*v1.Move
		named := map[instance]bool{}
		for range rapid.IntRange(1, 8).Draw(t, "moves") {
			n, service := rapid.SampledFrom(c.nodes).Draw(t, "node"), rapid.SampledFrom(five).Draw(t, "service")
			action := v1.Action_ACTION_START
			if assignment(n, service) != nil {
				action = rapid.SampledFrom([]v1.Action{v1.Action_ACTION_DRAIN, v1.Action_ACTION_STOP, v1.Action_ACTION_START, v1.Action_ACTION_UNDRAIN}).Draw(t, "action")
			}
			if !named[instance{n.Id, service}] {
				moves = append(moves, &v1.Move{Service: service, Node: n.Id, Pool: "p0", Action: action})
				named[instance{n.Id, service}] = true
			}
		}
		refused := map[instance]bool{}
		for _, r := range Refuse(c.nodes, c.floors, moves) {
			refused[instance{r.Node, r.Service}] = true
			if r.Message == "" {
				t.Fatalf("%v is refused without a word", r)
			}
		}
		before := c.readyNow()
		if got := c.lossOf(moves[:1], before); got == "" && refused[instance{moves[0].Node, moves[0].Service}] {
			t.Fatalf("%s is refused, but breaks no floor", write(moves[:1]))
		}
		var done []*v1.Move
		for _, m := range moves {
			if !refused[instance{m.Node, m.Service}] {
				done = append(done, m)
			}
		}
		if broken := c.lossOf(done, before); broken != "" {
			t.Fatalf("%s is not refused, and breaks the floor of %s", write(done), broken)
		}
	})
}

// lossOf does moves on a copy and names a service whose floor that breaks.
func (c *cluster) lossOf(moves []*v1.Move, before map[string]int) string {
	sketch := &cluster{t: c.t, bound: c.bound, parts: c.parts, top: c.top, now: c.now, rev: c.rev, repairs: map[instance]bool{}}
	for _, n := range c.nodes {
		sketch.nodes = append(sketch.nodes, proto.CloneOf(n))
	}
	sketch.do(moves)
	after := sketch.readyNow()
	for service, n := range before {
		if after[service] < min(n, int(c.inForce[service])) {
			return service
		}
	}
	return ""
}

func TestFloorsInForceOnlyRiseByBeingReached(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCluster(t, topologyOf(count("p", 1, "imap")), nodesOf(5), nil)
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "apply") {
				c.adopt(floor(topologyOf(count("p", 1, "imap")), "imap", uint32(rapid.IntRange(0, 5).Draw(t, "floor"))))
				continue
			}
			ready := rapid.IntRange(0, 5).Draw(t, "ready")
			for i, n := range c.nodes {
				n.Assignments = []*v1.Assignment{{Service: "imap", Node: n.Id, Pool: "p", Wanted: v1.Wanted_WANTED_SERVING}}
				state := v1.ServiceState_SERVICE_STATE_SERVING
				if i >= ready {
					state = v1.ServiceState_SERVICE_STATE_FAILING
				}
				c.report(n, "imap", state)
			}
			before := c.inForce["imap"]
			c.takeStock() // compares with the judge's own account
			if now := c.floors["imap"].GetFloor(); now > before && ready < int(now) {
				t.Fatalf("the floor rose from %d to %d with %d ready", before, now, ready)
			}
		}
	})
}
