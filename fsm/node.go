package fsm

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"roster/fsm/topology"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// defaultCapacity is read for a claim of 0.
const defaultCapacity = 100

// copyNode makes a node whose fields may be set. What they point to is shared,
// so it must be replaced, not changed.
func copyNode(n *v1.Node) *v1.Node {
	return &v1.Node{
		Id: n.GetId(), Instance: n.GetInstance(), Claims: n.GetClaims(), Settings: n.GetSettings(),
		Region: n.GetRegion(), Zone: n.GetZone(), Labels: n.GetLabels(), Capacity: n.GetCapacity(),
		State: n.GetState(), StateSince: n.GetStateSince(),
		Assignments: n.GetAssignments(), Generation: n.GetGeneration(),
		Reports: n.GetReports(), ReportedGeneration: n.GetReportedGeneration(),
		AgentVersion: n.GetAgentVersion(), RegisteredAt: n.GetRegisteredAt(),
		Index: n.GetIndex(), AssignmentIndex: n.GetAssignmentIndex(),
		Mode: n.GetMode(), ReturnedAt: n.GetReturnedAt(), Flaps: n.GetFlaps(), Troubles: n.GetTroubles(),
		Ahead: n.GetAhead(), Frozen: n.GetFrozen(), Supersedes: n.GetSupersedes(), Unconfirmed: n.GetUnconfirmed(), Holds: n.GetHolds(),
	}
}

// putNode makes after the node's record and keeps what follows from it: index,
// ready counts, events of readiness, and where data is. before is nil for a new node.
func (d *draft) putNode(before, after *v1.Node) {
	after.Index = d.index
	d.unconfirmed += counts(after.GetUnconfirmed()) - counts(before.GetUnconfirmed())
	if before == nil {
		after.AssignmentIndex = d.index
	} else if d.trackReady(before, after) || before.GetGeneration() != after.GetGeneration() {
		after.AssignmentIndex = d.index
	}
	d.nodes.put(after.GetId(), after)
	d.trackClaims(before, after)
}

