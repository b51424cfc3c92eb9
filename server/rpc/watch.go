package rpc

import (
	"context"
	"sort"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/server/rpc/auth"
)

// change is what a watcher of node records is told at once.
type change struct {
	index, epoch uint64
	nodes        []*v1.Node
	removed      []string
	reset        bool
}

// watchNodes calls send with what changed after an index, and again with each
// change, until the call ends or send fails. A watcher of another epoch, or of
// a future that this member does not know, is told to start anew. An agent is
// told of its own node only.
func watchNodes(ctx context.Context, machine *fsm.Machine, after, epoch uint64, send func(change) error) error {
	own, limited := auth.NodeOf(ctx)
	first := true
	for {
		changed := machine.Changed()
		state := machine.State()
		c := change{index: state.Index(), epoch: state.Cluster().GetEpoch()}
		if (epoch != 0 && epoch != c.epoch) || (first && after > c.index && epoch == 0) {
			after, c.reset = 0, true
		}
		if first && after > c.index {
			// A member that lags: wait until it knows what the watcher saw.
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-changed:
				continue
			}
		}
		var removed []*storev1.RemovedNode
		c.nodes, removed = state.ChangedNodes(after)
		for _, r := range removed {
			if !limited || r.GetId() == own {
				c.removed = append(c.removed, r.GetId())
			}
		}
		if limited {
			c.nodes = onlyNode(c.nodes, own)
		}
		if first || len(c.nodes)+len(c.removed) > 0 {
			if err := send(c); err != nil {
				return err
			}
		}
		first, after, epoch = false, c.index, c.epoch
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
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

// WatchAssignments implements AssignmentService.
func (a *Assignments) WatchAssignments(r *v1.WatchAssignmentsRequest, stream v1.AssignmentService_WatchAssignmentsServer) error {
	after := r.GetAfterIndex()
	return watchNodes(stream.Context(), a.Machine, after, r.GetEpoch(), func(c change) error {
		m := &v1.WatchAssignmentsResponse{Index: c.index, Epoch: c.epoch, Removed: c.removed, Reset_: c.reset}
		if c.reset {
			after = 0
		}
		for _, n := range c.nodes {
			if r.GetNode() != "" && r.GetNode() != n.GetId() || n.GetAssignmentIndex() <= after && after != 0 {
				continue
			}
			m.Nodes = append(m.Nodes, fsm.Assignments(n))
		}
		after = c.index
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
