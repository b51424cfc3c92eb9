package rollout

import (
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"roster/fsm/placement"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// failer is what a judge complains to: a test, or a property.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
}

// cluster is a dumb cluster and its judge. It knows nothing of how the package
// counts: it does moves to records, counts again what is ready before and
// after, and holds each wave against the design's sentences.
type cluster struct {
	t      failer
	bound  time.Duration // of drains
	top    *v1.Topology
	nodes  []*v1.Node
	floors map[string]*storev1.FloorInForce
	now    time.Time
	rev    uint64
	deaf   map[string]bool // not heard
	broken map[instance]bool
	calm   bool // nothing fails: the judge may ask for more
	waves  [][]*v1.Move
	// Begun to make up for a loss.
	repairs map[instance]bool
	// Keeps moves from being made.
	restraints Restraints
	// Kept apart from floors, as the judge's own account, by key.
	inForce map[string]uint32
	// What the last wave said is asked of parts.
	parts []*storev1.FloorInForce
	// The target, where it is no claim of the test that placing again gives the same;
	// nil: it is placed each time.
	pin *placement.Target
	// Seats that an abort goes back to.
	prefer []*v1.Seat
	// What was ready by key after each wave, at once and when the next was decided.
	committed, finished []map[string]int
}

func newCluster(t failer, top *v1.Topology, nodes []*v1.Node, floors map[string]*storev1.FloorInForce) *cluster {
	c := &cluster{
		t: t, bound: time.Minute, now: noon, deaf: map[string]bool{}, broken: map[instance]bool{}, calm: true,
		inForce: map[string]uint32{}, floors: floors, repairs: map[instance]bool{},
	}
	for service, f := range floors {
		c.inForce[service] = f.Floor
	}
	for _, n := range nodes {
		c.nodes = append(c.nodes, proto.CloneOf(n))
	}
	c.adopt(top)
	return c
}

// adopt makes a topology the one in force.
func (c *cluster) adopt(top *v1.Topology) {
	c.top, c.rev = top, c.rev+1
	c.parts, c.pin = nil, nil
	c.takeStock()
	for range 2 { // what is asked of parts depends on who has a seat, and the other way round
		c.parts = PartTargets(top, c.place(), c.nodes)
		c.takeStock()
	}
}

func (c *cluster) view() View {
	c.t.Helper()
	if c.pin != nil {
		return c.viewOf(c.pin)
	}
	return c.viewOf(c.place())
}

// place is placement's word on the cluster as it is.
func (c *cluster) place() *placement.Target {
	c.t.Helper()
	view := placement.View{Prefer: c.prefer, Topology: c.top, Nodes: c.nodes, Now: c.now, Floors: map[string]uint32{}}
	for service, floor := range c.inForce {
		if c.named(service) {
			view.Floors[service] = floor
		}
	}
	for _, p := range c.parts {
		view.Parts = append(view.Parts, placement.Part{Service: p.Service, Where: p.Where, Min: c.inForce[KeyOf(p)]})
	}
	target, err := placement.Place(view)
	if err != nil {
		c.t.Fatalf("place: %v", err)
	}
	return target
}

// viewOf is a view with a target that is the test's own.
func (c *cluster) viewOf(target *placement.Target) View {
	return View{
		Restraints: c.restraints,
		Now:        c.now, Revision: c.rev, Topology: c.top, Target: target, Nodes: c.nodes, Floors: c.floors,
		Heard: func(id string) bool { return !c.deaf[id] && c.node(id).State != v1.NodeState_NODE_STATE_DOWN },
	}
}

func (c *cluster) node(id string) *v1.Node {
	for _, n := range c.nodes {
		if n.Id == id {
			return n
		}
	}
	return nil
}

// step does one wave, judged.
func (c *cluster) step() Step {
	c.t.Helper()
	return c.stepTo(c.view())
}

