package raftnode

import (
	"context"
	"errors"
	"fmt"

	"roster/fsm"
	v1 "roster/proto/roster/v1"
)

// lineage is this member's own, as far as it is known.
func (n *Node) lineage() lineage {
	return lineage{cluster: n.cfg.Identity.ClusterID, epoch: n.epoch.Load(), member: n.cfg.Identity.ID}
}

// learnEpoch keeps the epoch of a member that was made before epochs were kept,
// once its state tells it: after its next start nobody else could.
func (n *Node) learnEpoch(ctx context.Context) error {
	for n.epoch.Load() == 0 {
		changed := n.cfg.Machine.Changed()
		if cluster := n.cfg.Machine.State().Cluster(); cluster != nil {
			n.epoch.Store(cluster.GetEpoch())
			kept, err := Load(n.cfg.Dir)
			if err == nil {
				kept.Epoch = cluster.GetEpoch()
				err = kept.write(n.cfg.Dir)
			}
			if err != nil {
				n.cfg.Logger.Warn("the epoch was not noted in the member's file", "error", err)
			}
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// strange says whether a member that wants to speak was removed from the group.
// That it is not in the configuration says little: this one may lag.
func (n *Node) strange(member string) bool {
	state := n.cfg.Machine.State()
	if _, in := n.server(member); in || state.Member(member) != nil {
		return false
	}
	found, _, err := state.LastEvents(0, 1, func(e *v1.Event) bool {
		return e.GetKind() == fsm.EventMemberRemoved && e.GetMember() == member
	})
	return err == nil && len(found) > 0
}

// turnedAway stops a member that another one will not speak to again: its
// cluster went on without it. Else it would ask for votes for ever.
func (n *Node) turnedAway(address string, err error) {
	var e *otherHistoryError
	switch {
	case errors.Is(err, errStranger):
		n.stop(n.removed())
		return
	case !errors.As(err, &e) || !e.behind():
		return
	}
	n.stop(fmt.Errorf("%w: the member at %s says that cluster %s was recovered or restored: it is in epoch %d now, member %s still in %d. "+
		"What this member holds is not wanted any more, and nothing of it is taken over. Mend: delete %s and run `roster join`",
		ErrSuperseded, address, n.cfg.Identity.ClusterName, e.peer.epoch, n.cfg.Identity.Name, e.own.epoch, n.cfg.Dir))
}
