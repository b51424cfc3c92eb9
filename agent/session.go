package agent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	v1 "roster/proto/roster/v1"
)

const (
	// openWithin bounds dialling a member, saying hello and being welcomed.
	openWithin = 2 * time.Second
	// defaultHeartbeat is used where neither a member nor the config says one.
	defaultHeartbeat = 2 * time.Second
	// heartbeatGap keeps reports that change in a burst from being told one by one.
	heartbeatGap = 20 * time.Millisecond
	// leaderless is how long a member may know no leader until others are tried.
	leaderless = 2 * time.Second
)

// errSilent: the member's kernel may live, the member does not answer.
var errSilent = errors.New("the member does not acknowledge heartbeats")

// session is one stream to one member. Any error ends it; it is never mended.
type session struct {
	a         *Agent
	address   string
	conn      *grpc.ClientConn
	stream    grpc.BidiStreamingClient[v1.SessionRequest, v1.SessionResponse]
	cancel    context.CancelFunc
	heartbeat time.Duration
	// behind is true where the member's cluster is in an older epoch than the set
	// that is held.
	behind bool
	// sequence of the last heartbeat sent.
	sequence uint64
	// acked holds the newest acknowledgement that was not looked at.
	acked chan *v1.HeartbeatAck
}

// open dials a member, says hello and is welcomed.
func (a *Agent) open(ctx context.Context, address string) (_ *session, err error) {
	conn, err := grpc.NewClient("passthrough:///"+address, a.dialOptions()...)
	if err != nil {
		return nil, fmt.Errorf("dial member %s: %w", address, err)
	}
	outer := ctx
	ctx, cancel := context.WithCancel(ctx)
	s := &session{a: a, address: address, conn: conn, cancel: cancel, acked: make(chan *v1.HeartbeatAck, 1)}
	defer func() {
		if err != nil {
			s.close()
			err = &memberError{"member " + address, a.misdialled(outer, address, err)}
		}
	}()
	var late atomic.Bool
	timer := time.AfterFunc(openWithin, func() { late.Store(true); cancel() })
	defer func() {
		if !timer.Stop() && late.Load() && err != nil {
			err = status.Errorf(codes.Unavailable, "no welcome within %s", openWithin)
		}
	}()

	cluster := a.membership.clusterID()
	if cluster != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "roster-cluster-id", cluster)
	}
	if s.stream, err = v1.NewAgentServiceClient(conn).Session(ctx); err != nil {
		return nil, err
	}
	held := a.orders.held()
	hello := &v1.Hello{
		ClusterId:  cluster,
		Node:       a.cfg.Node,
		Instance:   a.folder.instance,
		Claims:     a.cfg.Claims,
		Epoch:      held.GetEpoch(),
		Generation: held.GetGeneration(),
		Version:    a.cfg.Version,
	}
	// A failed Send says io.EOF; the reason is what Recv returns.
	_ = s.stream.Send(&v1.SessionRequest{Message: &v1.SessionRequest_Hello{Hello: hello}})
	first, err := s.stream.Recv()
	if err != nil {
		return nil, err
	}
	welcome := first.GetWelcome()
	if welcome == nil {
		return nil, status.Error(codes.Internal, "it did not begin with a welcome")
	}
	if err := a.membership.welcome(welcome); err != nil {
		if errors.Is(err, errOtherCluster) {
			return nil, err
		}
		a.log.Error("what the member said could not be kept", "error", err)
	}
	if s.behind = held.GetEpoch() > welcome.GetEpoch(); s.behind {
		a.log.Warn("this agent is ahead of the cluster: it keeps serving what it holds",
			"held_epoch", held.GetEpoch(), "cluster_epoch", welcome.GetEpoch())
	}
	s.heartbeat = a.cfg.Heartbeat
	if s.heartbeat <= 0 {
		s.heartbeat = welcome.GetHeartbeat().AsDuration()
	}
	if s.heartbeat <= 0 {
		s.heartbeat = defaultHeartbeat
	}
	return s, nil
}

func (a *Agent) dialOptions() []grpc.DialOption {
	const window, buffer = 64 << 10, 4 << 10
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(a.credentials),
		// Static windows turn off bandwidth estimation, which costs a ping per
		// data frame.
		grpc.WithStaticStreamWindowSize(window),
		grpc.WithStaticConnWindowSize(window),
		grpc.WithReadBufferSize(buffer),
		grpc.WithWriteBufferSize(buffer),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second}),
		grpc.WithIdleTimeout(0),
		grpc.WithDisableServiceConfig(),
	}
	if a.cfg.Dial != nil {
		options = append(options, grpc.WithContextDialer(a.cfg.Dial))
	}
	return options
}

