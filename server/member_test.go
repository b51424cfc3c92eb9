package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"roster/client"
	"roster/integration/loopback"
	v1 "roster/proto/roster/v1"
	"roster/server/raftnode"
)

const oneImap = "name: one\npools:\n  - {name: imap, services: [imap], count: 1}\n"

func (g *group) applyTo(c *client.Client, source string) (*v1.ApplyTopologyResponse, error) {
	return v1.NewTopologyServiceClient(c).ApplyTopology(g.within(), &v1.ApplyTopologyRequest{
		RequestId: c.RequestID(), Source: []byte(source), FileName: "t.yaml", AllowStop: true, AcceptShortage: true,
	})
}

func TestAWriteOnAnyMemberIsReadOnEveryMember(t *testing.T) {
	g := startGroup(t, 3, nil)
	for i, r := range g.members {
		source := fmt.Sprintf("name: from-%s\npools:\n  - {name: imap, services: [imap], count: %d}\n", r.name, i+1)
		written, err := g.applyTo(g.client("", r.address), source)
		if err != nil {
			t.Fatalf("apply on %s: %v", r.name, err)
		}
		for _, other := range g.members {
			read, err := v1.NewTopologyServiceClient(g.client("", other.address)).GetTopology(g.within(), &v1.GetTopologyRequest{})
			if err != nil {
				t.Fatalf("read on %s: %v", other.name, err)
			}
			if got := read.GetRevision(); got.GetRevision() != written.GetRevision() || string(got.GetSource()) != source {
				t.Errorf("%s wrote revision %d, %s reads %d right after", r.name, written.GetRevision(), other.name, got.GetRevision())
			}
		}
	}
}

func TestNoAcknowledgedWriteIsLostWhenTheLeaderDies(t *testing.T) {
	g := startGroup(t, 3, nil)
	c := g.client("", g.addresses()...)
	ctx, stop := context.WithCancel(t.Context())
	var acked []uint64
	var mu sync.Mutex
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			r, err := g.applyTo(c, fmt.Sprintf("name: n%d\npools:\n  - {name: imap, services: [imap], count: 1}\n", i))
			if err == nil {
				mu.Lock()
				acked = append(acked, r.GetRevision())
				mu.Unlock()
			}
		}
	})
	enough := func(n int) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(acked) >= n
		}
	}
	g.until("writes before the kill", enough(10))
	dead := g.leader()
	g.kill(dead)
	mu.Lock()
	before := len(acked)
	mu.Unlock()
	g.until("writes after the kill", enough(before+10))
	stop()
	writer.Wait()
	g.start(dead)
	history, err := v1.NewTopologyServiceClient(c).ListTopologyRevisions(g.within(), &v1.ListTopologyRevisionsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	kept := map[uint64]bool{}
	for _, r := range history.GetRevisions() {
		kept[r.GetRevision()] = true
	}
	oldest := history.GetRevisions()[len(history.GetRevisions())-1].GetRevision()
	seen := map[uint64]bool{}
	for _, r := range acked {
		if r >= oldest && !kept[r] {
			t.Errorf("revision %d was acknowledged and is gone", r)
		}
		if seen[r] {
			t.Errorf("revision %d was acknowledged for two writes", r)
		}
		seen[r] = true
	}
}

func TestTheSameRequestIDIsDoneOnce(t *testing.T) {
	g := startGroup(t, 1, nil)
	c := g.client("", g.addresses()...)
	request := &v1.ApplyTopologyRequest{RequestId: c.RequestID(), Source: []byte(oneImap), FileName: "t.yaml"}
	first, err := v1.NewTopologyServiceClient(c).ApplyTopology(g.within(), request)
	if err != nil {
		t.Fatal(err)
	}
	again, err := v1.NewTopologyServiceClient(c).ApplyTopology(g.within(), request)
	if err != nil || again.GetRevision() != first.GetRevision() || again.GetIndex() != first.GetIndex() {
		t.Errorf("again: %v, %v; first: %v", again, err, first)
	}
	request.Source = []byte(strings.Replace(oneImap, "name: one", "name: other", 1))
	if _, err := v1.NewTopologyServiceClient(c).ApplyTopology(g.within(), request); client.Reason(err) != "REQUEST_ID_REUSED" {
		t.Errorf("same id, other content: %v", err)
	}
}

