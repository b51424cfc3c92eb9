package session

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/server/rpc/auth"
	"roster/server/rpc/problem"
)

// conversation is one session after its handshake: a receiver, a reporter and
// a sender. Whichever fails first ends the others.
type conversation struct {
	hub      *Hub
	stream   v1.AgentService_SessionServer
	live     *live
	log      *slog.Logger
	node     string
	instance string

	beats   chan *v1.Heartbeat // mailbox of one, newest wins
	acks    chan uint64        // mailbox of one, newest wins
	members []string           // sent last
}

func (c *conversation) run(ctx context.Context, end context.CancelCauseFunc, welcome *v1.Welcome) error {
	// The receiver returns once this handler has, since that ends the stream;
	// the reporter holds ctx and is waited for.
	go func() { end(c.receive()) }()
	reported := make(chan struct{})
	go func() {
		defer close(reported)
		c.report(ctx)
	}()
	err := c.send(ctx, end, welcome)
	end(err)
	<-reported
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return sessionError(cause)
	}
	return err
}

func sessionError(cause error) error {
	switch {
	case errors.Is(cause, errReplaced):
		return problem.New(codes.Aborted, problem.Replaced, "%s", errReplaced.Error())
	case errors.Is(cause, errSlow):
		return problem.New(codes.ResourceExhausted, problem.SlowReader, "%s", errSlow.Error())
	default:
		return cause
	}
}

// receive takes heartbeats until the stream ends.
func (c *conversation) receive() error {
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

// report proposes what the agent sees whenever the state says otherwise.
func (c *conversation) report(ctx context.Context) {
	caller := auth.Caller(ctx).URI()
	for {
		var beat *v1.Heartbeat
		select {
		case <-ctx.Done():
			return
		case beat = <-c.beats:
		}
		record := c.hub.cfg.Machine.State().Node(c.node)
		if record == nil || sameReport(record, beat) {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, 10*time.Second)
		result, err := c.hub.cfg.Proposer.Propose(limited, caller, "", &storev1.Command{Command: &storev1.Command_ReportNode{
			ReportNode: &storev1.ReportNode{
				Id: c.node, Instance: c.instance, Reports: beat.GetReports(), ReportedGeneration: beat.GetGeneration(),
			},
		}})
		cancel()
		if err != nil {
			// The next heartbeat says it again.
			c.log.Debug("report not written", "error", err)
		} else if refusal := result.GetRefusal(); refusal != nil {
			c.log.Warn("report refused", "reason", refusal.GetMessage())
		}
	}
}

// send writes the set whenever it changed, and the newest acknowledgement.
func (c *conversation) send(ctx context.Context, end context.CancelCauseFunc, welcome *v1.Welcome) error {
	if err := c.write(end, &v1.SessionResponse{Message: &v1.SessionResponse_Welcome{Welcome: welcome}}); err != nil {
		return err
	}
	var epoch, generation uint64
	sent := false
	for {
		state := c.hub.cfg.Machine.State()
		changed := state.WatchNode(c.node)
		node := state.Node(c.node)
		if removed := state.Removed(c.node); node == nil && removed != nil && removed.GetInstance() == c.instance {
			return problem.New(codes.FailedPrecondition, problem.NodeRemoved, "node %s was removed from the cluster: what it runs is left running", c.node)
		}
		if node != nil && node.GetInstance() != c.instance {
			return problem.New(codes.AlreadyExists, problem.NodeTaken, "node %s now belongs to another agent (instance %s)", c.node, node.GetInstance())
		}
		now := state.Cluster().GetEpoch()
		if node != nil && (!sent || now > epoch || now == epoch && node.GetGeneration() > generation) {
			if err := c.write(end, setMessage(now, node)); err != nil {
				return err
			}
			sent, epoch, generation = true, now, node.GetGeneration()
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		case sequence := <-c.acks:
			if err := c.write(end, c.ack(state, sequence)); err != nil {
				return err
			}
		}
	}
}

// write sends one message; an agent that does not read loses its session, and
// nobody waits for it.
func (c *conversation) write(end context.CancelCauseFunc, m *v1.SessionResponse) error {
	stuck := time.AfterFunc(c.hub.cfg.WriteTimeout, func() { end(errSlow) })
	defer stuck.Stop()
	return c.stream.Send(m)
}

func setMessage(epoch uint64, node *v1.Node) *v1.SessionResponse {
	return &v1.SessionResponse{Message: &v1.SessionResponse_Set{Set: &v1.AssignmentSet{
		Epoch: epoch, Generation: node.GetGeneration(), Assignments: node.GetAssignments(),
		Empty: len(node.GetAssignments()) == 0,
	}}}
}

func (c *conversation) ack(state *fsm.State, sequence uint64) *v1.SessionResponse {
	ack := &v1.HeartbeatAck{Sequence: sequence, HasLeader: c.hub.cfg.HasLeader()}
	if members := addresses(state); !slices.Equal(members, c.members) {
		ack.Members, c.members = members, members
	}
	return &v1.SessionResponse{Message: &v1.SessionResponse_Ack{Ack: ack}}
}

func addresses(state *fsm.State) []string {
	var out []string
	for _, m := range state.Members() {
		out = append(out, m.GetAddress())
	}
	return out
}

// welcome opens a session.
func (h *Hub) welcome(cluster *v1.Cluster) *v1.Welcome {
	return &v1.Welcome{
		ClusterId: cluster.GetId(), Cluster: cluster.GetName(), Epoch: cluster.GetEpoch(),
		Heartbeat: durationpb.New(h.cfg.Heartbeat), Members: addresses(h.cfg.Machine.State()),
	}
}

// sameReport ignores what changes with every session: counts, and times that
// belong to an unchanged state.
func sameReport(node *v1.Node, beat *v1.Heartbeat) bool {
	if node.GetReportedGeneration() != beat.GetGeneration() || len(node.GetReports()) != len(beat.GetReports()) {
		return false
	}
	known := map[string]*v1.ServiceReport{}
	for _, r := range node.GetReports() {
		known[r.GetService()] = r
	}
	for _, r := range beat.GetReports() {
		k := known[r.GetService()]
		if k == nil || k.GetState() != r.GetState() || k.GetPid() != r.GetPid() {
			return false
		}
		if k.GetDetail() != r.GetDetail() {
			return false
		}
	}
	return true
}
