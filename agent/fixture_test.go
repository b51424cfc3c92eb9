package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"roster/agent/driver"
	v1 "roster/proto/roster/v1"
)

const (
	serving  = v1.Wanted_WANTED_SERVING
	draining = v1.Wanted_WANTED_DRAINING
	clusterA = "cluster-a"
)

// network is where members listen, in memory.
type network struct {
	mu        sync.Mutex
	listeners map[string]*bufconn.Listener
	dialled   []string
}

func (n *network) dial(ctx context.Context, address string) (net.Conn, error) {
	n.mu.Lock()
	n.dialled = append(n.dialled, address)
	l := n.listeners[address]
	n.mu.Unlock()
	if l == nil {
		return nil, errors.New("connection refused")
	}
	return l.DialContext(ctx)
}

// tried are the addresses that were dialled.
func (n *network) tried() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.dialled)
}

// member is an AgentService that does what a test tells it.
type member struct {
	v1.UnimplementedAgentServiceServer
	server  *grpc.Server
	stopped chan struct{}

	mu sync.Mutex
	// cluster, epoch, members and heartbeat are what it welcomes with.
	cluster   string
	epoch     uint64
	members   []string
	heartbeat time.Duration
	// refuse, if set, answers a hello.
	refuse error
	// silent lets it acknowledge nothing; leaderless lets it know no leader.
	silent, leaderless bool
	set                *v1.AssignmentSet
	hellos             []*v1.Hello
	heartbeats         []*v1.Heartbeat
	sessions           int
	// changed is closed, and made anew, when set is another one.
	changed chan struct{}
}

func (n *network) member(t *testing.T, address string) *member {
	l := bufconn.Listen(64 << 10)
	n.mu.Lock()
	if n.listeners == nil {
		n.listeners = make(map[string]*bufconn.Listener)
	}
	n.listeners[address] = l
	n.mu.Unlock()
	m := &member{server: grpc.NewServer(), stopped: make(chan struct{}), cluster: clusterA, epoch: 1, heartbeat: time.Second, changed: make(chan struct{})}
	v1.RegisterAgentServiceServer(m.server, m)
	go func() { defer close(m.stopped); _ = m.server.Serve(l) }()
	t.Cleanup(m.stop)
	return m
}

func (m *member) stop() { m.server.Stop(); <-m.stopped }

func (m *member) Session(stream grpc.BidiStreamingServer[v1.SessionRequest, v1.SessionResponse]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.hellos = append(m.hellos, first.GetHello())
	refuse := m.refuse
	welcome := &v1.Welcome{ClusterId: m.cluster, Cluster: "test", Epoch: m.epoch, Heartbeat: durationpb.New(m.heartbeat), Members: m.members}
	m.sessions++
	m.mu.Unlock()
	defer func() { m.mu.Lock(); m.sessions--; m.mu.Unlock() }()
	if refuse != nil {
		return refuse
	}
	if err := stream.Send(&v1.SessionResponse{Message: &v1.SessionResponse_Welcome{Welcome: welcome}}); err != nil {
		return err
	}
	var sending sync.Mutex
	send := func(r *v1.SessionResponse) { sending.Lock(); defer sending.Unlock(); _ = stream.Send(r) }
	go func() {
		for {
			m.mu.Lock()
			set, changed := m.set, m.changed
			m.mu.Unlock()
			if set != nil {
				send(&v1.SessionResponse{Message: &v1.SessionResponse_Set{Set: set}})
			}
			select {
			case <-changed:
			case <-stream.Context().Done():
				return
			}
		}
	}()
	for {
		r, err := stream.Recv()
		if err != nil {
			return err
		}
		m.mu.Lock()
		m.heartbeats = append(m.heartbeats, r.GetHeartbeat())
		silent, hasLeader := m.silent, !m.leaderless
		m.mu.Unlock()
		if !silent {
			send(&v1.SessionResponse{Message: &v1.SessionResponse_Ack{Ack: &v1.HeartbeatAck{Sequence: r.GetHeartbeat().GetSequence(), HasLeader: hasLeader}}})
		}
	}
}

func (m *member) with(do func()) { m.mu.Lock(); defer m.mu.Unlock(); do() }