func TestWithoutALeaderWritesSaySoAndStatusIsStale(t *testing.T) {
	t.Parallel() // it waits most of the time
	g := startGroup(t, 3, nil)
	c := g.client("", g.addresses()...)
	if _, err := g.applyTo(c, oneImap); err != nil {
		t.Fatal(err)
	}
	left := g.follower()
	g.until("the follower to hear of it", func() bool { return left.member.machine.State().Topology() != nil })
	for _, r := range g.members {
		if r != left {
			g.kill(r)
		}
	}
	alone := g.client("", left.address)
	var got *v1.Status
	g.until("the last member to notice", func() bool {
		answer, err := v1.NewClusterServiceClient(alone).GetStatus(g.within(), &v1.GetStatusRequest{})
		got = answer.GetStatus()
		return err == nil && got.GetState() == v1.StatusState_STATUS_STATE_NO_QUORUM
	})
	if !got.GetStale() || got.GetTopology().GetName() != "one" || got.GetSettled() {
		t.Errorf("status without a leader: %v", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := v1.NewTopologyServiceClient(alone).ApplyTopology(ctx, &v1.ApplyTopologyRequest{
		RequestId: alone.RequestID(), Source: []byte(strings.Replace(oneImap, "one", "two", 1)), FileName: "t.yaml",
	})
	if client.Reason(err) != client.NoLeader {
		t.Errorf("a write without a leader: %v", err)
	}
}

func TestAWatchGoesOnWhereItStoppedOnAnotherMember(t *testing.T) {
	g := startGroup(t, 3, nil)
	c := g.client("", g.addresses()...)
	write := func(i int) {
		if _, err := g.applyTo(c, fmt.Sprintf("name: n%d\npools:\n  - {name: imap, services: [imap], count: 1}\n", i)); err != nil {
			t.Fatal(err)
		}
	}
	applied := func(after, epoch uint64, r *running, until int) (names []string, index, atEpoch uint64) {
		ctx, cancel := context.WithCancel(g.within())
		defer cancel()
		stream, err := v1.NewEventServiceClient(g.client("", r.address)).WatchEvents(ctx, &v1.WatchEventsRequest{AfterIndex: after, Epoch: epoch, Kind: "topology."})
		if err != nil {
			t.Fatal(err)
		}
		for len(names) < until {
			m, err := stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			index, atEpoch = m.GetIndex(), m.GetEpoch()
			for _, e := range m.GetEvents() {
				names = append(names, fmt.Sprint(e.GetRevision()))
			}
		}
		return names, index, atEpoch
	}
	write(1)
	write(2)
	first, index, epoch := applied(0, 0, g.members[0], 2)
	write(3)
	write(4)
	second, _, _ := applied(index, epoch, g.members[1], 2)
	if got := strings.Join(append(first, second...), " "); got != "1 2 3 4" {
		t.Errorf("events seen over two members: %s", got)
	}
}

func TestPortsAndFoldersInUseAreErrorsThatNameThem(t *testing.T) {
	g := startGroup(t, 1, nil)
	r := g.members[0]
	if _, err := New(Config{Dir: r.dir, Listen: loopback.FreeAddress(t), RaftListen: loopback.FreeAddress(t)}); !errors.Is(err, raftnode.ErrInUse) || !strings.Contains(err.Error(), r.dir) {
		t.Errorf("second member on the same folder: %v", err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	g.end(r)
	if _, err := New(Config{Dir: r.dir, Listen: address}); err == nil || !strings.Contains(err.Error(), address) {
		t.Errorf("API port in use: %v", err)
	}
	if _, err := New(Config{Dir: r.dir, RaftListen: address}); !errors.Is(err, raftnode.ErrPortInUse) || !strings.Contains(err.Error(), address) {
		t.Errorf("Raft port in use: %v", err)
	}
	if _, err := New(Config{Dir: t.TempDir()}); !errors.Is(err, raftnode.ErrNoMember) {
		t.Errorf("a folder without a member: %v", err)
	}
	if _, err := New(Config{Dir: r.dir, Listen: "192.0.2.1:1"}); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("plain beyond loopback: %v", err)
	}
}

func TestTheOnlyMemberIsNotRemovedAndUnknownOnesAreNamed(t *testing.T) {
	g := startGroup(t, 1, nil)
	api := g.client("", g.addresses()...)
	cluster := v1.NewClusterServiceClient(api)
	_, err := cluster.RemoveMember(g.within(), &v1.RemoveMemberRequest{RequestId: api.RequestID(), Id: g.members[0].member.ID()})
	if status.Code(err) != codes.FailedPrecondition {
		t.Errorf("remove the only member: %v", err)
	}
	_, err = cluster.RemoveMember(g.within(), &v1.RemoveMemberRequest{RequestId: api.RequestID(), Id: "nobody"})
	if status.Code(err) != codes.NotFound || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("remove an unknown member: %v", err)
	}
	_, err = cluster.TransferLeadership(g.within(), &v1.TransferLeadershipRequest{Id: "nobody"})
	if status.Code(err) != codes.NotFound {
		t.Errorf("hand over to an unknown member: %v", err)
	}
}

func TestAMemberThatLeavesInPeaceHandsItsLeadOver(t *testing.T) {
	g := startGroup(t, 3, nil)
	old := g.leader()
	g.end(old)
	if now := g.leader(); now == old {
		t.Error("the member that ended still leads")
	}
	c := g.client("", g.addresses()...)
	if _, err := g.applyTo(c, oneImap); err != nil {
		t.Errorf("a write after the hand-over: %v", err)
	}
}
