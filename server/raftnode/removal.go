package raftnode

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// removedAfter is how many election timeouts without a leader's word confirm a
// removal: the entry that took this member out of the configuration may have
// been rolled back, but then a leader would be heard again.
const removedAfter = 10

// silence is how long a removed member has not heard of a leader.
func (n *Node) silence() time.Duration { return max(2*time.Second, removedAfter*n.timing.election) }

// superviseMembership notices that this member was taken out of the group. Raft
// is silent about it: a leader that removed itself shuts raft down, a follower
// just hears nothing any more.
func (n *Node) superviseMembership(ctx context.Context) error {
	tick := time.NewTicker(n.timing.election)
	defer tick.Stop()
	begun, told := time.Now(), false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if n.stopped() {
			return nil
		}
		if n.raft().State() == raft.Shutdown {
			return n.removed()
		}
		_, in := n.server(n.cfg.Identity.ID)
		if in {
			n.store.belonged.Store(true)
		}
		switch {
		case in, len(n.Servers()) == 0:
		case time.Since(begun) < n.silence() || time.Since(n.raft().LastContact()) < n.silence():
		case n.store.belonged.Load():
			return n.removed()
		case !told:
			// After a restart there is no telling whether it was removed or had
			// only begun to join.
			told = true
			n.cfg.Logger.Warn("this member is not in the newest configuration that it knows, and no leader speaks to it: " +
				"either it was removed (then delete its data directory), or it has not been added yet")
		}
	}
}

func (n *Node) removed() error {
	return fmt.Errorf("%w %s (%s). Nothing is wrong with the others. Mend: if it shall be a member again, delete %s and run `roster join`",
		ErrRemoved, n.cfg.Identity.ClusterName, n.cfg.Identity.Name, n.cfg.Dir)
}
