package rpc

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"roster/integration/leak"
	peerv1 "roster/proto/roster/peer/v1"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/client"
	"roster/fsm"
	"roster/server/internal/fixture"
	"roster/server/raftnode"
	"roster/server/rpc/problem"
)

func TestMain(m *testing.M) { leak.Main(m) }

// answers are what a leader does to each request in turn; the last one stays.
type answers []func(context.Context) error

func (a *answers) next(ctx context.Context) error {
	answer := (*a)[0]
	if len(*a) > 1 {
		*a = (*a)[1:]
	}
	return answer(ctx)
}

func says(err error) func(context.Context) error { return func(context.Context) error { return err } }

// hangs is a leader that never answers.
func hangs(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// broken is a connection that broke after the request went out.
func broken(ctx context.Context) error {
	client.Sent{}.HandleRPC(ctx, &stats.OutHeader{})
	return status.Error(codes.Unavailable, "transport is closing")
}

// sentAndHangs is a request that went out and was never answered.
func sentAndHangs(ctx context.Context) error {
	client.Sent{}.HandleRPC(ctx, &stats.OutHeader{})
	<-ctx.Done()
	return status.FromContextError(ctx.Err()).Err()
}

func unknown() error { return fmt.Errorf("propose: %w", raftnode.ErrUnknownOutcome) }

// fakeGroup is a Raft group whose leader does as it is told.
type fakeGroup struct {
	peerv1.PeerServiceClient
	answers answers
	lags    bool
	leader  string
	asked   int
}

func (f *fakeGroup) Leader() (string, bool)         { return f.leader, f.leader != "" }
func (f *fakeGroup) LeaderChanged() <-chan struct{} { return make(chan struct{}) }
func (f *fakeGroup) do(ctx context.Context) error   { f.asked++; return f.answers.next(ctx) }

// On this member.
type here struct{ *fakeGroup }

func (f here) Propose(ctx context.Context, _ []*storev1.Envelope) ([]*storev1.Result, error) {
	return []*storev1.Result{{Index: 7}}, f.do(ctx)
}
func (f here) ReadIndex(ctx context.Context) (uint64, uint64, error) { return 7, 1, f.do(ctx) }
func (f here) WaitApplied(ctx context.Context, _ uint64) error {
	if f.lags {
		return hangs(ctx)
	}
	return nil
}

// On another member.
type there struct{ *fakeGroup }

func (f there) Propose(ctx context.Context, _ *peerv1.ProposeRequest, _ ...grpc.CallOption) (*peerv1.ProposeResponse, error) {
	return &peerv1.ProposeResponse{Results: []*storev1.Result{{Index: 7}}}, f.do(ctx)
}
func (f there) ReadIndex(ctx context.Context, _ *peerv1.ReadIndexRequest, _ ...grpc.CallOption) (*peerv1.ReadIndexResponse, error) {
	return &peerv1.ReadIndexResponse{Index: 7}, f.do(ctx)
}

const (
	self, other = "m1", "m2"
)

func gateOf(t *testing.T, f *fakeGroup) *Gate {
	log := fixture.New(t)
	for _, id := range []string{self, other} {
		log.Must(&storev1.Command{Command: &storev1.Command_PutMember{PutMember: &storev1.PutMember{
			Member: &v1.Member{Id: id, Name: id, Address: id + ":1", RaftAddress: id + ":2", MaxSchema: fsm.Schema},
		}}})
	}
	return &Gate{self: self, raft: here{f}, machine: log.Machine, dial: func(string) (peerv1.PeerServiceClient, error) { return there{f}, nil }}
}

func TestWhatMayHaveBeenDoneIsNeverToldAsUndone(t *testing.T) {
	refusesNoLeader := status.Error(codes.Unavailable, "connection refused")
	for _, c := range []struct {
		name    string
		leader  string
		id      string // request id
		answers answers
		reason  problem.Reason // empty: done
		asked   int            // 0: any
	}{
		{"done at once", self, "id", answers{says(nil)}, "", 1},
		{"forwarded", other, "id", answers{says(nil)}, "", 1},
		{"no leader", "", "id", answers{says(nil)}, problem.NoLeader, 0},
		{"never led", self, "id", answers{says(raftnode.ErrNotLeader)}, problem.NoLeader, 0},
		{"the leader moved", other, "id", answers{says(toStatus(raftnode.ErrNotLeader)), says(nil)}, "", 2},
		{"lost in the middle, and done again under its id", self, "id", answers{says(unknown()), says(nil)}, "", 2},
		{"lost in the middle, without an id", self, "", answers{says(unknown()), says(nil)}, problem.UnknownOutcome, 1},
		{"lost in the middle, then stopping", self, "id", answers{says(unknown()), says(raftnode.ErrStopping)}, problem.UnknownOutcome, 2},
		{"lost in the middle, then nobody leads", self, "id", answers{says(unknown()), says(raftnode.ErrNotLeader)}, problem.UnknownOutcome, 0},
		{"broken after it was sent, with an id", other, "id", answers{broken, says(nil)}, "", 2},
		{"broken after it was sent, without one", other, "", answers{broken, says(nil)}, problem.UnknownOutcome, 1},
		{"broken before it was sent, without one", other, "", answers{says(refusesNoLeader), says(nil)}, "", 2},
		{"never reached", other, "id", answers{says(refusesNoLeader)}, problem.NoLeader, 0},
		{"broken after it was sent, then never reached", other, "id", answers{broken, says(refusesNoLeader)}, problem.UnknownOutcome, 0},
		{"broken after it was sent, then too large", other, "id", answers{broken, says(toStatus(raftnode.ErrTooLarge))}, problem.UnknownOutcome, 2},
		{"the leader does not know", other, "", answers{says(toStatus(unknown()))}, problem.UnknownOutcome, 1},
		{"sent and never answered", other, "id", answers{sentAndHangs}, problem.UnknownOutcome, 1},
		{"too large", other, "id", answers{says(toStatus(raftnode.ErrTooLarge))}, problem.InvalidArgument, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fakeGroup{leader: c.leader, answers: c.answers}
				_, err := gateOf(t, f).Propose(t.Context(), fixture.User, c.id, &storev1.Command{})
				if err = toStatus(err); client.Reason(err) != string(c.reason) || (err == nil) != (c.reason == "") {
					t.Errorf("told %v (%s), want %q", err, client.Reason(err), c.reason)
				}
				if c.asked != 0 && f.asked != c.asked {
					t.Errorf("asked %d times, want %d", f.asked, c.asked)
				}
			})
		})
	}
}