func (c *cluster) stepTo(v View) Step {
	c.t.Helper()
	step := Next(v)
	c.judgeParts(v, step)
	if len(step.Moves) == 0 {
		return step
	}
	if refused := Refuse(c.nodes, c.floors, step.Moves); step.Gap {
		c.judgeGap(v, step, len(refused))
	} else if len(refused) > 0 {
		c.t.Fatalf("Apply would refuse %v of %s", refused, write(step.Moves))
	}
	c.judgeMoves(v, step.Moves)
	c.judgeSuccessors(v, step.Moves)
	c.judgeRestraints(v, step)
	held := map[instance]bool{}
	for _, n := range c.nodes {
		for _, a := range n.Assignments {
			held[instance{n.Id, a.Service}] = true
		}
	}
	before, crowd, sizes := c.readyNow(), c.bespoken(), c.poolSizes(v)
	for len(c.finished) < len(c.committed) {
		c.finished = append(c.finished, before)
	}
	c.do(step.Moves)
	after := c.readyNow()
	c.committed = append(c.committed, after)
	if can := c.restraints.Canary; can != nil {
		c.restraints.Canary = c.joined(can, step.Moves)
	}
	for service, n := range before {
		if step.Gap {
			break
		}
		if after[service] < min(n, int(c.inForce[service])) {
			c.t.Fatalf("%s: %s fell from %d ready to %d, its floor is %d\n%s", write(step.Moves), service, n, after[service], c.inForce[service], c.story())
		}
		if heard := c.countReady(v.Heard)[service]; after[service] < n && heard < min(n, int(c.inForce[service])) {
			c.t.Fatalf("%s: %s fell from %d ready to %d, but only %d of them were heard, and its floor is %d\n%s",
				write(step.Moves), service, n, after[service], heard, c.inForce[service], c.story())
		}
	}
	c.judgeCrowd(step, crowd, sizes, held)
	c.waves = append(c.waves, step.Moves)
	c.takeStock()
	return step
}

// joined is a canary once moves are made.
func (c *cluster) joined(can *v1.Canary, moves []*v1.Move) *v1.Canary {
	nodes := slices.Clone(can.Nodes)
	for _, m := range moves {
		if m.Cause != v1.Cause_CAUSE_REPAIR {
			nodes = append(nodes, m.Node)
		}
	}
	slices.Sort(nodes)
	return &v1.Canary{Nodes: slices.Compact(nodes), WellSince: can.WellSince}
}

// do does moves as a state machine and agents would.
func (c *cluster) do(moves []*v1.Move) {
	for _, m := range moves {
		n := c.node(m.Node)
		a := assignment(n, m.Service)
		touched := false
		switch m.Action {
		case v1.Action_ACTION_START:
			if a == nil {
				a = &v1.Assignment{Service: m.Service, Node: m.Node, Since: stamp(c.now), Drain: durationpb.New(c.bound)}
				n.Assignments = append(n.Assignments, a)
				c.report(n, m.Service, v1.ServiceState_SERVICE_STATE_STARTING)
				touched = true
			}
			a.Wanted, a.Pool, a.Revision, a.Borrowed = v1.Wanted_WANTED_SERVING, m.Pool, c.rev, m.Borrowed
			c.begin(n, m)
		case v1.Action_ACTION_RESEAT:
			a.Pool, a.Revision, a.Borrowed = m.Pool, c.rev, m.Borrowed
			if m.Borrowed {
				c.repairs[instance{n.Id, m.Service}] = true // without a seat it joins nothing
			}
		case v1.Action_ACTION_DRAIN:
			a.Drain = durationpb.New(DrainBound(n, c.bound, c.now))
			a.Wanted, a.Since, a.Revision = v1.Wanted_WANTED_DRAINING, stamp(c.now), c.rev
			if Ready(n, m.Service) || reported(n, m.Service) == v1.ServiceState_SERVICE_STATE_SERVING {
				c.report(n, m.Service, v1.ServiceState_SERVICE_STATE_DRAINING)
			}
		case v1.Action_ACTION_UNDRAIN:
			if a.Wanted == v1.Wanted_WANTED_SERVING {
				continue
			}
			touched = reported(n, m.Service) == v1.ServiceState_SERVICE_STATE_STOPPED || reported(n, m.Service) == v1.ServiceState_SERVICE_STATE_FAILING
			a.Wanted, a.Pool, a.Since, a.Revision = v1.Wanted_WANTED_SERVING, m.Pool, stamp(c.now), c.rev
			c.begin(n, m)
			c.report(n, m.Service, v1.ServiceState_SERVICE_STATE_STARTING)
		case v1.Action_ACTION_STOP:
			touched = true
			n.Assignments = slices.DeleteFunc(n.Assignments, func(a *v1.Assignment) bool { return a.Service == m.Service })
			c.report(n, m.Service, v1.ServiceState_SERVICE_STATE_STOPPED)
		}
		if touched {
			c.restart(n, m.Service)
		}
		n.Generation++
		n.ReportedGeneration = n.Generation
	}
}

