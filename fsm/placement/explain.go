package placement

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "roster/proto/roster/v1"
)

// What Explain cannot answer.
var (
	ErrUnknownService = errors.New("no such service")
	ErrUnknownNode    = errors.New("no such node")
)

// Explain says why a service is on a node, or why it is not, and why the node is
// no member of each other pool that has the service.
//
// It asks the planner: where a node could be a member, the members are chosen
// again with that node among them, and the first part of the cost that is worse
// is the reason.
func Explain(v View, service, node string) (*v1.ExplainResponse, error) {
	i := slices.IndexFunc(v.Nodes, func(n *v1.Node) bool { return n.GetId() == node })
	if i < 0 {
		return nil, fmt.Errorf("%w: %s; `roster node list` names those there are", ErrUnknownNode, node)
	}
	record := v.Nodes[i]
	services := servicesOf(v.Topology)
	if !slices.Contains(services, service) && assignmentOf(record, service) == nil && claimOf(record, service) == nil {
		return nil, fmt.Errorf("%w: %s; the topology has %s", ErrUnknownService, service, enumerate(services, 32))
	}
	target, err := Place(v)
	if err != nil {
		return nil, err
	}
	x, err := explainer(v, node)
	if err != nil {
		return nil, err
	}
	r := &v1.ExplainResponse{Present: present(record, service)}
	if pool := target.Wanted(v.Topology)[node][service]; pool != "" {
		r.Wanted, r.Pool = true, pool
		at := slices.IndexFunc(target.Seats, func(s *v1.Seat) bool { return s.GetNode() == node && s.GetPool() == pool })
		r.Reason = fmt.Sprintf("it is a member of pool %s: %s", pool, target.Seats[at].GetReason())
	}
	for _, l := range target.Loans {
		if l.GetNode() == node && l.GetService() == service {
			r.Wanted, r.Pool, r.Borrowed, r.Reason = true, l.GetPool(), true, l.GetReason()
		}
	}
	for _, k := range x.filed {
		if slices.Contains(x.pools[k].GetServices(), service) && !x.seats.has(x.node, k) {
			r.Alternatives = append(r.Alternatives, &v1.Alternative{Pool: x.pools[k].GetName(), Reason: x.why(k)})
		}
	}
	if !r.GetWanted() {
		r.Reason = x.unwanted(target, service, r.GetAlternatives())
	}
	return r, nil
}

func servicesOf(top *v1.Topology) []string {
	var names []string
	for _, p := range top.GetPools() {
		names = append(names, p.GetServices()...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// unwanted says why nothing wants a service at the node.
func (x *explaining) unwanted(target *Target, service string, alternatives []*v1.Alternative) string {
	s, named := x.numbers[service]
	switch {
	case !named:
		return "no pool has " + service
	case len(alternatives) == 1:
		return fmt.Sprintf("it is no member of pool %s: %s", alternatives[0].GetPool(), alternatives[0].GetReason())
	}
	text := "it is no member of any pool that has " + service
	for _, short := range target.Shortages {
		if short.GetService() != service {
			continue
		}
		if b := x.unfit(x.node, s); b != free {
			return fmt.Sprintf("%s, and may not stand in: %s", text, x.barrierText(b, []int{s}))
		}
	}
	return text + ", and no floor needs it there"
}

// present says what the record has of a service at a node.
func present(n *v1.Node, service string) string {
	a, report := assignmentOf(n, service), reportOf(n, service)
	state := strings.ToLower(strings.TrimPrefix(report.GetState().String(), "SERVICE_STATE_"))
	if n.GetState() == v1.NodeState_NODE_STATE_DOWN {
		state = "nothing is known of it while its node is down"
	} else if report == nil {
		state = "its agent has said nothing of it"
	} else {
		state = "its agent says " + state
		if d := report.GetDetail(); d != "" {
			state += ": " + d
		}
	}
	if a == nil {
		return "it is not wanted there; " + state
	}
	wanted := "it is wanted serving"
	if a.GetWanted() == v1.Wanted_WANTED_DRAINING {
		wanted = "it is to end its sessions"
	}
	if a.GetSince() != nil {
		wanted += " since " + a.GetSince().AsTime().UTC().Format(time.RFC3339)
	}
	if a.GetPool() != "" {
		wanted += " for pool " + a.GetPool()
		if a.GetBorrowed() {
			wanted += ", without a seat"
		}
	}
	return wanted + "; " + state
}
