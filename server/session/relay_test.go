package session

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	peerv1 "roster/proto/roster/peer/v1"
	v1 "roster/proto/roster/v1"
)

// ear is the leader's end of relays.
type ear struct {
	peerv1.UnimplementedPeerServiceServer
	view *Liveness
	said []*peerv1.RelayRequest
}

func (e *ear) Relay(stream peerv1.PeerService_RelayServer) error {
	return e.view.Receive(&overheard{stream, e})
}

type overheard struct {
	peerv1.PeerService_RelayServer
	ear *ear
}

func (o *overheard) Recv() (*peerv1.RelayRequest, error) {
	m, err := o.PeerService_RelayServer.Recv()
	if err == nil {
		o.ear.said = append(o.ear.said, m)
	}
	return m, err
}

// listen serves an ear, and gives a connection to it and a way to cut both.
func listen(t *testing.T, e *ear) (peerv1.PeerServiceClient, func()) {
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	peerv1.RegisterPeerServiceServer(server, e)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///leader", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	return peerv1.NewPeerServiceClient(conn), func() {
		server.Stop()
		<-served
		_ = conn.Close()
	}
}

// state is what the leader would record of a node now.
func (e *ear) state(n *v1.Node) v1.NodeState {
	for _, c := range e.view.Transitions([]*v1.Node{n}, time.Minute, time.Now()) {
		return c.GetState()
	}
	return n.GetState()
}

func TestARelayTellsEverythingFirstAndThenWhatChanged(t *testing.T) {
	inDesk(t, func(d *desk) {
		a, b := d.agent("a", "imap"), d.agent("b", "imap")
		e := &ear{view: NewLiveness(beat, time.Now())}
		leader, cut := listen(d.t, e)
		ctx, stop := context.WithCancel(d.t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.hub.Relay(ctx, "m2", leader, beat/4) }()
		time.Sleep(beat / 8)
		synctest.Wait()
		if len(e.said) != 1 || !e.said[0].GetFull() || len(e.said[0].GetSessions()) != 2 {
			t.Fatalf("first: %v", e.said)
		}
		time.Sleep(beat)
		synctest.Wait()
		if len(e.said) != 1 {
			t.Errorf("nothing changed, and it said %v", e.said[1:])
		}
		a.beat(1)
		b.stream.cancel()
		time.Sleep(beat / 2)
		synctest.Wait()
		if len(e.said) != 2 || e.said[1].GetFull() || len(e.said[1].GetSessions()) != 1 || len(e.said[1].GetEnded()) != 1 || e.said[1].GetEnded()[0] != "b" {
			t.Errorf("then: %v", e.said[1:])
		}
		stop()
		<-ended
		cut()
	})
}

func TestNodesAreSuspectWhileTheRelayIsBrokenAndUpWhenItIsBack(t *testing.T) {
	inDesk(t, func(d *desk) {
		d.agent("a", "imap")
		e := &ear{view: NewLiveness(beat, time.Now())}
		node := d.Machine.State().Node("a")
		for range 2 {
			leader, cut := listen(d.t, e)
			ended := make(chan error, 1)
			go func() { ended <- d.hub.Relay(d.t.Context(), "m2", leader, beat/4) }()
			time.Sleep(beat / 8)
			synctest.Wait()
			if got := e.state(node); got != up {
				t.Errorf("relayed: %v", got)
			}
			cut()
			if err := <-ended; err == nil {
				t.Error("the relay ended without an error")
			}
			synctest.Wait()
			if got := e.state(node); got != suspect {
				t.Errorf("the relay broke: %v", got)
			}
		}
	})
}

func TestTheLeaderHearsItsOwnAgents(t *testing.T) {
	inDesk(t, func(d *desk) {
		a := d.agent("a", "imap")
		view := NewLiveness(beat, time.Now())
		ctx, stop := context.WithCancel(d.t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.hub.Feed(ctx, "m1", view, beat/4) }()
		synctest.Wait()
		if !view.HeardRecently("a", "i-a", time.Now()) {
			t.Error("an agent of its own is not heard")
		}
		a.stream.cancel()
		time.Sleep(beat)
		synctest.Wait()
		if view.HeardRecently("a", "i-a", time.Now()) {
			t.Error("its session is over, and it counts as heard")
		}
		stop()
		<-ended
	})
}
