package raftnode

import (
	"context"
	"errors"
	"fmt"
	"time"

	"roster/fsm"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// accessionPause is the pause before another try to become ready.
const accessionPause = 20 * time.Millisecond

// errStarting says that a reign cannot become ready yet.
var errStarting = errors.New("leadership is not ready")

// accede makes each reign ready: it waits until everything of earlier terms is
// applied, and gives a new cluster its first commands.
func (n *Node) accede(ctx context.Context) {
	for {
		reign, changed := n.throne.now()
		if reign != nil {
			err := n.makeReady(reign)
			if err != nil && reign.ctx.Err() == nil {
				n.cfg.Logger.Debug("leadership is not ready yet", "error", err)
				select {
				case <-time.After(accessionPause):
					continue
				case <-ctx.Done():
					return
				case <-changed:
					continue
				}
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

func (n *Node) makeReady(r *reign) error {
	select {
	case <-r.ready:
		return nil // only the leader known has changed
	default:
	}
	term := n.raft().CurrentTerm()
	if err := n.wait(r.ctx, "barrier", func() error { return n.raft().Barrier(0).Error() }); err != nil {
		n.transferRefused(err)
		return err
	}
	// The barrier is an entry of this term, and it is committed and applied: so
	// is all before it. Were the term another by now, it might be an older one.
	if n.raft().CurrentTerm() != term {
		return errStarting
	}
	if err := n.found(r); err != nil {
		return err
	}
	r.term = term
	close(r.ready)
	n.cfg.Logger.Info("this member leads", "term", term)
	return nil
}

// found proposes the first commands of a cluster, where its state has none yet:
// the cluster itself and its first member.
func (n *Node) found(r *reign) error {
	if n.cfg.Machine.State().Cluster() != nil {
		return nil
	}
	results, err := n.propose(r.ctx, r, firstCommands(n.cfg.Identity, n.Self()))
	if err != nil {
		return fmt.Errorf("found the cluster: %w", err)
	}
	for _, result := range results {
		if refusal := result.GetRefusal(); refusal != nil {
			err := fmt.Errorf("%w: the cluster's first commands were refused: %s", ErrBroken, refusal.GetMessage())
			n.stop(err)
			return err
		}
	}
	return nil
}

// firstCommands are those that a cluster begins with.
func firstCommands(identity Identity, self *v1.Member) []*storev1.Envelope {
	return []*storev1.Envelope{
		{Command: &storev1.Command{Command: &storev1.Command_InitCluster{InitCluster: &storev1.InitCluster{Cluster: &v1.Cluster{
			Id: identity.ClusterID, Name: identity.ClusterName,
			Epoch: identity.Epoch, Profile: identity.Profile, RoundTripMs: identity.RoundTripMS, Schema: fsm.Schema,
		}}}}},
		{Command: &storev1.Command{Command: &storev1.Command_PutMember{PutMember: &storev1.PutMember{Member: self}}}},
	}
}

// Self is this member's record as it should stand in the state.
func (n *Node) Self() *v1.Member { return n.cfg.Identity.record(n.cfg.Version) }
