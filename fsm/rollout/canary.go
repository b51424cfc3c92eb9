package rollout

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"roster/fsm/placement"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// defaultBake is where the policy does not say it.
const defaultBake = 10 * time.Minute

// canary is the nodes that an order goes to first. A node is moved for a pool if
// fewer than the policy says were before, as far as records tell. What only leaves
// tells little about the new topology: it goes first where no node came.
type canary struct {
	most  int
	nodes map[string]bool
	in    map[string]map[string]bool // of its nodes, by pool: those moved for it under this topology
}

func (b *board) newCanary() *canary {
	if b.v.Restraints.Canary == nil {
		return nil
	}
	c := &canary{
		most:  int(b.v.Topology.GetPolicy().GetRollout().GetCanary()),
		nodes: map[string]bool{}, in: map[string]map[string]bool{},
	}
	for _, node := range b.v.Restraints.Canary.GetNodes() {
		c.nodes[node] = true
	}
	for _, h := range b.hosts {
		for _, s := range h.slots {
			a := s.assignment
			if c.nodes[h.GetId()] && s.wantedHere() && a != nil && a.GetPool() == s.pool && a.GetRevision() == b.v.Revision {
				c.enter(s.pool, h.GetId())
			}
		}
	}
	return c
}

func (c *canary) enter(pool, node string) {
	if c.in[pool] == nil {
		c.in[pool] = map[string]bool{}
	}
	c.in[pool][node] = true
}

// waits says why a move is not made before the canary is over; empty: it may be.
func (c *canary) waits(s *slot, m *v1.Move) string {
	if c == nil || m.GetCause() == v1.Cause_CAUSE_REPAIR {
		return ""
	}
	node := m.GetNode()
	switch {
	case s.wantedHere() && (c.in[s.pool][node] || len(c.in[s.pool]) < c.most),
		!s.wantedHere() && (c.nodes[node] || len(c.nodes) < c.most):
		return ""
	}
	return "it waits for its canary: " + c.names()
}

// join notes that a node moves now.
func (c *canary) join(s *slot, m *v1.Move) {
	if c == nil || m.GetCause() == v1.Cause_CAUSE_REPAIR {
		return
	}
	c.nodes[m.GetNode()] = true
	if s.wantedHere() {
		c.enter(s.pool, m.GetNode())
	}
}

func (c *canary) names() string {
	names := slices.SortedFunc(maps.Keys(c.nodes), placement.Compare)
	switch {
	case len(names) > 3:
		return fmt.Sprintf("%s, %s, %s and %d more go first", names[0], names[1], names[2], len(names)-3)
	case len(names) == 1:
		return names[0] + " goes first"
	case len(names) == 0:
		return "nobody has gone first yet"
	}
	return fmt.Sprintf("%s and %s go first", strings.Join(names[:len(names)-1], ", "), names[len(names)-1])
}

// JudgeCanary says what became of the nodes that an order goes to first; nil:
// there is nothing new, or nothing to judge while the order waits. They have to
// be well for as long as the policy says, from when nothing more can be moved on
// them. The caller sets the revision and the order.
func JudgeCanary(v View) *storev1.SettleCanary {
	c := v.Restraints.Canary
	if c == nil || c.GetFailure() != "" || v.Restraints.Pause != nil || v.Target == nil {
		return nil
	}
	b, _ := decide(v)
	if why := b.canaryFails(); why != "" {
		return &storev1.SettleCanary{Failure: why}
	}
	since := c.GetWellSince()
	switch well := b.canaryIsWell(since != nil); {
	case !well && since == nil:
		return nil
	case !well:
		return &storev1.SettleCanary{}
	case len(c.GetNodes()) == 0:
		// The order moves nothing that could be tried.
		return &storev1.SettleCanary{WellSince: since, Passed: true}
	case since == nil:
		return &storev1.SettleCanary{WellSince: timestamppb.New(v.Now)}
	case v.Now.Before(since.AsTime().Add(bake(v.Topology.GetPolicy()))):
		return nil
	}
	return &storev1.SettleCanary{WellSince: since, Passed: true}
}

func bake(policy *v1.Policy) time.Duration {
	if d := policy.GetRollout().GetBake(); d != nil {
		return d.AsDuration()
	}
	return defaultBake
}

// canaryFails says why; empty: it does not. What the operator drains does not
// fail.
func (b *board) canaryFails() string {
	for _, h := range b.hosts {
		if !b.isCanary(h) || h.GetSettings().GetDrain() != nil {
			continue
		}
		if h.GetState() == v1.NodeState_NODE_STATE_DOWN {
			return h.GetId() + " is down"
		}
		for _, s := range h.slots {
			switch {
			case !s.serves() || s.phase == ready:
			case s.phase == stuck && !reportsFailing(s):
				return b.overdue(s)
			case placement.Lost(h.Node, s.service, b.v.Topology.GetPolicy(), b.v.Now):
				return fmt.Sprintf("%s on %s fails%s", s.service, h.GetId(), b.detail(s))
			}
		}
	}
	return ""
}

// canaryIsWell: its nodes are up and serve all that they should, and nothing more
// can be moved on them. Once it was, what others wait for does not matter.
func (b *board) canaryIsWell(was bool) bool {
	for _, m := range b.moves {
		if m.GetCause() != v1.Cause_CAUSE_REPAIR {
			return false
		}
	}
	nobody := len(b.v.Restraints.Canary.GetNodes()) == 0
	if nobody && len(b.allowed.passing) > 0 {
		return false
	}
	for _, h := range b.hosts {
		mine := b.isCanary(h)
		if nobody && live(h.Node) && !h.heard {
			return false
		}
		if mine && (h.GetState() != v1.NodeState_NODE_STATE_UP || !h.heard || b.waitsThere(h)) {
			return false
		}
		for _, s := range h.slots {
			moves := s.phase == starting || s.phase == draining
			if mine && (moves || s.serves() && s.phase != ready) || !was && moves && !b.repairs(s) {
				return false
			}
		}
	}
	return true
}

// waitsThere: more will be moved on a node of the canary once something has
// ended.
func (b *board) waitsThere(h *host) bool { return b.allowed.passing[h.GetId()] }

func (b *board) isCanary(h *host) bool {
	return slices.Contains(b.v.Restraints.Canary.GetNodes(), h.GetId())
}