func (s *session) close() {
	s.cancel()
	_ = s.conn.Close()
}

// run holds the session until it ends. Where the member has known no leader for a
// while, it returns a session to one that does, and no error.
func (s *session) run(ctx context.Context) (*session, error) {
	defer s.close()
	if s.behind {
		s.a.board.ahead(true)
	}
	var next *session
	group, groupCtx := errgroup.WithContext(ctx)
	// The stream ends with the group, so neither Send nor Recv can hang.
	stop := context.AfterFunc(groupCtx, s.cancel)
	defer stop()
	group.Go(s.receive)
	group.Go(func() error { return s.beat(groupCtx) })
	group.Go(func() (err error) {
		// A session that is found must outlive this one: it begins under ctx.
		next, err = s.watch(groupCtx, func() *session { return s.scout(ctx) })
		return err
	})
	if err := group.Wait(); next == nil {
		return nil, &memberError{"session with member " + s.address, err}
	}
	return next, nil
}

// errMoved: the session ends since a better one began.
var errMoved = errors.New("moved to another member")

// receive takes sets and acknowledgements in; it never waits for whoever uses them.
func (s *session) receive() error {
	for {
		r, err := s.stream.Recv()
		if err != nil {
			return err
		}
		switch {
		case r.GetSet() != nil:
			s.a.inbox.put(r.GetSet())
		case r.GetAck() != nil:
			select {
			case <-s.acked:
			default:
			}
			s.acked <- r.GetAck()
		}
	}
}

// send says one heartbeat.
func (s *session) send() {
	h := s.a.board.heartbeat()
	s.sequence++
	h.Sequence = s.sequence
	// A failed Send says io.EOF; the reason is what Recv returns.
	_ = s.stream.Send(&v1.SessionRequest{Message: &v1.SessionRequest_Heartbeat{Heartbeat: h}})
}

// beat sends heartbeats at their interval, and at once when a report changed.
func (s *session) beat(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		case <-s.a.board.changed:
		}
		s.send()
		gap := time.NewTimer(heartbeatGap)
		select {
		case <-ctx.Done():
			gap.Stop()
			return ctx.Err()
		case <-gap.C:
		}
		timer.Reset(s.heartbeat)
	}
}

// patience is how long heartbeats may go without an acknowledgement: short enough to
// be heard by another member before the node counts as down.
func (s *session) patience() time.Duration { return max(s.heartbeat*5/2, time.Second) }

// watch ends the session when acknowledgements stay away, and looks for another
// member when this one knows no leader.
func (s *session) watch(ctx context.Context, scout func() *session) (*session, error) {
	silence := time.NewTimer(s.patience())
	defer silence.Stop()
	lost := time.NewTimer(leaderless)
	lost.Stop()
	defer lost.Stop()
	hasLeader := true
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-silence.C:
			return nil, fmt.Errorf("%w for %s", errSilent, s.patience())
		case ack := <-s.acked:
			silence.Reset(s.patience())
			if err := s.a.membership.update(ack.GetMembers()); err != nil {
				s.a.log.Error("the list of members could not be kept", "error", err)
			}
			if had := hasLeader; had != ack.GetHasLeader() {
				hasLeader = ack.GetHasLeader()
				if hasLeader {
					lost.Stop()
				} else {
					lost.Reset(leaderless)
				}
			}
		case <-lost.C:
			// One round over the others; the session stays until one is better.
			if next := scout(); next != nil {
				s.a.log.Info("moved to a member that knows a leader", "from", s.address, "to", next.address)
				return next, errMoved
			}
			silence.Reset(s.patience())
			lost.Reset(jitter(leaderless))
		}
	}
}

// scout returns a session to another member that knows a leader; nil: none does.
func (s *session) scout(ctx context.Context) *session {
	for _, address := range s.a.membership.candidates() {
		if address == s.address || ctx.Err() != nil {
			continue
		}
		next, err := s.a.open(ctx, address)
		if err != nil {
			continue
		}
		if next.knowsLeader() {
			return next
		}
		next.close()
	}
	return nil
}

// knowsLeader sends the first heartbeat and reads up to its acknowledgement.
func (s *session) knowsLeader() bool {
	timer := time.AfterFunc(openWithin, s.cancel)
	defer timer.Stop()
	s.send()
	for {
		r, err := s.stream.Recv()
		if err != nil {
			return false
		}
		if set := r.GetSet(); set != nil {
			s.a.inbox.put(set)
		}
		if ack := r.GetAck(); ack != nil {
			return ack.GetHasLeader()
		}
	}
}

// jitter is a random part of d, up to all of it.
func jitter(d time.Duration) time.Duration {
	return rand.N(d + 1) //nolint:gosec // jitter needs no secret
}
