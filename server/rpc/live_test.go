package rpc

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/client"
	"roster/fsm"
	"roster/server/internal/fixture"
	"roster/server/raftnode"
)

// alone is a group of one member that leads, whose log is a fixture's.
type alone struct {
	log  *fixture.Log
	lost bool // it has no leader
}

func (a *alone) Leader() (string, bool) {
	if a.lost {
		return "", false
	}
	return self, true
}

func (a *alone) LeaderChanged() <-chan struct{} { return make(chan struct{}) }

func (a *alone) Propose(ctx context.Context, envelopes []*storev1.Envelope) (results []*storev1.Result, err error) {
	for _, e := range envelopes {
		result, err := a.log.Propose(ctx, e.GetCaller(), e.GetRequestId(), e.GetCommand())
		if err != nil {
			return nil, err
		}
		results = append(results, result)
	}
	return results, nil
}

func (a *alone) ReadIndex(context.Context) (index, term uint64, err error) {
	if a.lost {
		return 0, 0, raftnode.ErrNotLeader
	}
	return a.log.Machine.State().Index(), 1, nil
}

func (a *alone) WaitApplied(context.Context, uint64) error { return nil }

// votes are members with and without a vote, some of which do not answer.
type votes struct {
	voting []string
	mute   []string
}

func (v *votes) voters() map[string]bool {
	out := map[string]bool{}
	for _, id := range v.voting {
		out[id] = true
	}
	return out
}

func (v *votes) silent(_ context.Context, members map[string]bool) (silent []string) {
	for _, id := range v.mute {
		if members[id] {
			silent = append(silent, id)
		}
	}
	slices.Sort(silent)
	return silent
}

// live is a member's API on loopback, and a caller of it.
type live struct {
	*client.Client
	t       *testing.T
	log     *fixture.Log
	group   *alone
	members *votes
}

// serve serves a fixture's state over a real gRPC server.
func serve(t *testing.T) *live {
	t.Helper()
	log := fixture.New(t)
	l := &live{t: t, log: log, group: &alone{log: log}, members: &votes{voting: []string{self}}}
	gate := &Gate{self: self, raft: l.group, machine: log.Machine}
	server := NewServer(ServerConfig{ClusterName: fixture.ClusterName, Machine: log.Machine})
	v1.RegisterNodeServiceServer(server, &Nodes{Gate: gate, Machine: log.Machine, Members: l.members})
	v1.RegisterPlanServiceServer(server, &Plans{Gate: gate, Machine: log.Machine})
	v1.RegisterGuardServiceServer(server, &Guard{Gate: gate, Machine: log.Machine})
	v1.RegisterClusterServiceServer(server, &Cluster{Gate: gate, Machine: log.Machine, Self: self})
	v1.RegisterTopologyServiceServer(server, &Topology{Gate: gate, Machine: log.Machine})
	v1.RegisterRolloutServiceServer(server, &Rollouts{Gate: gate, Machine: log.Machine})
	v1.RegisterWhatIfServiceServer(server, &WhatIf{Gate: gate, Machine: log.Machine, Members: l.members, Desk: NewDesk()})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	if l.Client, err = client.New(client.Config{Members: []string{listener.Addr().String()}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = l.Close()
		server.Stop()
		if err := <-done; err != nil {
			t.Errorf("serving ended with %v", err)
		}
	})
	return l
}

func (l *live) nodes() v1.NodeServiceClient      { return v1.NewNodeServiceClient(l) }
func (l *live) plans() v1.PlanServiceClient      { return v1.NewPlanServiceClient(l) }
func (l *live) guard() v1.GuardServiceClient     { return v1.NewGuardServiceClient(l) }
func (l *live) cluster() v1.ClusterServiceClient { return v1.NewClusterServiceClient(l) }
func (l *live) topologies() v1.TopologyServiceClient {
	return v1.NewTopologyServiceClient(l)
}
func (l *live) rollouts() v1.RolloutServiceClient { return v1.NewRolloutServiceClient(l) }
func (l *live) whatIf() v1.WhatIfServiceClient    { return v1.NewWhatIfServiceClient(l) }
func (l *live) node(id string) *v1.Node           { return l.log.Machine.State().Node(id) }
func (l *live) put(members ...*v1.Member)         { putMembers(l.log, members...) }
func (l *live) must(err error)                    { l.t.Helper(); mustDo(l.t, err) }
func (l *live) refuse(err error, w want)          { l.t.Helper(); checkRefusal(l.t, err, w) }
func (l *live) stays(do func())                   { l.t.Helper(); staysAsItIs(l.t, l.log, do) }
func (l *live) serves(services, pool string, ids ...string) {
	l.t.Helper()
	for _, id := range ids {
		l.log.Move(id, v1.Action_ACTION_START, pool, "test", strings.Fields(services)...)
		l.log.Obey(id)
	}
}

// settle says that the order is carried out.
func (l *live) settle() {
	l.t.Helper()
	state := l.log.Machine.State()
	l.log.Must(&storev1.Command{Command: &storev1.Command_SettleRollout{SettleRollout: &storev1.SettleRollout{
		Revision: state.Topology().GetRevision(), Order: state.RolloutOrder().GetOrder(),
	}}})
}

// plan is what is still to be done.
func (l *live) plan() *v1.Plan {
	l.t.Helper()
	answer, err := l.topologies().PlanTopology(l.t.Context(), &v1.PlanTopologyRequest{})
	l.must(err)
	return answer.GetPlan()
}

func putMembers(log *fixture.Log, members ...*v1.Member) {
	for _, m := range members {
		m.MaxSchema = fsm.Schema
		log.Must(&storev1.Command{Command: &storev1.Command_PutMember{PutMember: &storev1.PutMember{Member: m}}})
	}
}

func mustDo(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want is how a call is refused: with a code, a reason word, and a sentence that
// has the mend in it.
type want struct {
	code   codes.Code
	reason string
	says   string
}

func checkRefusal(t *testing.T, err error, w want) {
	t.Helper()
	if status.Code(err) != w.code || client.Reason(err) != w.reason || !strings.Contains(client.Sentence(err), w.says) {
		t.Errorf("refused with %v %s: %s\nwant %v %s: …%s…", status.Code(err), client.Reason(err), client.Sentence(err), w.code, w.reason, w.says)
	}
}

// staysAsItIs holds for what changes nothing but the account of requests.
func staysAsItIs(t *testing.T, log *fixture.Log, do func()) {
	t.Helper()
	before := log.Machine.State()
	do()
	after := log.Machine.State()
	same := slices.EqualFunc(before.Nodes(), after.Nodes(), func(a, b *v1.Node) bool { return proto.Equal(a, b) }) &&
		slices.EqualFunc(before.Freezes(), after.Freezes(), func(a, b *v1.Freeze) bool { return proto.Equal(a, b) }) &&
		slices.EqualFunc(before.Approvals(), after.Approvals(), func(a, b *v1.Approval) bool { return proto.Equal(a, b) }) &&
		proto.Equal(before.Hold(), after.Hold()) && proto.Equal(before.HoldOverride(), after.HoldOverride())
	if !same {
		t.Error("something was changed")
	}
}
