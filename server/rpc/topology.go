package rpc

import (
	"context"

	"google.golang.org/grpc/codes"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/fsm/topology"
	"roster/server/rpc/problem"
)

// Topology implements TopologyService.
type Topology struct {
	v1.UnimplementedTopologyServiceServer
	Gate    *Gate
	Machine *fsm.Machine
}

// PlanTopology implements TopologyService.
func (t *Topology) PlanTopology(ctx context.Context, r *v1.PlanTopologyRequest) (*v1.PlanTopologyResponse, error) {
	state, err := read(ctx, t.Gate, t.Machine, r.GetStale())
	if err != nil {
		return nil, err
	}
	wanted, err := wantedTopology(state, r.GetSource(), r.GetFileName(), r.GetRevision())
	if err != nil {
		return nil, err
	}
	plan, err := planFor(state, proposal{wanted, firstSource(r.GetSource(), sourceOf(state, r.GetRevision())), r.GetFileName()})
	if err != nil {
		return nil, err
	}
	return &v1.PlanTopologyResponse{Plan: plan, Changes: topology.Diff(inForce(state), wanted)}, nil
}

// inForce is the topology in force, nil where there is none.
func inForce(state *fsm.State) *v1.Topology {
	return state.Topology().GetTopology()
}

// wantedTopology is what a plan is asked for: a file, a kept revision, or else
// the topology in force.
func wantedTopology(state *fsm.State, source []byte, fileName string, revision uint64) (*v1.Topology, error) {
	switch {
	case len(source) > 0:
		return parse(state, fileName, source)
	case revision != 0:
		kept, err := keptRevision(state, revision)
		return kept.GetTopology(), err
	case state.Topology() != nil:
		return inForce(state), nil
	default:
		return nil, problem.New(codes.FailedPrecondition, problem.NoTopology, "no topology was applied yet: give a file")
	}
}

// parse reads a file and checks that it is for this cluster.
func parse(state *fsm.State, fileName string, source []byte) (*v1.Topology, error) {
	if fileName == "" {
		fileName = "topology"
	}
	parsed, err := topology.ParseFor(fileName, source, state.Cluster().GetName())
	if err != nil {
		return nil, problem.New(codes.InvalidArgument, problem.BadTopology, "%s", err.Error())
	}
	return parsed, nil
}

// sourceOf is a kept revision as it was written; 0: the one in force.
func sourceOf(state *fsm.State, revision uint64) []byte {
	if revision == 0 {
		return state.Topology().GetSource()
	}
	return state.Revision(revision).GetSource()
}

// ApplyTopology implements TopologyService.
func (t *Topology) ApplyTopology(ctx context.Context, r *v1.ApplyTopologyRequest) (*v1.ApplyTopologyResponse, error) {
	if len(r.GetSource()) == 0 {
		return nil, problem.New(codes.InvalidArgument, problem.InvalidArgument, "source is empty: give the file")
	}
	if err := requireRequestID(r.GetRequestId()); err != nil {
		return nil, err
	}
	if err := t.Gate.Fresh(ctx); err != nil {
		return nil, toStatus(err)
	}
	state := t.Machine.State()
	parsed, err := parse(state, r.GetFileName(), r.GetSource())
	if err != nil {
		return nil, err
	}
	command := &storev1.ApplyTopology{
		Topology: parsed, Source: r.GetSource(), ExpectedRevision: r.ExpectedRevision, Basis: r.GetBasis(),
		AllowStop: r.GetAllowStop(), AcceptShortage: r.GetAcceptShortage(), AcceptGap: r.GetAcceptGap(),
	}
	if err := foreseen(ctx, state, r.GetRequestId(), command, proposal{parsed, r.GetSource(), r.GetFileName()}); err != nil {
		return nil, err
	}
	result, err := t.Gate.write(ctx, r.GetRequestId(), &storev1.Command{Command: &storev1.Command_ApplyTopology{ApplyTopology: command}})
	if err != nil {
		return nil, err
	}
	return &v1.ApplyTopologyResponse{Revision: result.GetRevision(), Index: result.GetIndex(), Changed: result.GetChanged()}, nil
}

