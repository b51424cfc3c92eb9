package session

import (
	"context"
	"sort"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	peerv1 "roster/proto/roster/peer/v1"
)

// News turns successive lists of sessions into what changed between them.
type News struct {
	told map[string]Seen
}

// Next returns the sessions heard since the last call, and the nodes whose
// sessions ended. The first call returns everything.
func (n *News) Next(sessions []Seen) (heard []Seen, ended []string) {
	now := make(map[string]Seen, len(sessions))
	for _, s := range sessions {
		now[s.Node] = s
		if old, ok := n.told[s.Node]; !ok || s.Heard.After(old.Heard) || s.Instance != old.Instance {
			heard = append(heard, s)
		}
	}
	for node := range n.told {
		if _, ok := now[node]; !ok {
			ended = append(ended, node)
		}
	}
	sort.Slice(heard, func(i, j int) bool { return heard[i].Node < heard[j].Node })
	sort.Strings(ended)
	n.told = now
	return heard, ended
}

// Feed tells a liveness view of the leader's own sessions until ctx ends.
func (h *Hub) Feed(ctx context.Context, member string, to *Liveness, every time.Duration) error {
	var news News
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		heard, ended := news.Next(h.Sessions())
		for _, s := range heard {
			to.Heard(member, s.Node, s.Instance, s.Heard)
		}
		for _, node := range ended {
			to.Ended(member, node)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// Relay tells the leader at the other end of a connection which agents this
// member hears: everything first, then changes. It returns when the stream
// breaks; its caller finds the leader and calls it again.
func (h *Hub) Relay(ctx context.Context, member string, leader peerv1.PeerServiceClient, every time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := leader.Relay(ctx)
	if err != nil {
		return err
	}
	// The leader answers nothing but the end.
	broken := make(chan error, 1)
	go func() {
		for {
			if _, err := stream.Recv(); err != nil {
				broken <- err
				return
			}
		}
	}()
	var news News
	tick := time.NewTicker(every)
	defer tick.Stop()
	for full := true; ; full = false {
		heard, ended := news.Next(h.Sessions())
		if full || len(heard)+len(ended) > 0 {
			now := time.Now()
			m := &peerv1.RelayRequest{Member: member, Full: full, Ended: ended}
			for _, s := range heard {
				m.Sessions = append(m.Sessions, &peerv1.RelaySession{
					Node: s.Node, Instance: s.Instance, Silent: durationpb.New(now.Sub(s.Heard)),
				})
			}
			if err := stream.Send(m); err != nil {
				return <-broken
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-broken:
			return err
		case <-tick.C:
		}
	}
}

// Receive is the leader's end of Relay. When the stream breaks, every session
// that the member told of is broken too: its agents come back elsewhere.
func (l *Liveness) Receive(stream peerv1.PeerService_RelayServer) error {
	told := map[string]bool{}
	member := ""
	defer func() {
		for node := range told {
			l.Ended(member, node)
		}
	}()
	for {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		now := time.Now()
		member = m.GetMember()
		for _, s := range m.GetSessions() {
			told[s.GetNode()] = true
			l.Heard(member, s.GetNode(), s.GetInstance(), now.Add(-s.GetSilent().AsDuration()))
		}
		for _, node := range m.GetEnded() {
			delete(told, node)
			l.Ended(member, node)
		}
	}
}
