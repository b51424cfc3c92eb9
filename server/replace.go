package server

import (
	"context"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"roster/server/rpc"
)

const (
	// replaceEvery is how often a member that replaces another one looks whether
	// that one can go.
	replaceEvery = 200 * time.Millisecond
	// replaceWithin bounds one try.
	replaceWithin = 15 * time.Second
)

// replace takes the member out that this one was joined in the place of. That
// one goes only once this one has a vote, which it gets when it has caught up:
// at no time are there fewer votes than before.
func (m *Member) replace(ctx context.Context) error {
	old := m.identity.Replaces
	if old == "" {
		return nil
	}
	cluster := &rpc.Cluster{Gate: m.gate, Machine: m.machine, Raft: m.raft, Peers: m.peers, Self: m.identity.ID, Name: m.identity.Name}
	told := ""
	for ctx.Err() == nil {
		if !slices.Contains(m.raft.Voters(), m.identity.ID) {
			pause(ctx, replaceEvery)
			continue
		}
		name := m.machine.State().Member(old).GetName()
		limited, cancel := context.WithTimeout(ctx, replaceWithin)
		_, err := cluster.Retire(limited, m.uri(), "", old)
		cancel()
		switch {
		case err == nil:
			m.log.Info("the member that this one replaces was removed", "replaced", old, "name", name)
			return nil
		case status.Code(err) == codes.NotFound:
			return nil // it was removed before
		case ctx.Err() == nil && err.Error() != told:
			told = err.Error()
			m.log.Warn("the member that this one replaces is not removed yet; it is tried again", "replaced", old, "name", name, "error", err)
		}
		pause(ctx, replaceEvery)
	}
	return nil
}
