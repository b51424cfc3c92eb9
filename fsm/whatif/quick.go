package whatif

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"roster/fsm/placement"
	"roster/fsm/rollout"
	v1 "roster/proto/roster/v1"
)

// follow is act without its waves: where every step towards the target is certain
// to be made, it takes the target as reached.
func (c *Cluster) follow() (*Cluster, error) {
	if c.restrained() {
		after, _, err := c.act()
		return after, err
	}
	target, err := placement.Place(c.placement(c.Topology))
	if err != nil {
		return nil, err
	}
	if nodes, certain := c.reached(target); certain {
		after := *c
		after.Nodes = holding(c.Topology, nodes)
		if slices.ContainsFunc(c.Topology.GetServices(), func(s *v1.Service) bool { return len(s.GetFloors()) > 0 }) {
			parts := rollout.PartTargets(c.Topology, target, nodes)
			after.Floors = rollout.AdvanceFloors(c.Floors, c.Topology, parts, nil)
			after.Floors = rollout.AdvanceFloors(after.Floors, c.Topology, parts, rollout.ReadyCounts(nodes, after.Floors))
		}
		return &after, nil
	}
	after, _, err := c.act()
	return after, err
}

// restrained: something may keep a safe move from being made.
func (c *Cluster) restrained() bool {
	r, policy := c.Restraints, c.Topology.GetPolicy()
	auto := func(a v1.Automation) bool {
		return a == v1.Automation_AUTOMATION_AUTO || a == v1.Automation_AUTOMATION_UNSPECIFIED
	}
	return r.Hold != nil || r.Pause != nil || r.Canary != nil || !auto(policy.GetRepair()) || !auto(policy.GetRebalance()) ||
		slices.ContainsFunc(r.Freezes, func(f *v1.Freeze) bool { return rollout.InForce(f, c.Now) })
}

// reached are the nodes once the target is. It is certain where nothing has to
// end for it, and what has to start takes nothing along: then no floor, no restart
// and no agent is in the way.
func (c *Cluster) reached(target *placement.Target) (nodes []*v1.Node, certain bool) {
	wanted, loaned := target.Wanted(c.Topology), target.Loaned()
	drains := drainsOf(c.Topology)
	since := timestamppb.New(c.Now)
	nodes = slices.Clone(c.Nodes)
	for i, n := range c.Nodes {
		seats, loans := wanted[n.GetId()], loaned[n.GetId()]
		if !live(n) {
			if !resting(n, seats) {
				return nil, false
			}
			continue
		}
		changed := n
		edit := func() {
			if changed == n {
				changed = proto.CloneOf(n)
			}
		}
		for k, a := range n.GetAssignments() {
			pool, borrowed := seats[a.GetService()], false
			if pool == "" {
				pool, borrowed = loans[a.GetService()], true
			}
			if pool == "" || !rollout.Ready(n, a.GetService()) {
				return nil, false
			}
			if a.GetPool() != pool || a.GetBorrowed() != borrowed {
				edit()
				changed.Assignments[k].Pool, changed.Assignments[k].Borrowed = pool, borrowed
			}
		}
		start := func(service, pool string, borrowed bool) bool {
			if slices.ContainsFunc(n.GetAssignments(), func(a *v1.Assignment) bool { return a.GetService() == service }) {
				return true
			}
			edit()
			changed.Assignments = append(changed.Assignments, &v1.Assignment{
				Service: service, Node: n.GetId(), Pool: pool, Borrowed: borrowed, Wanted: v1.Wanted_WANTED_SERVING,
				Since: since, Drain: drains[service], Revision: c.Revision,
			})
			changed.Reports = slices.DeleteFunc(changed.Reports, func(r *v1.ServiceReport) bool { return r.GetService() == service })
			changed.Reports = append(changed.Reports, &v1.ServiceReport{Service: service, State: v1.ServiceState_SERVICE_STATE_SERVING, Since: since})
			return startable(n, service)
		}
		for service, pool := range seats {
			if !start(service, pool, false) {
				return nil, false
			}
		}
		for service, pool := range loans {
			if seats[service] == "" && !start(service, pool, true) {
				return nil, false
			}
		}
		if changed != n {
			slices.SortFunc(changed.Assignments, func(a, b *v1.Assignment) int { return strings.Compare(a.GetService(), b.GetService()) })
		}
		nodes[i] = changed
	}
	return nodes, true
}

// resting: nothing is changed in the record of a node that is down.
func resting(n *v1.Node, seats map[string]string) bool {
	return !slices.ContainsFunc(n.GetAssignments(), func(a *v1.Assignment) bool {
		return !a.GetBorrowed() && a.GetPool() != "" && seats[a.GetService()] != a.GetPool()
	})
}

// startable: the service begins there as soon as it is wanted, and nothing else
// notices.
func startable(n *v1.Node, service string) bool {
	if n.GetState() != v1.NodeState_NODE_STATE_UP || n.GetSettings().GetCordoned() || n.GetSettings().GetDrain() != nil ||
		n.GetMode() == v1.AgentMode_AGENT_MODE_OBSERVE || n.GetFrozen() != "" || n.GetAhead() != nil || n.GetUnconfirmed() {
		return false
	}
	return slices.ContainsFunc(n.GetClaims().GetServices(), func(c *v1.ServiceClaim) bool {
		return c.GetName() == service && c.GetChangeMode() != v1.ChangeMode_CHANGE_MODE_RESTART
	})
}