func counts(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// takeEffect works out what is in force of a node: what the operator set, else
// what the agent claims.
func takeEffect(n *v1.Node) {
	claims, settings := n.GetClaims(), n.GetSettings()
	n.Region, n.Zone, n.Capacity = claims.GetRegion(), claims.GetZone(), claims.GetCapacity()
	if settings.GetRegion() != "" {
		n.Region = settings.GetRegion()
	}
	if settings.GetZone() != "" {
		n.Zone = settings.GetZone()
	}
	if settings.GetCapacity() != 0 {
		n.Capacity = settings.GetCapacity()
	}
	if n.Capacity == 0 {
		n.Capacity = defaultCapacity
	}
	// A claim without a mode, as agents made them before there were modes, says
	// nothing of it; see AgentMode.
	n.Mode = claims.GetMode()
	if settings.GetActivated() && n.Mode == v1.AgentMode_AGENT_MODE_OBSERVE {
		n.Mode = v1.AgentMode_AGENT_MODE_ACT
	}
	n.Labels = nil
	if size := len(claims.GetLabels()) + len(settings.GetLabels()); size > 0 {
		n.Labels = make(map[string]string, size)
		for k, v := range claims.GetLabels() {
			n.Labels[k] = v
		}
		for k, v := range settings.GetLabels() {
			n.Labels[k] = v
		}
	}
}

// node finds the node that a command names.
func (d *draft) node(id string) (*v1.Node, *storev1.Result) {
	if n := d.nodes.get(id); n != nil {
		return n, nil
	}
	return nil, refused(codeNotFound, ReasonNoNode, "there is no node %.80q; `roster node list` shows them", id)
}

// expectGeneration holds a write to what its author saw.
func expectGeneration(n *v1.Node, expected *uint64) *storev1.Result {
	if expected == nil || *expected == n.GetGeneration() {
		return nil
	}
	r := refused(codeAborted, ReasonStaleGeneration, "node %s is at generation %d, not %d: its set changed; look again", n.GetId(), n.GetGeneration(), *expected)
	r.Generation = n.GetGeneration()
	return r
}

// normalClaims checks what an agent claims and returns it in normal form, as far
// as a schema knows of it: services sorted by name, modes spelt out.
func normalClaims(c *v1.NodeClaims, schema uint32) (*v1.NodeClaims, error) {
	if err := checkPlace(c.GetRegion(), c.GetZone(), c.GetCapacity()); err != nil {
		return nil, err
	}
	if len(c.GetLabels()) > maxLabels {
		return nil, fmt.Errorf("the agent claims %d labels; at most %d", len(c.GetLabels()), maxLabels)
	}
	for _, k := range sortedKeys(c.GetLabels()) {
		if err := checkLabel(k, c.GetLabels()[k]); err != nil {
			return nil, err
		}
	}
	if len(c.GetServices()) > maxServices {
		return nil, fmt.Errorf("the agent claims %d services; at most %d", len(c.GetServices()), maxServices)
	}
	n := &v1.NodeClaims{Region: c.GetRegion(), Zone: c.GetZone(), Labels: c.GetLabels(), Capacity: c.GetCapacity()}
	if schema >= 2 {
		switch n.Mode = c.GetMode(); n.Mode {
		case v1.AgentMode_AGENT_MODE_ACT, v1.AgentMode_AGENT_MODE_OBSERVE:
		case v1.AgentMode_AGENT_MODE_UNSPECIFIED:
			n.Mode = v1.AgentMode_AGENT_MODE_ACT
		default:
			return nil, errors.New("the agent claims a mode that this build does not know; use act or observe")
		}
	}
	for _, s := range c.GetServices() {
		s, err := normalClaim(s, schema)
		if err != nil {
			return nil, err
		}
		n.Services = append(n.Services, s)
	}
	slices.SortFunc(n.Services, func(a, b *v1.ServiceClaim) int { return cmp.Compare(a.GetName(), b.GetName()) })
	for i := 1; i < len(n.Services); i++ {
		if n.Services[i].GetName() == n.Services[i-1].GetName() {
			return nil, fmt.Errorf("the agent claims service %s twice; configure it once", n.Services[i].GetName())
		}
	}
	return n, nil
}

func normalClaim(s *v1.ServiceClaim, schema uint32) (*v1.ServiceClaim, error) {
	if err := topology.CheckName(s.GetName()); err != nil {
		return nil, fmt.Errorf("claimed service: %w", err)
	}
	if err := checkText("restart group of "+s.GetName(), s.GetRestartGroup(), maxName); err != nil {
		return nil, err
	}
	if err := checkText("driver of "+s.GetName(), s.GetDriver(), maxName); err != nil {
		return nil, err
	}
	mode := v1.ChangeMode_CHANGE_MODE_LIVE
	if s.GetRestartGroup() != "" {
		mode = v1.ChangeMode_CHANGE_MODE_RESTART
	} else if s.GetChangeMode() == v1.ChangeMode_CHANGE_MODE_RESTART {
		return nil, fmt.Errorf("service %s restarts when it changes, but names no restart group; name one", s.GetName())
	}
	if len(s.GetEndpoints()) > maxEndpoints {
		return nil, fmt.Errorf("service %s has %d endpoints; at most %d", s.GetName(), len(s.GetEndpoints()), maxEndpoints)
	}
	for _, e := range s.GetEndpoints() {
		if err := checkEndpoint(s.GetName(), e); err != nil {
			return nil, err
		}
	}
	return &v1.ServiceClaim{
		Name: s.GetName(), ChangeMode: mode, RestartGroup: s.GetRestartGroup(), Data: s.GetData(),
		Endpoints: s.GetEndpoints(), Driver: s.GetDriver(), NeverStop: s.GetNeverStop() && schema >= 2,
	}, nil
}

func checkEndpoint(service string, e *v1.Endpoint) error {
	if err := checkText("host of an endpoint of "+service, e.GetHost(), maxHost); err != nil {
		return err
	}
	if e.GetPort() == 0 || e.GetPort() > 65535 {
		return fmt.Errorf("an endpoint of %s has port %d; use 1 to 65535", service, e.GetPort())
	}
	return checkText("path of an endpoint of "+service, e.GetPath(), maxPath)
}

func checkPlace(region, zone string, capacity uint32) error {
	if err := checkText("region", region, maxName); err != nil {
		return err
	}
	if err := checkText("zone", zone, maxName); err != nil {
		return err
	}
	if capacity > maxCapacity {
		return fmt.Errorf("capacity %d is too large; at most %d", capacity, maxCapacity)
	}
	return nil
}

// claim returns what a node claims of a service, or nil.
func claim(n *v1.Node, service string) *v1.ServiceClaim {
	for _, s := range n.GetClaims().GetServices() {
		if s.GetName() == service {
			return s
		}
	}
	return nil
}

// assignment returns a node's assignment of a service, or nil.
func assignment(n *v1.Node, service string) *v1.Assignment {
	for _, a := range n.GetAssignments() {
		if a.GetService() == service {
			return a
		}
	}
	return nil
}