// begin notes what a start is for: all that restarts with it moves for the same
// cause. What comes with another start takes nothing more.
func (c *cluster) begin(n *v1.Node, m *v1.Move) {
	c.repairs[instance{n.Id, m.Service}] = m.Cause == v1.Cause_CAUSE_REPAIR
	for _, a := range n.Assignments {
		mate := restartGroup(n, m.Service) != "" && restartGroup(n, a.Service) == restartGroup(n, m.Service)
		if mate && a.Service != m.Service && reported(n, a.Service) == v1.ServiceState_SERVICE_STATE_SERVING {
			c.repairs[instance{n.Id, a.Service}] = m.Cause == v1.Cause_CAUSE_REPAIR
		}
	}
}

// restart makes the rest of a service's group not ready.
func (c *cluster) restart(n *v1.Node, service string) {
	group := ""
	for _, claim := range n.Claims.Services {
		if claim.Name == service && claim.ChangeMode == v1.ChangeMode_CHANGE_MODE_RESTART {
			group = claim.RestartGroup
		}
	}
	for _, claim := range n.Claims.Services {
		if group != "" && claim.Name != service && claim.RestartGroup == group && reported(n, claim.Name) == v1.ServiceState_SERVICE_STATE_SERVING {
			c.report(n, claim.Name, v1.ServiceState_SERVICE_STATE_STARTING)
		}
	}
}

func reported(n *v1.Node, service string) v1.ServiceState {
	for _, r := range n.Reports {
		if r.Service == service {
			return r.State
		}
	}
	return v1.ServiceState_SERVICE_STATE_UNSPECIFIED
}

func (c *cluster) report(n *v1.Node, service string, state v1.ServiceState) {
	for _, r := range n.Reports {
		if r.Service == service {
			r.State, r.Since = state, stamp(c.now)
			return
		}
	}
	n.Reports = append(n.Reports, &v1.ServiceReport{Service: service, State: state, Since: stamp(c.now)})
}

// settle lets agents finish what pick chooses, and says whether anything was.
func (c *cluster) settle(pick func() bool) bool {
	changed := false
	for _, n := range c.nodes {
		if n.State == v1.NodeState_NODE_STATE_DOWN || c.deaf[n.Id] {
			continue
		}
		for _, a := range n.Assignments {
			state := reported(n, a.Service)
			switch {
			case a.Wanted == v1.Wanted_WANTED_SERVING && state != v1.ServiceState_SERVICE_STATE_SERVING:
				if c.broken[instance{n.Id, a.Service}] || !pick() {
					continue
				}
				c.report(n, a.Service, v1.ServiceState_SERVICE_STATE_SERVING)
			case a.Wanted == v1.Wanted_WANTED_DRAINING && state == v1.ServiceState_SERVICE_STATE_DRAINING:
				if !pick() {
					continue
				}
				c.report(n, a.Service, v1.ServiceState_SERVICE_STATE_DRAINED)
			default:
				continue
			}
			changed = true
		}
	}
	c.takeStock()
	return changed
}

// run goes on until nothing happens any more.
func (c *cluster) run() Step {
	c.t.Helper()
	for range 1000 {
		step := c.step()
		if len(step.Moves) == 0 && !c.settle(func() bool { return true }) {
			return step
		}
	}
	c.t.Fatalf("the rollout does not end; last wave %s", write(c.waves[len(c.waves)-1]))
	return Step{}
}
