package status

import (
	"slices"
	"strings"
	"time"

	v1 "roster/proto/roster/v1"

	"roster/fsm/placement"
	"roster/fsm/rollout"
)

// findings are what the first word and the sentences are made from.
type findings struct {
	now    time.Time
	nodes  []*v1.Node // as people count
	policy *v1.Policy
	// Services of each pool.
	pools map[string][]string
	// What stands in as things are: by node, then service.
	loaned map[string]map[string]string
	// Pools that are short.
	short map[string]bool
	// Services of which a floor is not covered, over all nodes or a part.
	floorShort map[string]bool
	// Worked out once, see loss.go.
	losses *losses
	// What would be done next, and what is not, though it is safe.
	moves []*v1.Move
	held  []rollout.Held
	// Services that should be ready by now and are not, where their node is not
	// down.
	failing []failed
	// What the next step waits for; or why there is none.
	waiting    []string
	impossible string
	// The rollout is being walked back.
	aborting bool
}

// failed is one service that does not do what is wanted.
type failed struct{ service, node, why string }

// failing lists the services that are wanted serving and have failed, or have
// been given all the time that a start is given.
func failing(nodes []*v1.Node, policy *v1.Policy, now time.Time) (out []failed) {
	for _, n := range nodes {
		if n.GetState() == v1.NodeState_NODE_STATE_DOWN {
			continue
		}
		for _, a := range n.GetAssignments() {
			if a.GetWanted() != v1.Wanted_WANTED_SERVING || rollout.Ready(n, a.GetService()) {
				continue
			}
			r := reported(n, a.GetService())
			if r.GetState() == v1.ServiceState_SERVICE_STATE_FAILING || !placement.Awaited(n, a, policy, now) {
				out = append(out, failed{a.GetService(), n.GetId(), r.GetDetail()})
			}
		}
	}
	return out
}

func reported(n *v1.Node, service string) *v1.ServiceReport {
	for _, r := range n.GetReports() {
		if r.GetService() == service {
			return r
		}
	}
	return nil
}

// step looks at what would be done next.
func (f *findings) step(s *v1.Status, in Input, c *Cache) {
	at := c.place(in)
	if at.err != nil {
		f.impossible = at.err.Error()
		s.Rollout = rolloutOf(in, nil, []string{"nothing can be placed: " + f.impossible})
		return
	}
	s.Shortages, s.Plans = at.target.Shortages, at.plans
	f.short, f.floorShort = map[string]bool{}, map[string]bool{}
	for _, short := range s.GetShortages() {
		f.short[short.GetPool()] = true
		if short.GetPool() == "" {
			f.floorShort[short.GetService()] = true
		}
	}
	f.loaned = at.target.Loaned()
	step := rollout.Next(in.rolloutView(at.target))
	f.moves, f.held = step.Moves, step.Held
	f.waiting = slices.DeleteFunc(slices.Clone(step.Waiting), f.saidOfFailing)
	s.Settled = f.settled(s, in, step.Waiting)
	s.Rollout = rolloutOf(in, at.target, step.Waiting)
}

// saidOfFailing says that a sentence is about a service that is named as not
// ready already.
func (f *findings) saidOfFailing(sentence string) bool {
	return slices.ContainsFunc(f.failing, func(x failed) bool {
		about := x.service + " on " + x.node
		return strings.HasPrefix(sentence, about+" has ") || strings.HasPrefix(sentence, about+" fails")
	})
}

// firstWord is the worst that is true. A start that is on its way is no loss; a
// floor that was not reached yet is.
func firstWord(s *v1.Status, in Input, f findings) v1.StatusState {
	word := v1.StatusState_STATUS_STATE_OK
	worse := func(to v1.StatusState, is bool) {
		if is {
			word = max(word, to)
		}
	}
	worse(v1.StatusState_STATUS_STATE_DEGRADED, len(s.GetShortages()) > 0 || f.impossible != "" || len(f.failing) > 0)
	worse(v1.StatusState_STATUS_STATE_DEGRADED, voterSilent(s) || CanaryFailed(s.GetRollout()))
	for _, n := range f.nodes {
		worse(v1.StatusState_STATUS_STATE_DEGRADED, n.GetState() != v1.NodeState_NODE_STATE_UP)
		worse(v1.StatusState_STATUS_STATE_DEGRADED, outOfReach(n))
		worse(v1.StatusState_STATUS_STATE_DEGRADED, f.standsIn(n))
	}
	worse(v1.StatusState_STATUS_STATE_HOLDING, s.GetHold() != nil)
	worse(v1.StatusState_STATUS_STATE_FROZEN, len(s.GetFreezes()) > 0)
	for _, row := range s.GetServices() {
		worse(v1.StatusState_STATUS_STATE_DEGRADED, row.GetReady() < row.GetFloor())
		worse(v1.StatusState_STATUS_STATE_FLOOR_BROKEN, row.GetReady() < row.GetFloorInForce())
	}
	worse(v1.StatusState_STATUS_STATE_NO_QUORUM, in.Leader == "")
	return word
}

// outOfReach: the node's agent is there, and does not do what it is told.
func outOfReach(n *v1.Node) bool {
	return n.GetAhead() != nil || n.GetUnconfirmed() || n.GetFrozen() != ""
}

func servicesOfPools(t *v1.Topology) map[string][]string {
	pools := map[string][]string{}
	for _, p := range t.GetPools() {
		pools[p.GetName()] = p.GetServices()
	}
	return pools
}
