package server

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"roster/client"
	"roster/fsm"
	"roster/integration/loopback"
	v1 "roster/proto/roster/v1"
	"roster/server/raftnode"
	"roster/server/rebalance"
)

func TestAWriteNamesTheGenerationThatItExpects(t *testing.T) {
	g := startGroup(t, 1, nil)
	c := g.client("", g.addresses()...)
	if _, err := g.applyTo(c, oneImap); err != nil {
		t.Fatal(err)
	}
	stream, err := g.session("", g.members[0], "node-1")
	if err != nil {
		t.Fatal(err)
	}
	g.heartbeats(stream)
	nodes := v1.NewNodeServiceClient(c)
	cordon := func(id string, expected *uint64) (*v1.CordonNodeResponse, error) {
		return nodes.CordonNode(g.within(), &v1.CordonNodeRequest{RequestId: c.RequestID(), Id: id, ExpectedGeneration: expected, Cordoned: true})
	}
	if _, err := cordon("node-9", nil); status.Code(err) != codes.NotFound {
		t.Errorf("an unknown node: %v", err)
	}
	wrong := uint64(99)
	if _, err := cordon("node-1", &wrong); status.Code(err) != codes.Aborted || client.Reason(err) != "STALE_GENERATION" {
		t.Errorf("another generation: %v", err)
	}
	var generation uint64
	g.until("its set", func() bool {
		got, err := nodes.GetNode(g.within(), &v1.GetNodeRequest{Id: "node-1"})
		generation = got.GetNode().GetGeneration()
		return err == nil && len(got.GetNode().GetAssignments()) > 0
	})
	if _, err := cordon("node-1", &generation); err != nil {
		t.Errorf("the right generation: %v", err)
	}
	// Many in one call: each stands alone.
	rack := func(id string) *v1.UpdateNodeRequest {
		return &v1.UpdateNodeRequest{RequestId: c.RequestID(), Id: id, SetLabels: map[string]string{"rack": "1"}}
	}
	many, err := nodes.UpdateNodes(g.within(), &v1.UpdateNodesRequest{Updates: []*v1.UpdateNodeRequest{rack("node-1"), rack("node-9")}})
	if err != nil || len(many.GetResults()) != 2 || many.GetResults()[0].GetCode() != 0 || codes.Code(many.GetResults()[1].GetCode()) != codes.NotFound {
		t.Errorf("many: %v, %v", many, err)
	}
	if _, err := nodes.UpdateNodes(g.within(), &v1.UpdateNodesRequest{Updates: []*v1.UpdateNodeRequest{{Id: "node-1"}}}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("without a request id: %v", err)
	}
}

