package server

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	peerv1 "roster/proto/roster/peer/v1"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/server/session"
)

// lead is everything that a member does only while it leads. It ends with ctx,
// and nothing of it outlives the term.
func (m *Member) lead(ctx context.Context, term uint64) error {
	m.log.Info("leads", "term", term)
	defer m.log.Info("leads no more", "term", term)
	view := session.NewLiveness(m.hub.Heartbeat(), time.Now())
	m.peer.Lead(view, ctx.Done())
	defer m.peer.Follow()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return m.hub.Feed(ctx, m.identity.ID, view, m.relayEvery()) })
	group.Go(func() error { return m.loop.Run(ctx, view) })
	return group.Wait()
}

// relayEvery is how often news of sessions travel: often enough that a missed
// heartbeat is noticed on time.
func (m *Member) relayEvery() time.Duration { return m.hub.Heartbeat() / 4 }

// relay tells whoever leads which agents this member hears.
func (m *Member) relay(ctx context.Context) error {
	for ctx.Err() == nil {
		changed := m.raft.LeaderChanged()
		leader, ok := m.raft.Leader()
		if !ok || leader == m.identity.ID {
			select {
			case <-ctx.Done():
			case <-changed:
			}
			continue
		}
		if err := m.relayTo(ctx, leader); err != nil && ctx.Err() == nil {
			m.log.Debug("relay to the leader broke", "leader", leader, "error", err)
			pause(ctx, 50*time.Millisecond)
		}
	}
	return nil
}

// relayTo relays to a leader until the relay breaks or another member leads.
func (m *Member) relayTo(ctx context.Context, leader string) error {
	record := m.machine.State().Member(leader)
	if record == nil {
		pause(ctx, 50*time.Millisecond)
		return nil
	}
	conn, err := m.peers.Conn(record.GetAddress())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		defer cancel()
		m.whileLeads(ctx, leader)
	})
	defer watch.Wait()
	defer cancel() // before the wait
	return m.hub.Relay(ctx, m.identity.ID, peerv1.NewPeerServiceClient(conn), m.relayEvery())
}

// whileLeads waits until another member is known to lead. That none is known is
// no reason to let go: the same one may go on, and the relay's end would make
// every node of this member suspect. A leader that lost its lead ends the relay
// itself.
func (m *Member) whileLeads(ctx context.Context, leader string) {
	for {
		changed := m.raft.LeaderChanged()
		if now, ok := m.raft.Leader(); ok && now != leader {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// introduce keeps the member's own record true, and asks for a vote while it
// has none.
func (m *Member) introduce(ctx context.Context) error {
	for ctx.Err() == nil {
		every, news := time.Second, m.machine.Changed()
		switch err := m.introduceOnce(ctx); {
		case err != nil && ctx.Err() == nil:
			m.log.Debug("not introduced yet", "error", err)
		case m.machine.State().Member(m.identity.ID) != nil && !slices.Contains(m.raft.Voters(), m.identity.ID):
			every = 100 * time.Millisecond
		}
		if m.machine.State().Member(m.identity.ID) == nil {
			// It comes with the log.
			select {
			case <-ctx.Done():
			case <-news:
			case <-time.After(every):
			}
			every = 20 * time.Millisecond
		}
		pause(ctx, every)
	}
	return nil
}

func (m *Member) introduceOnce(ctx context.Context) error {
	state := m.machine.State()
	known := state.Member(m.identity.ID)
	if known == nil {
		// init or join writes the first record; a member that was removed has none,
		// and must not put itself back.
		return nil
	}
	own := &v1.Member{
		Id: m.identity.ID, Name: m.identity.Name, RaftAddress: m.identity.RaftAddress, Address: m.identity.Address,
		MaxSchema: fsm.Schema, Version: m.cfg.Version,
	}
	if known.GetName() != own.GetName() || known.GetRaftAddress() != own.GetRaftAddress() || known.GetAddress() != own.GetAddress() ||
		known.GetMaxSchema() != own.GetMaxSchema() || known.GetVersion() != own.GetVersion() {
		_, err := m.gate.Propose(ctx, m.uri(), "", &storev1.Command{Command: &storev1.Command_PutMember{PutMember: &storev1.PutMember{Member: own}}})
		if err != nil {
			return err
		}
	}
	if slices.Contains(m.raft.Voters(), m.identity.ID) {
		return nil
	}
	leader, ok := m.raft.Leader()
	if !ok || state.Member(leader) == nil {
		return nil
	}
	conn, err := m.peers.Conn(state.Member(leader).GetAddress())
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err = peerv1.NewPeerServiceClient(conn).Promote(limited, &peerv1.PromoteRequest{
		Member: m.identity.ID, AppliedIndex: m.raft.AppliedIndex(),
	})
	return err
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