// RollbackTopology implements TopologyService.
func (t *Topology) RollbackTopology(ctx context.Context, r *v1.RollbackTopologyRequest) (*v1.RollbackTopologyResponse, error) {
	if r.GetRevision() == 0 {
		return nil, problem.New(codes.InvalidArgument, problem.InvalidArgument, "revision is missing: name the one to go back to (see `roster topology history`)")
	}
	if err := requireRequestID(r.GetRequestId()); err != nil {
		return nil, err
	}
	if err := t.Gate.Fresh(ctx); err != nil {
		return nil, toStatus(err)
	}
	state := t.Machine.State()
	command := &storev1.ApplyTopology{
		RollbackTo: r.GetRevision(), ExpectedRevision: r.ExpectedRevision, Basis: r.GetBasis(),
		AllowStop: r.GetAllowStop(), AcceptShortage: r.GetAcceptShortage(), AcceptGap: r.GetAcceptGap(),
	}
	// One that is not kept any more is Apply's to refuse: it may have been when this
	// very request was done.
	if kept := state.Revision(r.GetRevision()); kept != nil {
		if err := foreseen(ctx, state, r.GetRequestId(), command, proposal{kept.GetTopology(), kept.GetSource(), ""}); err != nil {
			return nil, err
		}
	}
	result, err := t.Gate.write(ctx, r.GetRequestId(), &storev1.Command{Command: &storev1.Command_ApplyTopology{ApplyTopology: command}})
	if err != nil {
		return nil, err
	}
	return &v1.RollbackTopologyResponse{Revision: result.GetRevision(), Index: result.GetIndex()}, nil
}

// GetTopology implements TopologyService.
func (t *Topology) GetTopology(ctx context.Context, r *v1.GetTopologyRequest) (*v1.GetTopologyResponse, error) {
	state, err := read(ctx, t.Gate, t.Machine, r.GetStale())
	if err != nil {
		return nil, err
	}
	revision := state.Topology()
	if r.GetRevision() != 0 {
		if revision, err = keptRevision(state, r.GetRevision()); err != nil {
			return nil, err
		}
	}
	if revision == nil {
		return nil, problem.New(codes.NotFound, problem.NoTopology, "no topology was applied yet: `roster topology apply -f FILE`")
	}
	effective := topology.Effective(revision.GetTopology())
	return &v1.GetTopologyResponse{Revision: revision, Effective: effective, EffectiveSource: topology.Format(effective)}, nil
}

// keptRevision finds a revision that is still kept.
func keptRevision(state *fsm.State, number uint64) (*v1.TopologyRevision, error) {
	if r := state.Revision(number); r != nil {
		return r, nil
	}
	kept := state.Revisions()
	if len(kept) == 0 {
		return nil, problem.New(codes.NotFound, problem.NotFound, "there is no revision %d: no topology was applied yet", number)
	}
	return nil, problem.New(codes.NotFound, problem.NotFound, "there is no revision %d: kept are %d to %d",
		number, kept[len(kept)-1].GetRevision(), kept[0].GetRevision())
}

// ListTopologyRevisions implements TopologyService.
func (t *Topology) ListTopologyRevisions(ctx context.Context, r *v1.ListTopologyRevisionsRequest) (*v1.ListTopologyRevisionsResponse, error) {
	state, err := read(ctx, t.Gate, t.Machine, r.GetStale())
	if err != nil {
		return nil, err
	}
	return &v1.ListTopologyRevisionsResponse{Revisions: state.Revisions()}, nil
}

// DiffTopology implements TopologyService.
func (t *Topology) DiffTopology(ctx context.Context, r *v1.DiffTopologyRequest) (*v1.DiffTopologyResponse, error) {
	state, err := read(ctx, t.Gate, t.Machine, r.GetStale())
	if err != nil {
		return nil, err
	}
	before := inForce(state)
	if r.GetFromRevision() != 0 {
		kept, err := keptRevision(state, r.GetFromRevision())
		if err != nil {
			return nil, err
		}
		before = kept.GetTopology()
	}
	after, err := wantedTopology(state, r.GetSource(), r.GetFileName(), r.GetToRevision())
	if err != nil {
		return nil, err
	}
	return &v1.DiffTopologyResponse{Changes: topology.Diff(before, after)}, nil
}