// tell sends a set to every session.
func (m *member) tell(set *v1.AssignmentSet) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.set = set
	close(m.changed)
	m.changed = make(chan struct{})
}

// last is the newest heartbeat; nil where there was none.
func (m *member) last() *v1.Heartbeat {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.heartbeats) == 0 {
		return nil
	}
	return m.heartbeats[len(m.heartbeats)-1]
}

// beats are the heartbeats from the i-th on.
func (m *member) beats(i int) []*v1.Heartbeat {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.heartbeats[i:])
}

// greeted are the hellos that it heard.
func (m *member) greeted() []*v1.Hello {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.hellos)
}

func (m *member) count() int { m.mu.Lock(); defer m.mu.Unlock(); return len(m.heartbeats) }

func (m *member) held() int { m.mu.Lock(); defer m.mu.Unlock(); return m.sessions }

// set makes a set of generation g in epoch 1; wants are alternately a service and what
// is wanted of it.
func set(g uint64, wants ...any) *v1.AssignmentSet {
	s := &v1.AssignmentSet{Epoch: 1, Generation: g, Empty: len(wants) == 0}
	for pair := range slices.Chunk(wants, 2) {
		s.Assignments = append(s.Assignments, &v1.Assignment{
			Service: pair[0].(string), Node: "node-1", Wanted: pair[1].(v1.Wanted), Drain: durationpb.New(time.Minute),
		})
	}
	return s
}

// rig is an agent under test with its fake world.
type rig struct {
	t      *testing.T
	net    *network
	driver *fake
	cfg    Config
	agent  *Agent
	cancel context.CancelFunc
	done   chan error
}

// newRig has a member at 127.0.0.1:1 and two more addresses where nobody listens.
func newRig(t *testing.T, services ...string) *rig {
	r := &rig{t: t, net: &network{}, driver: newFake(services...)}
	claims := &v1.NodeClaims{Region: "a", Zone: "a1"}
	for i, s := range services {
		claims.Services = append(claims.Services, &v1.ServiceClaim{
			Name: s, Driver: "fake", Endpoints: []*v1.Endpoint{{Host: "127.0.0.1", Port: uint32(1000 + i)}},
		})
	}
	r.cfg = Config{
		Node: "node-1", Dir: t.TempDir(), Members: []string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"},
		Claims: claims, Logger: slog.New(slog.DiscardHandler),
		Drivers: map[string]driver.Driver{"fake": r.driver}, Probe: r.driver.probe, Dial: r.net.dial,
	}
	return r
}

// start runs an agent until stop, or the end of the test.
func (r *rig) start() {
	r.t.Helper()
	a, err := New(r.cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.agent, r.cancel, r.done = a, cancel, make(chan error, 1)
	go func() { r.done <- a.Run(ctx) }()
	r.t.Cleanup(r.stop)
}

func (r *rig) stop() {
	if r.cancel == nil {
		return
	}
	r.cancel()
	r.cancel = nil
	if err := <-r.done; err != nil {
		r.t.Errorf("run: %v", err)
	}
}

// report is what the agent reports of a service.
func (r *rig) report(service string) *v1.ServiceReport {
	for _, have := range r.agent.Reports() {
		if have.GetService() == service {
			return have
		}
	}
	return nil
}

// settle waits, in virtual time, until a condition holds.
func (r *rig) settle(what string, holds func() bool) {
	r.t.Helper()
	for range 60_000 {
		synctest.Wait()
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	var lines []string
	for _, have := range r.agent.Reports() {
		lines = append(lines, fmt.Sprintf("%s %s %q", have.GetService(), have.GetState(), have.GetDetail()))
	}
	r.t.Fatalf("not within ten minutes: %s\n%s\ncalls: %s", what, strings.Join(lines, "\n"), r.driver.said())
}

// reads says whether a service's report is in a state.
func (r *rig) reads(service string, state v1.ServiceState) func() bool {
	return func() bool { return r.report(service).GetState() == state }
}

// while lets virtual time pass.
func while(d time.Duration) { time.Sleep(d); synctest.Wait() }

func same(x, y proto.Message) bool { return proto.Equal(x, y) }