func TestAReadIsBoundedEvenIfTheLeaderHangs(t *testing.T) {
	for _, leader := range []string{"", self, other} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			err := gateOf(t, &fakeGroup{leader: leader, answers: answers{hangs}}).Fresh(t.Context())
			if !problem.Is(err, problem.NoLeader) || time.Since(began) > patience+time.Second {
				t.Errorf("leader %q: after %s: %v", leader, time.Since(began), err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := gateOf(t, &fakeGroup{leader: other, answers: answers{says(nil)}, lags: true}).Fresh(t.Context())
		if status.Code(err) != codes.Unavailable || time.Since(began) > patience+time.Second {
			t.Errorf("a member that lags, after %s: %v", time.Since(began), err)
		}
	})
}

func TestACallerWhoGivesUpIsNotToldOfALeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := gateOf(t, &fakeGroup{answers: answers{says(nil)}}).Propose(ctx, fixture.User, "id", &storev1.Command{})
		if !errors.Is(err, context.DeadlineExceeded) || status.Code(toStatus(err)) != codes.DeadlineExceeded {
			t.Errorf("after the caller's deadline: %v", err)
		}
	})
}

func TestPeersThatAreClosedDialNobody(t *testing.T) {
	p := NewPeers(nil)
	if _, err := p.Conn("127.0.0.1:1"); err != nil {
		t.Fatal(err)
	}
	p.Close()
	if _, err := p.Conn("127.0.0.1:1"); !errors.Is(err, raftnode.ErrStopping) {
		t.Errorf("after Close: %v", err)
	}
	p.Close()
}
