package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	v1 "roster/proto/roster/v1"
)

// services that every node of the fleet claims; a round of the fan-out adds one
// to every node's set.
var services = []string{"imap", "jmap", "webdav", "smtp-inbound", "smtp-outbound", "submission", "pop3", "managesieve", "lmtp"}

// startTime is how long an agent's services take to start before it reports them:
// reports must not crowd the sets that are still on their way to others.
const startTime = 300 * time.Millisecond

// Fleet is agents that hold sessions and report that whatever they are told
// serves. They run nothing.
type Fleet struct {
	agents []*agent
	group  sync.WaitGroup
	cancel context.CancelFunc
}

type agent struct {
	id      string
	address string

	mu sync.Mutex
	// When a set with so many assignments was first held; index: how many.
	held [16]time.Time
	err  error
}

// NewFleet opens a session per node, spread over the members.
func NewFleet(members []string, nodes int) *Fleet {
	ctx, cancel := context.WithCancel(context.Background())
	f := &Fleet{cancel: cancel}
	for i := range nodes {
		a := &agent{id: fmt.Sprintf("node-%d", i+1), address: members[i%len(members)]}
		f.agents = append(f.agents, a)
		f.group.Go(func() { a.run(ctx) })
	}
	return f
}

// Close ends every session and waits.
func (f *Fleet) Close() {
	f.cancel()
	f.group.Wait()
}

// Holding counts the agents that hold a set of so many assignments, and is the
// time at which the first and the last of them got theirs.
func (f *Fleet) Holding(assignments int) (n int, first, last time.Time) {
	for _, a := range f.agents {
		a.mu.Lock()
		at := a.held[assignments]
		a.mu.Unlock()
		if at.IsZero() {
			continue
		}
		n++
		if first.IsZero() || at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
	}
	return n, first, last
}

// Trouble is the newest error of any agent.
func (f *Fleet) Trouble() error {
	for _, a := range f.agents {
		a.mu.Lock()
		err := a.err
		a.mu.Unlock()
		if err != nil {
			return fmt.Errorf("%s: %w", a.id, err)
		}
	}
	return nil
}

func (a *agent) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := a.session(ctx)
		if ctx.Err() != nil {
			return
		}
		a.mu.Lock()
		a.err = err
		a.mu.Unlock()
		timer := time.NewTimer(200 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// dialOptions keep a connection small, as a real agent's is.
func dialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStaticStreamWindowSize(64 << 10), grpc.WithStaticConnWindowSize(64 << 10),
		grpc.WithReadBufferSize(4 << 10), grpc.WithWriteBufferSize(4 << 10),
	}
}

func (a *agent) claims() *v1.NodeClaims {
	claims := &v1.NodeClaims{Region: "a", Zone: "a1"}
	for i, s := range services {
		claims.Services = append(claims.Services, &v1.ServiceClaim{
			Name: s, ChangeMode: v1.ChangeMode_CHANGE_MODE_LIVE, Driver: "none",
			Endpoints: []*v1.Endpoint{{Service: s, Node: a.id, Host: "127.0.0.1", Port: uint32(1000 + i), Tls: v1.Tls_TLS_NONE}}, //nolint:gosec // a small number
		})
	}
	return claims
}

func (a *agent) session(ctx context.Context) error {
	conn, err := grpc.NewClient(a.address, dialOptions()...)
	if err != nil {
		return fmt.Errorf("dial: %w", err)
	}
	defer func() { _ = conn.Close() }() // the session is over
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := v1.NewAgentServiceClient(conn).Session(ctx)
	if err != nil {
		return fmt.Errorf("open a session: %w", err)
	}
	hello := &v1.Hello{Node: a.id, Instance: "bench-" + a.id, Claims: a.claims(), Version: "bench"}
	if err := stream.Send(&v1.SessionRequest{Message: &v1.SessionRequest_Hello{Hello: hello}}); err != nil {
		return fmt.Errorf("say hello: %w", err)
	}
	sets := make(chan *v1.AssignmentSet, 1)
	received := make(chan error, 1)
	go func() { received <- a.receive(stream, sets) }()
	err = a.beat(stream, sets, received)
	cancel()
	return err
}

// receive notes when sets come and hands on the newest.
func (a *agent) receive(stream grpc.BidiStreamingClient[v1.SessionRequest, v1.SessionResponse], sets chan *v1.AssignmentSet) error {
	for {
		response, err := stream.Recv()
		if err != nil {
			return err
		}
		set := response.GetSet()
		if set == nil {
			continue
		}
		now := time.Now()
		a.mu.Lock()
		if n := len(set.GetAssignments()); n < len(a.held) && a.held[n].IsZero() {
			a.held[n] = now
		}
		a.mu.Unlock()
		select {
		case <-sets:
		default:
		}
		sets <- set
	}
}

// beat sends heartbeats, and one when the services of a new set have started.
func (a *agent) beat(stream grpc.BidiStreamingClient[v1.SessionRequest, v1.SessionResponse], sets <-chan *v1.AssignmentSet, received <-chan error) error {
	ticker := time.NewTicker(2 * time.Second)
	defer ticker.Stop()
	started := time.NewTimer(0)
	defer started.Stop()
	told, serves := &v1.AssignmentSet{}, &v1.AssignmentSet{}
	for sequence := uint64(1); ; {
		select {
		case told = <-sets:
			started.Reset(startTime)
			continue
		case <-started.C:
			serves = told
		case <-ticker.C:
		case err := <-received:
			return err
		}
		if err := stream.Send(&v1.SessionRequest{Message: &v1.SessionRequest_Heartbeat{Heartbeat: heartbeat(sequence, serves)}}); err != nil {
			return errors.Join(err, <-received)
		}
		sequence++
	}
}

// heartbeat reports of a set that what it wants serving serves.
func heartbeat(sequence uint64, set *v1.AssignmentSet) *v1.Heartbeat {
	wanted := map[string]bool{}
	for _, assignment := range set.GetAssignments() {
		wanted[assignment.GetService()] = assignment.GetWanted() == v1.Wanted_WANTED_SERVING
	}
	beat := &v1.Heartbeat{Sequence: sequence, Epoch: set.GetEpoch(), Generation: set.GetGeneration()}
	for _, s := range services {
		state := v1.ServiceState_SERVICE_STATE_STOPPED
		if wanted[s] {
			state = v1.ServiceState_SERVICE_STATE_SERVING
		}
		beat.Reports = append(beat.Reports, &v1.ServiceReport{Service: s, State: state})
	}
	return beat
}
