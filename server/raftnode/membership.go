package raftnode

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
)

// Server is a member as the Raft configuration has it.
type Server struct {
	ID      string
	Address string
	Voter   bool
}

// Servers are the members in the newest Raft configuration known here, in its
// order. It may not be committed yet.
func (n *Node) Servers() []Server {
	if n.raft() == nil {
		return nil
	}
	future := n.raft().GetConfiguration()
	if future.Error() != nil {
		return nil
	}
	var servers []Server
	for _, s := range future.Configuration().Servers {
		servers = append(servers, Server{ID: string(s.ID), Address: string(s.Address), Voter: s.Suffrage == raft.Voter})
	}
	return servers
}

// Voters are the ids of the members that have a vote.
func (n *Node) Voters() []string {
	var ids []string
	for _, s := range n.Servers() {
		if s.Voter {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

func (n *Node) server(id string) (Server, bool) {
	for _, s := range n.Servers() {
		if s.ID == id {
			return s, true
		}
	}
	return Server{}, false
}

// AddNonvoter adds a member without a vote: it gets the log, and is promoted
// when it caught up. Adding a member again changes its address.
func (n *Node) AddNonvoter(ctx context.Context, id, address string) error {
	if err := checkAddress("raft address", address); err != nil {
		return fmt.Errorf("add member %s: %w", id, err)
	}
	return n.change(ctx, "add member "+id, func() raft.Future {
		return n.raft().AddNonvoter(raft.ServerID(id), raft.ServerAddress(address), 0, 0)
	})
}

// Promote gives a vote to a member.
func (n *Node) Promote(ctx context.Context, id string) error {
	if _, err := n.leading(ctx); err != nil {
		return fmt.Errorf("promote member %s: %w", id, err)
	}
	server, ok := n.server(id)
	if !ok {
		return fmt.Errorf("promote member %s: %w", id, ErrUnknownMember)
	}
	if server.Voter {
		return nil
	}
	return n.change(ctx, "promote member "+id, func() raft.Future {
		return n.raft().AddVoter(raft.ServerID(id), raft.ServerAddress(server.Address), 0, 0)
	})
}

// Remove takes a member out of the group. Whether the rest still has a majority
// that lives is for the caller to know. A leader that is to remove itself hands
// leadership over first and answers ErrNotLeader: ask the new one. A member that
// lives is told, and stops with ErrRemoved.
func (n *Node) Remove(ctx context.Context, id string) error {
	reign, err := n.leading(ctx)
	if err != nil {
		return fmt.Errorf("remove member %s: %w", id, err)
	}
	server, ok := n.server(id)
	if !ok {
		return fmt.Errorf("remove member %s: %w", id, ErrUnknownMember)
	}
	if server.Voter && len(n.Voters()) == 1 {
		return fmt.Errorf("remove member %s: %w", id, ErrLastVoter)
	}
	if id == n.cfg.Identity.ID && len(n.Voters()) > 1 {
		if err := n.Transfer(ctx, ""); err == nil {
			return fmt.Errorf("remove member %s: %w any more: it handed leadership over, ask the new leader", id, ErrNotLeader)
		}
	}
	n.letKnow(ctx, id)
	var removal raft.IndexFuture
	err = n.change(ctx, "remove member "+id, func() raft.Future {
		removal = n.raft().RemoveServer(raft.ServerID(id), 0, 0)
		return removal
	})
	if err == nil && id != n.cfg.Identity.ID {
		n.farewell(ctx, reign, server, removal.Index())
	}
	return err
}

// Transfer hands leadership to a member; an empty id: to the one that is
// furthest. An interrupted hand-over can leave a leader that refuses writes;
// such a member stops with ErrStuck.
func (n *Node) Transfer(ctx context.Context, id string) error {
	if _, err := n.leading(ctx); err != nil {
		return fmt.Errorf("transfer leadership: %w", err)
	}
	start := func() raft.Future { return n.raft().LeadershipTransfer() }
	if id != "" {
		server, ok := n.server(id)
		switch {
		case !ok:
			return fmt.Errorf("transfer leadership to member %s: %w", id, ErrUnknownMember)
		case !server.Voter:
			return fmt.Errorf("transfer leadership to member %s: %w: it has no vote yet", id, ErrNotHandedOver)
		case id == n.cfg.Identity.ID:
			return nil
		}
		start = func() raft.Future {
			return n.raft().LeadershipTransferToServer(raft.ServerID(id), raft.ServerAddress(server.Address))
		}
	} else if len(n.Voters()) < 2 {
		return fmt.Errorf("transfer leadership: %w: no other member has a vote", ErrNotHandedOver)
	}
	err := n.wait(ctx, "hand over", func() error { return start().Error() })
	if errors.Is(err, raft.ErrLeadershipTransferInProgress) {
		n.transferRefused(err)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrNotLeader):
		return fromRaft("transfer leadership", err)
	default:
		return fmt.Errorf("transfer leadership: %w: %w; try again", ErrNotHandedOver, err)
	}
}

// change does one change of the configuration.
func (n *Node) change(ctx context.Context, doing string, start func() raft.Future) error {
	if _, err := n.leading(ctx); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	err := n.wait(ctx, doing, func() error { return start().Error() })
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%s: %w: %w", doing, ErrUnknownOutcome, err)
	}
	return fromRaft(doing, err)
}

// leading gives the reign at hand for a call from outside.
func (n *Node) leading(ctx context.Context) (*reign, error) {
	if err := n.running(ctx); err != nil {
		return nil, err
	}
	return n.reignReady(ctx)
}

// Snapshot writes a snapshot now and gives its last index and its size. Where
// nothing is newer than the last one, it is that one's.
func (n *Node) Snapshot(ctx context.Context) (index uint64, size int64, err error) {
	if err := n.running(ctx); err != nil {
		return 0, 0, err
	}
	err = n.wait(ctx, "write snapshot", func() error { return n.raft().Snapshot().Error() })
	if err != nil && !errors.Is(err, raft.ErrNothingNewToSnapshot) {
		return 0, 0, fmt.Errorf("write snapshot: %w", err)
	}
	kept, err := n.snapshots.List()
	if err != nil {
		return 0, 0, fmt.Errorf("list snapshots: %w", err)
	}
	if len(kept) == 0 {
		return 0, 0, errors.New("write snapshot: there is nothing to write yet")
	}
	return kept[0].Index, kept[0].Size, nil
}
