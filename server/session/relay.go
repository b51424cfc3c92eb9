package session

import (
	"context"
	"fmt"
	"sort"
	"sync"
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
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			if _, err := stream.Recv(); err != nil {
				broken <- err
				return
			}
		}
	})
	defer reader.Wait()
	defer cancel() // before the wait: it ends the reader
	var news News
	tick := time.NewTicker(every)
	defer tick.Stop()
	for full := true; ; full = false {
		heard, ended := news.Next(h.Sessions())
		if full || len(heard)+len(ended) > 0 {
			if err := stream.Send(relayed(member, full, heard, ended, time.Now())); err != nil {
				// io.EOF: the reader has the reason.
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

// relayed tells silence, not times: clocks differ.
func relayed(member string, full bool, heard []Seen, ended []string, now time.Time) *peerv1.RelayRequest {
	m := &peerv1.RelayRequest{Member: member, Full: full, Ended: ended}
	for _, s := range heard {
		m.Sessions = append(m.Sessions, &peerv1.RelaySession{
			Node: s.Node, Instance: s.Instance, Silent: durationpb.New(max(0, now.Sub(s.Heard))),
		})
	}
	return m
}

// Receive is the leader's end of Relay. When the stream breaks, every session
// that the member told of is broken too: its agents come back elsewhere, or the
// member's next relay tells of them. Each relay is a source of its own, so that
// the end of an old one takes nothing from the next.
func (l *Liveness) Receive(stream peerv1.PeerService_RelayServer) error {
	source := l.newSource()
	told := map[string]bool{}
	defer func() {
		for node := range told {
			l.Ended(source, node)
		}
	}()
	for {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		now := time.Now()
		if m.GetFull() {
			listed := make(map[string]bool, len(m.GetSessions()))
			for _, s := range m.GetSessions() {
				listed[s.GetNode()] = true
			}
			for node := range told {
				if !listed[node] {
					delete(told, node)
					l.Ended(source, node)
				}
			}
		}
		for _, s := range m.GetSessions() {
			told[s.GetNode()] = true
			l.Heard(source, s.GetNode(), s.GetInstance(), now.Add(-max(0, s.GetSilent().AsDuration())))
		}
		for _, node := range m.GetEnded() {
			delete(told, node)
			l.Ended(source, node)
		}
	}
}

func (l *Liveness) newSource() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.relays++
	return fmt.Sprintf("relay %d", l.relays)
}
