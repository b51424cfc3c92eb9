package rpc

import (
	"context"
	"sort"

	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/server/rpc/auth"
)

// change is what a watcher of node records is told at once.
type change struct {
	// after and index bound it: everything later than the one, up to the other.
	after, index, epoch uint64
	nodes               []*v1.Node
	removed             []string
	// first is sent even where nothing changed; reset: forget what was before.
	first, reset bool
}

// nodesAtOnce keeps a message far below the 4 MiB that gRPC clients take by
// default, with the largest records that are accepted.
const nodesAtOnce = 200

// parts cuts a change into messages of a bounded size. All but the last say
// that nothing is sent up to a new index yet, so a watcher that breaks off in
// between gets them again.
func (c change) parts() []change {
	var parts []change
	for len(c.nodes) > nodesAtOnce {
		part := c
		part.index, part.nodes, part.removed = c.after, c.nodes[:nodesAtOnce], nil
		parts = append(parts, part)
		c.nodes, c.reset, c.first = c.nodes[nodesAtOnce:], false, false
	}
	return append(parts, c)
}

// watchNodes calls send with what changed after an index, and again with each
// change, until the call ends or send fails. A watcher of another epoch, or of
// a future that this member does not know, is told to start anew. An agent is
// told of its own node only.
func watchNodes(ctx context.Context, machine *fsm.Machine, after, epoch uint64, send func(change) error) error {
	own, limited := auth.NodeOf(ctx)
	if _, err := knownCluster(ctx, machine); err != nil {
		return err
	}
	for first := true; ; {
		changed := machine.Changed()
		state := machine.State()
		c := change{index: state.Index(), epoch: state.Cluster().GetEpoch(), first: first}
		ahead := first && after > c.index
		if epoch != 0 && epoch != c.epoch || ahead && epoch == 0 {
			after, ahead, c.reset = 0, false, true
		}
		if !ahead { // else this member lags: wait until it knows what the watcher saw
			c.after = after
			c.nodes, c.removed = changes(state, after, own, limited)
			if first || c.reset || len(c.nodes)+len(c.removed) > 0 {
				for _, part := range c.parts() {
					if err := send(part); err != nil {
						return err
					}
				}
			}
			first, after, epoch = false, c.index, c.epoch
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// knownCluster waits until this member knows its cluster: right after its start
// it has not read its own state yet, and must not tell a watcher that there is
// nothing.
func knownCluster(ctx context.Context, machine *fsm.Machine) (*v1.Cluster, error) {
	for {
		changed := machine.Changed()
		if cluster := machine.State().Cluster(); cluster != nil {
			return cluster, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-changed:
		}
	}
}

// changes are the nodes changed and removed after an index; an agent's own only.
func changes(state *fsm.State, after uint64, own string, limited bool) (nodes []*v1.Node, removed []string) {
	nodes, gone := state.ChangedNodes(after)
	for _, r := range gone {
		if !limited || r.GetId() == own {
			removed = append(removed, r.GetId())
		}
	}
	if limited {
		nodes = onlyNode(nodes, own)
	}
	return nodes, removed
}

func onlyNode(nodes []*v1.Node, id string) []*v1.Node {
	for _, n := range nodes {
		if n.GetId() == id {
			return []*v1.Node{n}
		}
	}
	return nil
}

// WatchNodes implements NodeService.
func (n *Nodes) WatchNodes(r *v1.WatchNodesRequest, stream v1.NodeService_WatchNodesServer) error {
	return watchNodes(stream.Context(), n.Machine, r.GetAfterIndex(), r.GetEpoch(), func(c change) error {
		return stream.Send(&v1.WatchNodesResponse{Index: c.index, Epoch: c.epoch, Nodes: c.nodes, Removed: c.removed, Reset_: c.reset})
	})
}

// Assignments implements AssignmentService.
type Assignments struct {
	v1.UnimplementedAssignmentServiceServer
	Gate    *Gate
	Machine *fsm.Machine
}

// ListAssignments implements AssignmentService.
func (a *Assignments) ListAssignments(ctx context.Context, r *v1.ListAssignmentsRequest) (*v1.ListAssignmentsResponse, error) {
	state, err := read(ctx, a.Gate, a.Machine, r.GetStale())
	if err != nil {
		return nil, err
	}
	nodes := state.Nodes()
	if r.GetNode() != "" {
		if state.Node(r.GetNode()) == nil {
			return nil, unknownNode(r.GetNode())
		}
		nodes = []*v1.Node{state.Node(r.GetNode())}
	}
	answer := &v1.ListAssignmentsResponse{Index: state.Index()}
	for _, n := range nodes {
		set := fsm.Assignments(n)
		if r.GetService() != "" {
			set = onlyService(set, r.GetService())
		}
		if len(set.GetAssignments()) > 0 || r.GetService() == "" {
			answer.Nodes = append(answer.Nodes, set)
		}
	}
	return answer, nil
}

func onlyService(set *v1.NodeAssignments, service string) *v1.NodeAssignments {
	out := &v1.NodeAssignments{Node: set.GetNode(), Generation: set.GetGeneration(), Index: set.GetIndex()}
	for _, a := range set.GetAssignments() {
		if a.GetService() == service {
			out.Assignments = append(out.Assignments, a)
		}
	}
	for _, s := range set.GetReady() {
		if s == service {
			out.Ready = append(out.Ready, s)
		}
	}
	return out
}

// WatchAssignments implements AssignmentService. Of the nodes that changed it
// sends those whose set did, or what is ready of it.
func (a *Assignments) WatchAssignments(r *v1.WatchAssignmentsRequest, stream v1.AssignmentService_WatchAssignmentsServer) error {
	wanted := func(id string) bool { return r.GetNode() == "" || r.GetNode() == id }
	return watchNodes(stream.Context(), a.Machine, r.GetAfterIndex(), r.GetEpoch(), func(c change) error {
		m := &v1.WatchAssignmentsResponse{Index: c.index, Epoch: c.epoch, Reset_: c.reset}
		for _, id := range c.removed {
			if wanted(id) {
				m.Removed = append(m.Removed, id)
			}
		}
		for _, n := range c.nodes {
			if wanted(n.GetId()) && n.GetAssignmentIndex() > c.after {
				m.Nodes = append(m.Nodes, fsm.Assignments(n))
			}
		}
		if !c.first && !c.reset && len(m.GetNodes())+len(m.GetRemoved()) == 0 {
			return nil
		}
		return stream.Send(m)
	})
}

// Endpoints implements EndpointService.
type Endpoints struct {
	v1.UnimplementedEndpointServiceServer
	Gate    *Gate
	Machine *fsm.Machine
}

// ListEndpoints implements EndpointService.
func (e *Endpoints) ListEndpoints(ctx context.Context, r *v1.ListEndpointsRequest) (*v1.ListEndpointsResponse, error) {
	state, err := read(ctx, e.Gate, e.Machine, r.GetStale())
	if err != nil {
		return nil, err
	}
	answer := &v1.ListEndpointsResponse{Index: state.Index()}
	for _, n := range state.Nodes() {
		for _, endpoint := range fsm.Endpoints(n) {
			if r.GetService() == "" || r.GetService() == endpoint.GetService() {
				answer.Endpoints = append(answer.Endpoints, endpoint)
			}
		}
	}
	sort.SliceStable(answer.Endpoints, func(i, j int) bool {
		return answer.Endpoints[i].GetService() < answer.Endpoints[j].GetService()
	})
	return answer, nil
}

// WatchEndpoints implements EndpointService.
func (e *Endpoints) WatchEndpoints(r *v1.WatchEndpointsRequest, stream v1.EndpointService_WatchEndpointsServer) error {
	return watchNodes(stream.Context(), e.Machine, r.GetAfterIndex(), r.GetEpoch(), func(c change) error {
		m := &v1.WatchEndpointsResponse{Index: c.index, Epoch: c.epoch, Removed: c.removed, Reset_: c.reset}
		for _, n := range c.nodes {
			m.Nodes = append(m.Nodes, &v1.NodeEndpoints{Node: n.GetId(), Index: n.GetIndex(), Endpoints: fsm.Endpoints(n)})
		}
		return stream.Send(m)
	})
}
