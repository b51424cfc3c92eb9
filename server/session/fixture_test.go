package session

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"roster/client"
	"roster/integration/leak"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/server/internal/fixture"
	"roster/server/rpc/auth"
)

func TestMain(m *testing.M) { leak.Main(m) }

// desk is a hub on the real state machine, in virtual time.
type desk struct {
	*fixture.Log
	t   *testing.T
	hub *Hub
}

// inDesk runs a test in a bubble of its own.
func inDesk(t *testing.T, f func(*desk)) {
	synctest.Test(t, func(t *testing.T) {
		log := fixture.New(t)
		f(&desk{Log: log, t: t, hub: newHub(t, log, log.Machine)})
	})
}

func newHub(t *testing.T, log *fixture.Log, machine *fsm.Machine) *Hub {
	hub, err := New(Config{Machine: machine, Proposer: log, HasLeader: func() bool { return true }, Fresh: caughtUp(log, machine), Heartbeat: beat, WriteTimeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return hub
}

// caughtUp is Fresh of a member that applies what the leader has applied.
func caughtUp(log *fixture.Log, machine *fsm.Machine) func(context.Context) error {
	return func(ctx context.Context) error {
		index := log.Machine.State().Index()
		for {
			changed := machine.Changed()
			if machine.State().Index() >= index {
				return nil
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// agent is the other end of a session.
type agent struct {
	t      *testing.T
	stream *pipe
	// out is read by the test; while it does not, Send blocks.
	done chan error
	seq  uint64
}

// pipe is a stream without a network: like gRPC's, it breaks off Send and Recv
// when the handler returns, and not before.
type pipe struct {
	grpc.ServerStream
	ctx    context.Context
	cancel context.CancelFunc
	in     chan *v1.SessionRequest
	out    chan *v1.SessionResponse
}

func (p *pipe) Context() context.Context { return p.ctx }

func (p *pipe) SendMsg(m any) error {
	select {
	case p.out <- m.(*v1.SessionResponse):
		return nil
	case <-p.ctx.Done():
		return status.FromContextError(p.ctx.Err()).Err()
	}
}

func (p *pipe) RecvMsg(m any) error {
	select {
	case got, ok := <-p.in:
		if !ok {
			return io.EOF
		}
		proto.Merge(m.(proto.Message), got)
		return nil
	case <-p.ctx.Done():
		return status.FromContextError(p.ctx.Err()).Err()
	}
}

// open opens a session at a hub.
func (d *desk) open(hub *Hub, hello *v1.Hello) *agent {
	ctx, cancel := context.WithCancel(peer.NewContext(context.Background(), &peer.Peer{Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}}))
	a := &agent{t: d.t, done: make(chan error, 1), stream: &pipe{
		ctx: ctx, cancel: cancel, in: make(chan *v1.SessionRequest, 16), out: make(chan *v1.SessionResponse),
	}}
	guard := auth.New(auth.Config{ClusterName: fixture.ClusterName})
	go func() {
		defer cancel()
		a.done <- guard.Stream(hub, a.stream, &grpc.StreamServerInfo{FullMethod: v1.AgentService_Session_FullMethodName},
			func(srv any, stream grpc.ServerStream) error {
				return srv.(*Hub).Session(&grpc.GenericServerStream[v1.SessionRequest, v1.SessionResponse]{ServerStream: stream})
			})
	}()
	d.t.Cleanup(cancel)
	if hello != nil {
		a.stream.in <- &v1.SessionRequest{Message: &v1.SessionRequest_Hello{Hello: hello}}
	}
	return a
}

func hello(node string, services ...string) *v1.Hello {
	return &v1.Hello{ClusterId: fixture.ClusterID, Node: node, Instance: fixture.Instance(node), Claims: fixture.Claims(services...)}
}

// agent opens a session that is welcomed.
func (d *desk) agent(node string, services ...string) *agent {
	d.t.Helper()
	a := d.open(d.hub, hello(node, services...))
	a.welcomed()
	return a
}

// next is what the hub says next; nil once the session is over.
func (a *agent) next() *v1.SessionResponse {
	select {
	case m := <-a.stream.out:
		return m
	case <-a.stream.ctx.Done():
		return nil
	}
}

func (a *agent) welcomed() {
	a.t.Helper()
	if m := a.next(); m.GetWelcome() == nil {
		a.t.Fatalf("instead of a welcome: %v, %v", m, a.ended())
	}
}

// set is the next set; whatever else comes is passed over.
func (a *agent) set() *v1.AssignmentSet {
	a.t.Helper()
	for {
		m := a.next()
		if m == nil {
			a.t.Fatalf("instead of a set, the session ended: %v", a.ended())
		}
		if m.GetSet() != nil {
			return m.GetSet()
		}
	}
}

// heard reads what comes, until all is quiet, and returns it.
func (a *agent) heard() (got []*v1.SessionResponse) {
	for {
		synctest.Wait()
		select {
		case m := <-a.stream.out:
			got = append(got, m)
		default:
			return got
		}
	}
}

// beat sends a heartbeat.
func (a *agent) beat(generation uint64, reports ...*v1.ServiceReport) {
	a.seq++
	a.stream.in <- &v1.SessionRequest{Message: &v1.SessionRequest_Heartbeat{Heartbeat: &v1.Heartbeat{
		Sequence: a.seq, Generation: generation, Epoch: 1, Reports: reports,
	}}}
}

func (a *agent) ended() error { return <-a.done }

// failsWith waits for the end of the session.
func (a *agent) failsWith(code codes.Code, reason string) {
	a.t.Helper()
	for a.next() != nil {
	}
	if err := a.ended(); status.Code(err) != code || client.Reason(err) != reason {
		a.t.Errorf("ended with %v (%s), want %v, %s", err, client.Reason(err), code, reason)
	}
}

func serving(service string) *v1.ServiceReport {
	return &v1.ServiceReport{Service: service, State: v1.ServiceState_SERVICE_STATE_SERVING}
}