// A follower's agents are known to the leader by its relay alone; the follower
// dies, and then the leader; a watch on the last one misses nothing.
func TestNodesAndWatchesOutliveTheMembersThatTheyAreConnectedTo(t *testing.T) {
	t.Parallel() // it waits most of the time
	g := startGroup(t, 3, nil)
	c := g.client("", g.addresses()...)
	state := func(id string) v1.NodeState {
		got, err := v1.NewNodeServiceClient(c).GetNode(g.within(), &v1.GetNodeRequest{Id: id})
		if err != nil {
			return v1.NodeState_NODE_STATE_UNSPECIFIED
		}
		return got.GetNode().GetState()
	}
	follower := g.follower()
	leader := g.leader()
	var third *running
	for _, r := range g.members {
		if r != follower && r != leader {
			third = r
		}
	}
	stream, err := g.session("", follower, "node-1")
	if err != nil {
		t.Fatal(err)
	}
	g.heartbeats(stream)
	watch, err := v1.NewNodeServiceClient(g.client("", third.address)).WatchNodes(g.within(), &v1.WatchNodesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	seen := make(chan v1.NodeState, 1000)
	go func() {
		for {
			m, err := watch.Recv()
			if err != nil {
				close(seen)
				return
			}
			for _, n := range m.GetNodes() {
				seen <- n.GetState()
			}
		}
	}()
	wait := func(want v1.NodeState) {
		t.Helper()
		for {
			select {
			case got, ok := <-seen:
				if !ok {
					t.Fatal("the watch broke")
				}
				if got == want {
					return
				}
			case <-time.After(30 * time.Second):
				t.Fatalf("the watch never saw %v", want)
			}
		}
	}
	wait(v1.NodeState_NODE_STATE_UP)

	g.kill(follower)
	wait(v1.NodeState_NODE_STATE_SUSPECT)
	again, err := g.session("", third, "node-1")
	if err != nil {
		t.Fatal(err)
	}
	g.heartbeats(again)
	wait(v1.NodeState_NODE_STATE_UP)

	g.start(follower)
	g.leader()
	g.kill(leader)
	g.leader()
	_, err = v1.NewNodeServiceClient(c).UpdateNode(g.within(), &v1.UpdateNodeRequest{
		RequestId: c.RequestID(), Id: "node-1", SetLabels: map[string]string{"after": "the leader"},
	})
	if err != nil {
		t.Fatal(err)
	}
	wait(v1.NodeState_NODE_STATE_UP)
	if got := state("node-1"); got != v1.NodeState_NODE_STATE_UP {
		t.Errorf("its member lives, a new leader rules, and the node is %v", got)
	}
}

func TestMembersJoinAndLeaveOnceAndNeverCostTheQuorum(t *testing.T) {
	t.Parallel() // it waits most of the time
	g := startGroup(t, 3, nil)
	api := g.client("", g.addresses()...)
	cluster := v1.NewClusterServiceClient(api)
	join := func(m *v1.Member) (*v1.JoinMemberResponse, error) {
		return cluster.JoinMember(g.within(), &v1.JoinMemberRequest{RequestId: api.RequestID(), Member: m})
	}
	list := func() map[string]*v1.Member {
		answer, err := cluster.ListMembers(g.within(), &v1.ListMembersRequest{})
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]*v1.Member{}
		for _, m := range answer.GetMembers() {
			out[m.GetId()] = m
		}
		return out
	}
	second := list()[g.members[1].member.ID()]
	again := &v1.Member{Id: second.GetId(), Name: second.GetName(), RaftAddress: second.GetRaftAddress(), Address: second.GetAddress(), MaxSchema: fsm.Schema}
	if _, err := join(again); err != nil || len(list()) != 3 || !list()[second.GetId()].GetVoter() {
		t.Errorf("a member joins again: %v, %v", list(), err)
	}
	ghost := &v1.Member{Id: raftnode.NewMemberID(), Name: "ghost", RaftAddress: second.GetRaftAddress(), Address: loopback.FreeAddress(t), MaxSchema: fsm.Schema}
	if _, err := join(ghost); status.Code(err) != codes.AlreadyExists {
		t.Errorf("joins at another's address: %v", err)
	}
	for _, bad := range []string{"", "nowhere", ":7000", "0.0.0.0:7000", "127.0.0.1:0"} {
		ghost.RaftAddress = bad
		if _, err := join(ghost); status.Code(err) != codes.InvalidArgument {
			t.Errorf("joins at %q: %v", bad, err)
		}
	}
	if len(list()) != 3 {
		t.Errorf("a refused member has a record: %v", list())
	}

	// A request that is refused for its id alone takes no vote away.
	used := api.RequestID()
	if _, err := cluster.JoinMember(g.within(), &v1.JoinMemberRequest{RequestId: used, Member: again}); err != nil {
		t.Fatal(err)
	}
	for id, reason := range map[string]string{"never": "REQUEST_ID_INVALID", used: "REQUEST_ID_REUSED", "ffffffff-ffff-7fff-bfff-ffffffffffff": "REQUEST_ID_AHEAD"} {
		_, err := cluster.RemoveMember(g.within(), &v1.RemoveMemberRequest{RequestId: id, Id: second.GetId()})
		if client.Reason(err) != reason || !list()[second.GetId()].GetVoter() {
			t.Errorf("remove under the id %s: %v, %v", id, err, list())
		}
	}

	// One that never starts: it gets no vote, and costs none.
	ghost.RaftAddress = loopback.FreeAddress(t)
	if _, err := join(ghost); err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.TransferLeadership(g.within(), &v1.TransferLeadershipRequest{Id: ghost.GetId()}); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("the lead is handed to a member without a vote: %v", err)
	}
	request := &v1.RemoveMemberRequest{RequestId: api.RequestID(), Id: ghost.GetId()}
	for range 2 { // the second time as after a broken connection
		if _, err := cluster.RemoveMember(g.within(), request); err != nil {
			t.Errorf("remove a member that never started: %v", err)
		}
	}
	if _, err := cluster.RemoveMember(g.within(), &v1.RemoveMemberRequest{RequestId: api.RequestID(), Id: ghost.GetId()}); status.Code(err) != codes.NotFound {
		t.Errorf("remove it once more: %v", err)
	}

	dead, leader := g.follower(), g.leader()
	var alive *running
	for _, r := range g.members {
		if r != dead && r != leader {
			alive = r
		}
	}
	g.kill(dead)
	_, err := cluster.RemoveMember(g.within(), &v1.RemoveMemberRequest{RequestId: api.RequestID(), Id: alive.member.ID()})
	if status.Code(err) != codes.FailedPrecondition || client.Reason(err) != "NO_QUORUM" {
		t.Fatalf("remove one of the two that live: %v", err)
	}
	g.start(dead)
	to := alive.member.ID()
	g.until("the lead is handed over", func() bool {
		answer, err := cluster.TransferLeadership(g.within(), &v1.TransferLeadershipRequest{Id: to})
		return err == nil && answer.GetLeader() == to
	})
	g.leader()

	// The leader itself leaves; the two others go on.
	if _, err := cluster.RemoveMember(g.within(), &v1.RemoveMemberRequest{RequestId: api.RequestID(), Id: to}); err != nil {
		t.Errorf("remove the leader: %v", err)
	}
	if err := <-alive.done; !errors.Is(err, raftnode.ErrRemoved) {
		t.Errorf("the member that was removed ended with %v", err)
	}
	alive.member = nil
	if _, err := g.applyTo(g.client("", leader.address, dead.address), oneImap); err != nil {
		t.Errorf("a write of those that are left: %v", err)
	}
}

