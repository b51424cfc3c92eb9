// Package session owns the agents' streams on one member: the handshake, the
// newest set to each agent, what each agent last said, and the relay of who is
// heard to the leader. It does not decide what a node should serve, and it
// writes to the state only through a Proposer. A session dies whole: any error
// ends it, and its agent starts another.
//
// Everything exported is safe for concurrent use; no lock is held across Send.
package session

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/server/rpc/auth"
	"roster/server/rpc/problem"
)

// Proposer hands a command to the leader, wherever it is.
type Proposer interface {
	Propose(ctx context.Context, caller, requestID string, command *storev1.Command) (*storev1.Result, error)
}

// Config sets a Hub up.
type Config struct {
	Machine  *fsm.Machine
	Proposer Proposer
	// HasLeader says whether the member knows a leader now.
	HasLeader func() bool
	// Heartbeat is how often agents report. Default 2 s.
	Heartbeat time.Duration
	// WriteTimeout ends a session whose agent does not read. Default 10 s.
	WriteTimeout time.Duration
	Logger       *slog.Logger
}

// Validate reports every fault at once.
func (c Config) Validate() error {
	var faults []error
	if c.Machine == nil {
		faults = append(faults, errors.New("session: Machine is missing"))
	}
	if c.Proposer == nil {
		faults = append(faults, errors.New("session: Proposer is missing"))
	}
	if c.HasLeader == nil {
		faults = append(faults, errors.New("session: HasLeader is missing"))
	}
	if c.Heartbeat < 0 || c.WriteTimeout < 0 {
		faults = append(faults, errors.New("session: Heartbeat and WriteTimeout must not be negative"))
	}
	return errors.Join(faults...)
}

// Hub holds the sessions of one member.
type Hub struct {
	v1.UnimplementedAgentServiceServer
	cfg Config

	mu       sync.Mutex
	sessions map[string]*live // by node
}

// live is one agent's session.
type live struct {
	instance string
	heard    time.Time
	end      context.CancelCauseFunc
}

// Seen is an agent that this member hears.
type Seen struct {
	Node     string
	Instance string
	// Heard is when its last message came.
	Heard time.Time
}

// New makes a Hub without sessions.
func New(cfg Config) (*Hub, error) {
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = 2 * time.Second
	}
	if cfg.WriteTimeout == 0 {
		cfg.WriteTimeout = 10 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Hub{cfg: cfg, sessions: map[string]*live{}}, nil
}

// Heartbeat is how often agents report.
func (h *Hub) Heartbeat() time.Duration { return h.cfg.Heartbeat }

// Sessions lists the agents that this member hears now.
func (h *Hub) Sessions() []Seen {
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := make([]Seen, 0, len(h.sessions))
	for node, l := range h.sessions {
		seen = append(seen, Seen{Node: node, Instance: l.instance, Heard: l.heard})
	}
	return seen
}

var (
	errReplaced = errors.New("the agent opened another session")
	errSlow     = errors.New("the agent does not read")
)

// open enters a session; an older one of the same agent ends.
func (h *Hub) open(node, instance string, end context.CancelCauseFunc) *live {
	l := &live{instance: instance, heard: time.Now(), end: end}
	h.mu.Lock()
	defer h.mu.Unlock()
	if old := h.sessions[node]; old != nil {
		old.end(errReplaced)
	}
	h.sessions[node] = l
	return l
}

func (h *Hub) close(node string, l *live) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sessions[node] == l {
		delete(h.sessions, node)
	}
}

func (h *Hub) touch(l *live) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l.heard = time.Now()
}

// Session implements AgentService.
func (h *Hub) Session(stream v1.AgentService_SessionServer) error {
	ctx, end := context.WithCancelCause(stream.Context())
	defer end(nil)

	hello, err := h.receiveHello(stream)
	if err != nil {
		return err
	}
	if err := auth.CheckNode(ctx, hello.GetNode()); err != nil {
		return err
	}
	cluster, err := h.checkHistory(hello)
	if err != nil {
		return err
	}
	if err := h.register(ctx, hello); err != nil {
		return err
	}

	l := h.open(hello.GetNode(), hello.GetInstance(), end)
	defer h.close(hello.GetNode(), l)
	log := h.cfg.Logger.With("node", hello.GetNode(), "instance", hello.GetInstance())
	log.Debug("session opened")

	welcome := h.welcome(cluster)
	s := &conversation{
		hub: h, stream: stream, live: l, log: log,
		node: hello.GetNode(), instance: hello.GetInstance(),
		beats: make(chan *v1.Heartbeat, 1), acks: make(chan uint64, 1),
		members: welcome.GetMembers(),
	}
	err = s.run(ctx, end, welcome)
	log.Debug("session ended", "reason", err)
	return err
}

// receiveHello takes the first message, which must say who calls.
func (h *Hub) receiveHello(stream v1.AgentService_SessionServer) (*v1.Hello, error) {
	first, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	hello := first.GetHello()
	if hello == nil {
		return nil, problem.New(codes.InvalidArgument, problem.InvalidArgument, "a session begins with a Hello")
	}
	if hello.GetNode() == "" || hello.GetInstance() == "" {
		return nil, problem.New(codes.InvalidArgument, problem.InvalidArgument, "a Hello names its node and its instance")
	}
	return hello, nil
}

// checkHistory refuses agents of another cluster, and agents that are ahead.
func (h *Hub) checkHistory(hello *v1.Hello) (*v1.Cluster, error) {
	cluster := h.cfg.Machine.State().Cluster()
	if cluster == nil {
		return nil, problem.New(codes.Unavailable, problem.NoLeader, "this member has not heard from its cluster yet: try another member")
	}
	if id := hello.GetClusterId(); id != "" && id != cluster.GetId() {
		return nil, problem.New(codes.FailedPrecondition, problem.WrongCluster,
			"the agent of %s belongs to cluster %s, this is %s (%s): point it at its own members, or give it an empty data folder",
			hello.GetNode(), id, cluster.GetId(), cluster.GetName())
	}
	if hello.GetEpoch() > cluster.GetEpoch() {
		return nil, problem.New(codes.FailedPrecondition, problem.Ahead,
			"the agent of %s holds epoch %d, the cluster is at %d: the cluster was restored from before; the node serves on as it is",
			hello.GetNode(), hello.GetEpoch(), cluster.GetEpoch())
	}
	return cluster, nil
}

// register records the agent unless the state says the same already, so that
// thousands of agents that only reconnect write nothing.
func (h *Hub) register(ctx context.Context, hello *v1.Hello) error {
	if h.cfg.Machine.State().Knows(hello.GetNode(), hello.GetInstance(), hello.GetVersion(), hello.GetClaims()) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	caller := auth.Caller(ctx).URI()
	result, err := h.cfg.Proposer.Propose(ctx, caller, "", &storev1.Command{Command: &storev1.Command_RegisterNode{
		RegisterNode: &storev1.RegisterNode{
			Id: hello.GetNode(), Instance: hello.GetInstance(), Claims: hello.GetClaims(),
			Version: hello.GetVersion(), ReportedGeneration: hello.GetGeneration(),
		},
	}})
	if err != nil {
		return err
	}
	return problem.FromRefusal(result.GetRefusal())
}
