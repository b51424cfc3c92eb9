package session

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/server/rpc/problem"
)

// conversation is one session: a receiver, and after the handshake a reporter
// and a sender. Whichever fails first ends the others.
type conversation struct {
	hub    *Hub
	stream v1.AgentService_SessionServer
	end    context.CancelCauseFunc
	live   *live

	hellos chan *v1.Hello
	beats  chan *v1.Heartbeat // mailbox of one, newest wins
	acks   chan uint64        // mailbox of one, newest wins

	// Set by begin.
	log      *slog.Logger
	node     string
	instance string
	// held is the set that the agent came with.
	held version

	// The sender's own.
	members []string // told last
	// fresh: this member's state is not older than the session.
	fresh bool
}

func newConversation(h *Hub, stream v1.AgentService_SessionServer, end context.CancelCauseFunc) *conversation {
	return &conversation{
		hub: h, stream: stream, end: end, live: &live{end: end},
		hellos: make(chan *v1.Hello, 1), beats: make(chan *v1.Heartbeat, 1), acks: make(chan uint64, 1),
	}
}

// begin takes what the handshake found.
func (c *conversation) begin(hello *v1.Hello) {
	c.node, c.instance = hello.GetNode(), hello.GetInstance()
	c.held = version{hello.GetEpoch(), hello.GetGeneration()}
	c.log = c.hub.cfg.Logger.With("node", c.node, "instance", c.instance)
}

// run holds the session until it ends. Send blocks while the agent does not
// read, and only the end of the stream, which is this handler's return, breaks
// it off: so the sender, like the receiver, is not waited for. Both return with
// the stream, and touch nothing but it.
func (c *conversation) run(ctx context.Context) error {
	reported := make(chan struct{})
	go func() {
		defer close(reported)
		c.report(ctx)
	}()
	go func() { c.end(c.send(ctx)) }()
	c.listen(ctx)
	<-reported
	return over(ctx)
}

// silence is how many heartbeats may be missed before a session is taken for
// half open: its agent, or the way to it, is gone, and the kernel did not notice.
const silence = 5

// listen ends the session of an agent that says nothing any more. It looks twice:
// a member that stood still itself finds what was said meanwhile a moment later.
func (c *conversation) listen(ctx context.Context) {
	beat := c.hub.cfg.Heartbeat
	timer := time.NewTimer(silence * beat)
	defer timer.Stop()
	again := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		left := silence*beat - time.Since(c.hub.heard(c.live))
		switch {
		case left > 0:
			again = false
			timer.Reset(left)
		case !again:
			again = true
			timer.Reset(beat)
		default:
			c.end(errSilent)
			return
		}
	}
}

var (
	errReplaced = problem.New(codes.Aborted, problem.Replaced, "the agent opened another session")
	errSlow     = problem.New(codes.ResourceExhausted, problem.SlowReader, "the agent does not read")
	errSilent   = problem.New(codes.Unavailable, problem.Silent, "nothing was heard from the agent for %d heartbeats", silence)
)

func taken(node, instance string) error {
	return problem.New(codes.AlreadyExists, problem.NodeTaken, "node %s now belongs to another agent (instance %s)", node, instance)
}

// over says how a session ended.
func over(ctx context.Context) error {
	cause := context.Cause(ctx)
	switch {
	case cause == nil, errors.Is(cause, io.EOF):
		// The agent said that it has nothing more to say.
		return nil
	case errors.Is(cause, context.Canceled), errors.Is(cause, context.DeadlineExceeded):
		return status.FromContextError(cause).Err()
	default:
		return cause
	}
}

// receive takes the Hello, then heartbeats, until the stream ends.
func (c *conversation) receive() error {
	first, err := c.stream.Recv()
	if err != nil {
		return err
	}
	if err := checkHello(first); err != nil {
		return err
	}
	c.hellos <- first.GetHello()
	for {
		m, err := c.stream.Recv()
		if err != nil {
			return err
		}
		beat := m.GetHeartbeat()
		if beat == nil {
			return problem.New(codes.InvalidArgument, problem.InvalidArgument, "after the Hello, a session takes heartbeats only")
		}
		c.hub.touch(c.live)
		newest(c.acks, beat.GetSequence())
		newest(c.beats, beat)
	}
}

// newest puts v into a mailbox of one, over what lies there.
func newest[T any](box chan T, v T) {
	for {
		select {
		case box <- v:
			return
		default:
		}
		select {
		case <-box:
		default:
		}
	}
}

// send writes the set whenever it changed, and the newest acknowledgement. It
// looks at the newest state only: a slow agent skips what lay between.
func (c *conversation) send(ctx context.Context) error {
	welcome := c.hub.welcome(c.hub.cfg.Machine.State())
	c.members = welcome.GetMembers()
	if err := c.write(&v1.SessionResponse{Message: &v1.SessionResponse_Welcome{Welcome: welcome}}); err != nil {
		return err
	}
	// What the agent was told last; at first, nothing.
	var told *word
	var fresh <-chan struct{}
	for {
		state := c.hub.cfg.Machine.State()
		node, changed := state.NodeAndWatch(c.node)
		switch {
		case node == nil:
			return problem.New(codes.FailedPrecondition, problem.NodeRemoved, "node %s was removed from the cluster: what it runs is left running", c.node)
		case node.GetInstance() != c.instance:
			return taken(c.node, node.GetInstance())
		case state.Retired(c.node, c.instance):
			return problem.New(codes.FailedPrecondition, problem.NodeRemoved, "this agent of node %s was retired for another one; what it runs is left running", c.node)
		}
		off, freezes := handsOff(state, c.node)
		now := wordOf(state, node, off)
		switch {
		case node.GetUnconfirmed():
			// After a restore the set may lack what the agent serves: it tells first.
		case told == nil && now.before(c.held) && !c.fresh:
			// Either this member lags behind what the agent holds, and says nothing
			// yet, or the agent is ahead of the cluster, and is told so by the set.
			if fresh == nil {
				fresh = c.freshen(ctx)
			}
		case told == nil || now.newsAfter(*told):
			if err := c.write(now.message(node)); err != nil {
				return err
			}
			told = &now
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		case <-freezes:
		case <-fresh:
			c.fresh, fresh = true, nil
		case sequence := <-c.acks:
			if err := c.write(c.ack(c.hub.cfg.Machine.State(), sequence)); err != nil {
				return err
			}
		}
	}
}

// freshen returns a channel that is closed once this member's state has
// everything that the cluster knew when it was called.
func (c *conversation) freshen(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		for ctx.Err() == nil {
			limited, cancel := context.WithTimeout(ctx, writeWithin)
			err := c.hub.cfg.Fresh(limited)
			cancel()
			if err == nil {
				close(done)
				return
			}
			c.log.Debug("whether the agent is ahead is not known yet", "error", err)
			pause(ctx, c.hub.cfg.Heartbeat)
		}
	}()
	return done
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// write sends one message; an agent that does not read loses its session, and
// nobody waits for it.
func (c *conversation) write(m *v1.SessionResponse) error {
	stuck := time.AfterFunc(c.hub.cfg.WriteTimeout, func() { c.end(errSlow) })
	defer stuck.Stop()
	return c.stream.Send(m)
}

func (c *conversation) ack(state *fsm.State, sequence uint64) *v1.SessionResponse {
	ack := &v1.HeartbeatAck{Sequence: sequence, HasLeader: c.hub.cfg.HasLeader()}
	if members := addresses(state); !slices.Equal(members, c.members) {
		ack.Members, c.members = members, members
	}
	return &v1.SessionResponse{Message: &v1.SessionResponse_Ack{Ack: ack}}
}