func TestTheSameMemberTwiceIsADataFolderInUse(t *testing.T) {
	g := startGroup(t, 1, nil)
	if m, err := New(Config{Dir: g.members[0].dir}); !errors.Is(err, raftnode.ErrInUse) {
		t.Errorf("%v, %v", m, err)
	}
}

func TestAMemberThatIsCutOffOrFailsToStartLeavesNothingBehind(t *testing.T) {
	g := startGroup(t, 1, nil)
	r := g.members[0]
	g.leader()
	g.kill(r) // Run ends without an error, and gives folder and ports back
	taken := loopback.FreeAddress(t)
	other := startGroup(t, 1, nil).members[0]
	for _, c := range []Config{
		{Dir: r.dir, Listen: other.address}, {Dir: r.dir, RaftListen: other.raft}, {Dir: r.dir, Listen: "192.0.2.1:1"},
		{Dir: r.dir, Listen: taken, Timings: rebalance.Timings{DownAfter: time.Second}},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	m, err := New(Config{Dir: r.dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Run(ctx); err != nil {
		t.Errorf("a Run that is over before it begins: %v", err)
	}
	g.start(r)
	g.leader()
	if _, err := g.applyTo(g.client("", r.address), fmt.Sprintf("name: %s\npools:\n  - {name: imap, services: [imap], count: 1}\n", "after")); err != nil {
		t.Error(err)
	}
}
