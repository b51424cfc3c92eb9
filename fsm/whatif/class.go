package whatif

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"roster/fsm/placement"
	"roster/fsm/rollout"
	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
)

// classes groups nodes that no rule tells apart: whichever of them is lost, the
// same follows, but for names. Both are by the order of the nodes, which is by
// id: the class of each node, and the nodes of each class.
func (c *Cluster) classes(nodes []*v1.Node) (of []int, members [][]int) {
	rules := c.rules()
	numbers := map[string]int{}
	of = make([]int, len(nodes))
	for i, n := range nodes {
		key := rules.key(n)
		number, known := numbers[key]
		if !known {
			number = len(members)
			numbers[key], members = number, append(members, nil)
		}
		of[i], members[number] = number, append(members[number], i)
	}
	return of, members
}

// rules is everything by which placement, rollout and guard tell nodes apart.
type rules struct {
	labels   []string // whose values count
	wheres   []map[string]*v1.LabelValues
	lists    []map[string]bool // ids that a pool names
	scopes   []string          // of freezes
	policy   *v1.Policy
	now      time.Time
	calm     time.Duration
	favoured map[string]string // pools by node, of seats to go back to
}

func (c *Cluster) rules() *rules {
	r := &rules{policy: c.Topology.GetPolicy(), now: c.Now, calm: c.Topology.GetPolicy().GetReturnAfter().AsDuration(), favoured: map[string]string{}}
	label := func(key string) {
		if !slices.Contains(r.labels, key) {
			r.labels = append(r.labels, key)
		}
	}
	for _, p := range c.Topology.GetPools() {
		for _, key := range p.GetSpread() {
			// Where every node has a value of its own, nothing is spread.
			if key != "id" {
				label(key)
			}
		}
		r.wheres = append(r.wheres, p.GetWhere())
		for _, patterns := range [][]string{p.GetNodes(), p.GetExclude()} {
			if len(patterns) > 0 {
				r.lists = append(r.lists, listOf(patterns))
			}
		}
	}
	for _, s := range c.Topology.GetServices() {
		r.wheres = append(r.wheres, s.GetRequires())
		for _, f := range s.GetFloors() {
			r.wheres = append(r.wheres, f.GetWhere())
			if f.GetPer() != "" {
				label(f.GetPer())
			}
		}
	}
	for _, f := range c.Restraints.Freezes {
		r.scopes = append(r.scopes, f.GetScope())
	}
	for _, s := range c.Prefer {
		r.favoured[s.GetNode()] += s.GetPool() + ","
	}
	slices.Sort(r.labels)
	return r
}

// listOf reads ids and ranges of ids.
func listOf(patterns []string) map[string]bool {
	list := map[string]bool{}
	for _, pattern := range patterns {
		ids, _ := topology.ExpandIDs(pattern) // of a valid topology
		for _, id := range ids {
			list[id] = true
		}
	}
	return list
}

// key is equal for nodes that nothing tells apart.
func (r *rules) key(n *v1.Node) string {
	var b strings.Builder
	say := func(parts ...any) {
		for _, p := range parts {
			fmt.Fprint(&b, p, "\x00")
		}
	}
	say(n.GetRegion(), n.GetZone(), n.GetCapacity(), n.GetState(), n.GetMode(), r.favoured[n.GetId()])
	say(n.GetSettings().GetCordoned(), n.GetSettings().GetDrain() != nil, n.GetFrozen() != "", n.GetAhead() != nil, n.GetUnconfirmed(), n.GetHolds())
	if n.GetState() != v1.NodeState_NODE_STATE_UP {
		say(n.GetStateSince().AsTime().UnixNano())
	}
	if n.GetReturnedAt() != nil && !placement.Settled(n, r.policy, r.now) {
		say(n.GetReturnedAt().AsTime().UnixNano(), n.GetFlaps())
	}
	for _, key := range r.labels {
		value, there := placement.Label(n, key)
		say(value, there)
	}
	for _, where := range r.wheres {
		if len(where) > 0 {
			say(placement.Matches(n, where))
		}
	}
	for _, list := range r.lists {
		say(list[n.GetId()])
	}
	for _, scope := range r.scopes {
		say(rollout.Covers(scope, n, nil))
	}
	for _, claim := range n.GetClaims().GetServices() {
		b.WriteString(claim.GetName())
		if claim.GetChangeMode() == v1.ChangeMode_CHANGE_MODE_RESTART || claim.GetData() != 0 || claim.GetNeverStop() {
			say(claim.GetChangeMode(), claim.GetRestartGroup(), claim.GetData(), claim.GetNeverStop())
		}
		b.WriteByte(0)
	}
	for _, t := range n.GetTroubles() {
		say(t.GetService(), t.GetFailures(), t.GetLast().AsTime().UnixNano())
	}
	r.set(&b, n)
	return b.String()
}

// set adds what a node should serve, and how that goes.
func (r *rules) set(b *strings.Builder, n *v1.Node) {
	for _, a := range n.GetAssignments() {
		fmt.Fprint(b, "\x01", a.GetService(), "\x00", a.GetPool(), "\x00", a.GetBorrowed(), a.GetWanted())
		since := reported(n, a.GetService()).GetSince().AsTime()
		// What has been ready for long is ready, whenever that began.
		if rollout.Ready(n, a.GetService()) && !since.After(r.now) && !r.now.Before(since.Add(r.calm)) {
			continue
		}
		fmt.Fprint(b, "\x00", reported(n, a.GetService()).GetState(), since.UnixNano(), a.GetSince().AsTime().UnixNano(), a.GetRevision())
		fmt.Fprint(b, "\x00", a.GetUnreadySince().AsTime().UnixNano(), a.GetRestartedAt().AsTime().UnixNano(), n.GetReturnedAt().AsTime().UnixNano())
	}
}

func reported(n *v1.Node, service string) *v1.ServiceReport {
	for _, r := range n.GetReports() {
		if r.GetService() == service {
			return r
		}
	}
	return nil
}
