package raftnode

import (
	"context"

	"roster/fsm"
	storev1 "roster/proto/roster/store/v1"
)

// schema is the one that the leader writes: what the cluster agreed on. The
// state machine raises it once every member's record reads more.
func (n *Node) schema() uint32 {
	if agreed := n.cfg.Machine.State().Cluster().GetSchema(); agreed != 0 {
		return min(agreed, fsm.Schema)
	}
	return fsm.Schema
}

// proposeReadable is propose for commands of any schema. One that some member
// cannot read yet is refused before it is written: in the log, it would stop
// that member.
func (n *Node) proposeReadable(ctx context.Context, r *reign, envelopes []*storev1.Envelope) ([]*storev1.Result, error) {
	state := n.cfg.Machine.State()
	results := make([]*storev1.Result, len(envelopes))
	var readable []*storev1.Envelope
	for i, e := range envelopes {
		if results[i] = state.Unread(e.GetCommand()); results[i] == nil {
			readable = append(readable, e)
		}
	}
	if len(readable) == len(envelopes) {
		return n.propose(ctx, r, envelopes)
	}
	written, err := n.propose(ctx, r, readable)
	if err != nil {
		return nil, err
	}
	for i := range results {
		if results[i] == nil {
			results[i], written = written[0], written[1:]
		}
	}
	return results, nil
}
