package rpc

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/fsm/placement"
	"roster/fsm/rollout"
	"roster/fsm/topology"
	"roster/fsm/whatif"
	"roster/server/rpc/problem"
)

// WhatIf implements WhatIfService: questions about a cluster that is not. Each is
// worked out from one state, which nobody has to wait for.
type WhatIf struct {
	v1.UnimplementedWhatIfServiceServer
	Gate    *Gate
	Machine *fsm.Machine
	Members electorate
	// Timed is a topology as the leader's loop reads it; nil: as it is.
	Timed func(*v1.Topology) *v1.Topology
	// Desk is where questions wait that take a processor for long.
	Desk *Desk
}

// cluster is what a question is asked of: the live cluster, with the members'
// votes, and the topology of a file, where there is one.
func (w *WhatIf) cluster(ctx context.Context, source []byte, fileName string, stale bool) (*whatif.Cluster, *v1.Topology, error) {
	state, err := read(ctx, w.Gate, w.Machine, stale)
	if err != nil {
		return nil, nil, err
	}
	effective := state.Effective()
	if w.Timed != nil {
		effective = w.Timed(effective)
	}
	c := fsm.Hypothetical(state, effective, timeOf(state))
	c.Members = withVotes(ctx, state.Members(), w.Members)
	if len(source) > 0 {
		parsed, err := parse(state, fileName, source)
		return c, parsed, err
	}
	if effective == nil {
		return nil, nil, problem.New(codes.FailedPrecondition, problem.NoTopology, "no topology was applied yet: give a file")
	}
	return c, nil, nil
}

// withVotes are the members as they are listed: who has a vote, who answers.
func withVotes(ctx context.Context, members []*v1.Member, from electorate) []*v1.Member {
	voters := from.voters()
	silent := map[string]bool{}
	for _, id := range from.silent(ctx, voters) {
		silent[id] = true
	}
	shown := make([]*v1.Member, len(members))
	for i, m := range members {
		shown[i] = proto.CloneOf(m)
		shown[i].Voter, shown[i].State = voters[m.GetId()], v1.MemberState_MEMBER_STATE_UP
		if silent[m.GetId()] {
			shown[i].State = v1.MemberState_MEMBER_STATE_SILENT
		}
	}
	return shown
}

// settledUnder is the cluster as it would be once a file was carried out; as it
// is, where there is none.
func settledUnder(c *whatif.Cluster, top *v1.Topology) (*whatif.Cluster, error) {
	if top == nil {
		return c, nil
	}
	under, err := c.Under(top)
	if err != nil {
		return nil, planFault(err)
	}
	return under, nil
}

// Simulate implements WhatIfService.
func (w *WhatIf) Simulate(ctx context.Context, r *v1.SimulateRequest) (*v1.SimulateResponse, error) {
	if len(r.GetFail()) == 0 {
		return nil, problem.New(codes.InvalidArgument, problem.InvalidArgument, "fail is empty: name what fails, as `node-3`, `zone:a1`, `region:b` or `member:m2`")
	}
	c, top, err := w.cluster(ctx, r.GetSource(), r.GetFileName(), r.GetStale())
	if err != nil {
		return nil, err
	}
	return atDesk(ctx, w.Desk, func() (*v1.SimulateResponse, error) {
		c, err := settledUnder(c, top)
		if err != nil {
			return nil, err
		}
		answer, err := c.Simulate(r.GetFail(), r.GetWithReturn())
		switch {
		case errors.Is(err, placement.ErrImpossible):
			return nil, planFault(err)
		case err != nil:
			return nil, problem.New(codes.InvalidArgument, problem.InvalidArgument, "%s", err.Error())
		}
		return answer, nil
	})
}

// Survive implements WhatIfService.
func (w *WhatIf) Survive(ctx context.Context, r *v1.SurviveRequest) (*v1.SurviveResponse, error) {
	c, top, err := w.cluster(ctx, r.GetSource(), r.GetFileName(), r.GetStale())
	if err != nil {
		return nil, err
	}
	return atDesk(ctx, w.Desk, func() (*v1.SurviveResponse, error) {
		c, err := settledUnder(c, top)
		if err != nil {
			return nil, err
		}
		answer := c.Survive(whatif.SurviveOptions{Pairs: !r.GetWithoutPairs(), Stop: func() bool { return ctx.Err() != nil }})
		return answer, toStatus(ctx.Err())
	})
}

// Explain implements WhatIfService.
func (w *WhatIf) Explain(ctx context.Context, r *v1.ExplainRequest) (*v1.ExplainResponse, error) {
	if r.GetService() == "" || r.GetNode() == "" {
		return nil, problem.New(codes.InvalidArgument, problem.InvalidArgument, "service and node are needed: `roster explain imap node-3`")
	}
	c, top, err := w.cluster(ctx, r.GetSource(), r.GetFileName(), r.GetStale())
	if err != nil {
		return nil, err
	}
	if top != nil {
		// The records are what they are; only what is wanted is the file's.
		effective := topology.Effective(top)
		c.Floors = rollout.AdvanceFloors(c.Floors, effective, rollout.PartsOf(c.Floors), rollout.ReadyCounts(c.Nodes, c.Floors))
		c.Topology, c.Prefer = effective, nil
	}
	answer, err := c.Explain(r.GetService(), r.GetNode())
	switch {
	case errors.Is(err, placement.ErrUnknownNode):
		return nil, problem.New(codes.NotFound, problem.NotFound, "%s: `roster node list` shows those that registered", err)
	case errors.Is(err, placement.ErrUnknownService):
		return nil, problem.New(codes.NotFound, problem.NotFound, "%s: no pool of the topology has it, and no node serves it", err)
	case err != nil:
		return nil, planFault(err)
	}
	return answer, nil
}
