package session

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/server/rpc/auth"
	"roster/server/rpc/problem"
)

const (
	// helloWithin is how long a stream may be open without saying whose it is.
	helloWithin = 10 * time.Second
	// writeWithin bounds one proposal for an agent.
	writeWithin = 10 * time.Second
)

// Session implements AgentService.
func (h *Hub) Session(stream v1.AgentService_SessionServer) error {
	// Before anything is read or written for it: a refusal must cost nothing.
	if !h.admission.admits(time.Now()) {
		return errBusy
	}
	ctx, end := context.WithCancelCause(stream.Context())
	defer end(nil)
	c := newConversation(h, stream, end)
	// The receiver returns once this handler has, since that ends the stream.
	go func() { end(c.receive()) }()

	hello, err := c.hello(ctx)
	if err != nil {
		return err
	}
	if err := auth.CheckNode(ctx, hello.GetNode()); err != nil {
		return err
	}
	if err := h.checkHistory(hello); err != nil {
		return err
	}
	if err := h.register(ctx, hello); err != nil {
		return err
	}
	h.open(hello.GetNode(), hello.GetInstance(), c.live)
	defer h.close(hello.GetNode(), c.live)
	c.begin(hello)
	c.log.Debug("session opened")
	err = c.run(ctx)
	c.log.Debug("session ended", "reason", err)
	return err
}

// hello waits for the first message.
func (c *conversation) hello(ctx context.Context) (*v1.Hello, error) {
	late := time.NewTimer(helloWithin)
	defer late.Stop()
	select {
	case hello := <-c.hellos:
		return hello, nil
	case <-ctx.Done():
		return nil, over(ctx)
	case <-late.C:
		return nil, problem.New(codes.DeadlineExceeded, problem.Deadline, "no Hello within %s", helloWithin)
	}
}

// checkHello says whether the first message says who calls.
func checkHello(first *v1.SessionRequest) error {
	hello := first.GetHello()
	if hello == nil {
		return problem.New(codes.InvalidArgument, problem.InvalidArgument, "a session begins with a Hello")
	}
	if hello.GetNode() == "" || hello.GetInstance() == "" {
		return problem.New(codes.InvalidArgument, problem.InvalidArgument, "a Hello names its node and its instance")
	}
	return nil
}

// checkHistory refuses agents of another cluster. Agents that are ahead are let
// in: they serve on as they are, and can say so.
func (h *Hub) checkHistory(hello *v1.Hello) error {
	cluster := h.cfg.Machine.State().Cluster()
	if cluster == nil {
		return problem.New(codes.Unavailable, problem.NoLeader, "this member has not heard from its cluster yet: try another member")
	}
	if id := hello.GetClusterId(); id != "" && id != cluster.GetId() {
		return problem.New(codes.FailedPrecondition, problem.WrongCluster,
			"the agent of %s belongs to cluster %s, this is %s (%s): point it at its own members, or give it an empty data folder",
			hello.GetNode(), id, cluster.GetId(), cluster.GetName())
	}
	return nil
}

// register records the agent unless the state says the same already, so that
// thousands of agents that only reconnect write nothing. When it returns, this
// member's own state knows of the agent: from here on a record that names
// another one, or none, is news and not a member that lags.
func (h *Hub) register(ctx context.Context, hello *v1.Hello) error {
	state := h.cfg.Machine.State()
	if state.Knows(hello.GetNode(), hello.GetInstance(), hello.GetVersion(), hello.GetClaims()) &&
		!state.Retired(hello.GetNode(), hello.GetInstance()) {
		return nil
	}
	return h.ask(ctx, hello)
}

// ask has the leader register the agent, changed or not, and returns when this
// member's own state has what the cluster knew by then.
func (h *Hub) ask(ctx context.Context, hello *v1.Hello) error {
	limited, cancel := context.WithTimeout(ctx, writeWithin)
	defer cancel()
	result, err := h.cfg.Proposer.Propose(limited, auth.Caller(ctx).URI(), "", &storev1.Command{Command: &storev1.Command_RegisterNode{
		RegisterNode: &storev1.RegisterNode{
			Id: hello.GetNode(), Instance: hello.GetInstance(), Claims: hello.GetClaims(),
			Version: hello.GetVersion(), ReportedGeneration: hello.GetGeneration(),
		},
	}})
	if err == nil && result.GetRefusal() != nil {
		h.noteTurnedAway(limited, hello, result.GetRefusal())
		return problem.FromRefusal(result.GetRefusal())
	}
	if err == nil {
		err = h.applied(limited, result.GetIndex())
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return over(ctx)
	case status.Code(err) != codes.Unknown:
		return err
	default:
		// Whatever it was, the agent is safe to come again, here or elsewhere.
		return problem.New(codes.Unavailable, problem.NoLeader, "node %s was not registered: %v: try another member", hello.GetNode(), err)
	}
}

// welcome opens a session.
func (h *Hub) welcome(state *fsm.State) *v1.Welcome {
	cluster := state.Cluster()
	return &v1.Welcome{
		ClusterId: cluster.GetId(), Cluster: cluster.GetName(), Epoch: cluster.GetEpoch(),
		Heartbeat: durationpb.New(h.cfg.Heartbeat), Members: addresses(state),
	}
}

func addresses(state *fsm.State) []string {
	var out []string
	for _, m := range state.Members() {
		out = append(out, m.GetAddress())
	}
	return out
}
