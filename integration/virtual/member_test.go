package virtual

import (
	"context"
	"path/filepath"
	"time"

	"roster/fsm"
	"roster/integration/virtual/judge"
	"roster/integration/virtual/wire"
	v1 "roster/proto/roster/v1"
	"roster/server"
	"roster/server/raftnode"
)

// member is a real member; its disk outlives it.
type member struct {
	w             *world
	name, dir     string
	id            string
	address, raft string
	wire          *wire.Host
	run           *server.Member // nil: it is dead
	stop          context.CancelFunc
	done          chan struct{}
}

const clusterName = "virtual"

// found makes the members and lets them join one another.
func (w *world) found(size int) {
	for i := range size {
		name := []string{"m1", "m2", "m3", "m4", "m5"}[i]
		m := &member{w: w, name: name, dir: filepath.Join(w.dir, name), wire: w.net.Host(name)}
		m.address, m.raft = m.wire.Address(7000), m.wire.Address(7001)
		w.members = append(w.members, m)
	}
	first := w.members[0]
	identity, err := raftnode.Init(first.dir, raftnode.InitOptions{
		ClusterName: clusterName, MemberName: first.name, RaftAddress: first.raft, Address: first.address,
		Profile: w.profile, RoundTripMS: w.roundTrip,
	})
	w.must(err)
	first.id = identity.ID
	first.start()
	w.dial()
	for _, m := range w.members[1:] {
		m.id = raftnode.NewMemberID()
		var joined *v1.JoinMemberResponse
		id := w.api.RequestID()
		w.must(w.insist(time.Minute, func(ctx context.Context) (err error) {
			joined, err = v1.NewClusterServiceClient(w.api).JoinMember(ctx, &v1.JoinMemberRequest{
				RequestId: id, Member: &v1.Member{Id: m.id, Name: m.name, RaftAddress: m.raft, Address: m.address, MaxSchema: fsm.Schema},
			})
			return err
		}))
		c := joined.GetCluster()
		w.must(raftnode.PrepareJoin(m.dir, raftnode.Identity{
			ID: m.id, Name: m.name, ClusterID: c.GetId(), ClusterName: c.GetName(), RaftAddress: m.raft, Address: m.address,
			Profile: c.GetProfile(), RoundTripMS: c.GetRoundTripMs(),
		}))
		m.start()
		w.until("a vote for "+m.name, time.Minute, func() bool {
			list, err := v1.NewClusterServiceClient(w.api).ListMembers(context.Background(), &v1.ListMembersRequest{})
			for _, l := range list.GetMembers() {
				if err == nil && l.GetId() == m.id && l.GetVoter() {
					return true
				}
			}
			return false
		})
	}
}

func (m *member) start() {
	if m.run != nil {
		return
	}
	cfg := server.Config{Dir: m.dir, Version: "virtual"}.Over(server.Network{Raft: m.w.raft, Listen: m.wire.Listen, Dial: m.wire.Dial})
	run, err := server.New(cfg)
	m.w.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	m.run, m.stop, m.done = run, cancel, done
	m.w.wait.Go(func() { m.w.record(ctx, run) })
	go func() {
		defer close(done)
		if err := run.Run(ctx); err != nil {
			m.w.t.Errorf("seed %d: member %s ended with: %v", m.w.seed, m.name, err)
		}
	}()
}

// kill ends a member without goodbye.
func (m *member) kill() {
	if m.run == nil {
		return
	}
	m.run.Abandon()
	m.end()
	m.w.raft.Drop(m.raft)
}

// end ends a member as an operator would.
func (m *member) end() {
	if m.run == nil {
		return
	}
	m.stop()
	<-m.done
	m.run = nil
}

// record writes down every set that a member learns of before the others do.
func (w *world) record(ctx context.Context, m *server.Member) {
	for {
		changed := m.Changed()
		w.learn(m.State())
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

func (w *world) learn(state *fsm.State) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if state.Index() <= w.learnt {
		return
	}
	w.learnt = state.Index()
	for _, n := range state.Nodes() {
		v := judge.Version{Epoch: state.Cluster().GetEpoch(), Generation: n.GetGeneration()}
		if w.versions[n.GetId()] == v {
			continue
		}
		w.versions[n.GetId()] = v
		wants := map[string]judge.Want{}
		for _, a := range n.GetAssignments() {
			wants[a.GetService()] = judge.Serving
			if a.GetWanted() == v1.Wanted_WANTED_DRAINING {
				wants[a.GetService()] = judge.Draining
			}
		}
		holds := state.Hold() != nil && state.Hold().GetSince().AsTime().Before(time.Now())
		w.noteLocked(judge.Fact{Kind: judge.Set, Node: n.GetId(), Version: v, Wants: wants, Holds: holds})
	}
}
