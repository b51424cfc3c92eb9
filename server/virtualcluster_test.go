package server

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"roster/fsm"
	v1 "roster/proto/roster/v1"
	"roster/server/raftnode"
)

// virtual is a whole cluster in virtual time: real members with real Raft and
// real sessions, real agents; only wires, clocks and daemons are pretended.
type virtual struct {
	t       *testing.T
	wires   *wires
	members []*virtualMember
	hosts   []*host

	mu    sync.Mutex
	told  []string // the story
	wrong []string // what must not be
	ended int      // instances that were ended by command
	// floors of the last two heartbeats, newest last.
	floors []map[string]int
	began  time.Time
}

type virtualMember struct {
	name, dir, address, raft string
	id                       string
	run                      *Member // nil: dead
	stop                     context.CancelFunc
	done                     chan error
	conn                     *grpc.ClientConn
}

const virtualBeat = 2 * time.Second

// newVirtual starts three members and so many hosts in three regions.
func newVirtual(t *testing.T, dir string, hosts int) *virtual {
	v := &virtual{t: t, wires: newWires(), began: time.Now()}
	var addresses []string
	for i := range 3 {
		m := &virtualMember{
			name: fmt.Sprintf("m%d", i+1), address: fmt.Sprintf("127.0.0.1:%d", 7001+i), raft: fmt.Sprintf("127.0.0.1:%d", 8001+i),
		}
		m.dir = filepath.Join(dir, m.name)
		conn, err := grpc.NewClient("passthrough:///"+m.address, grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(v.wires.dialler("operator")))
		if err != nil {
			t.Fatal(err)
		}
		m.conn = conn
		v.members, addresses = append(v.members, m), append(addresses, m.address)
	}
	first := v.members[0]
	identity, err := raftnode.Init(first.dir, raftnode.InitOptions{
		ClusterName: testCluster, MemberName: first.name, RaftAddress: first.raft, Address: first.address,
		Profile: v1.TimingProfile_TIMING_PROFILE_RELAXED,
	})
	if err != nil {
		t.Fatal(err)
	}
	first.id = identity.ID
	v.start(first)
	for _, m := range v.members[1:] {
		v.join(m)
	}
	for i := range hosts {
		h := newHost(t, v.wires, dir, fmt.Sprintf("node-%d", i+1), string(rune('a'+i%3)), addresses)
		h.before = v.judge
		v.hosts = append(v.hosts, h)
		h.start()
	}
	v.until("every node has registered", time.Minute, func() bool { return len(v.newest().Nodes()) == hosts })
	return v
}

func (v *virtual) join(m *virtualMember) {
	v.t.Helper()
	m.id = raftnode.NewMemberID()
	record := &v1.Member{Id: m.id, Name: m.name, RaftAddress: m.raft, Address: m.address, MaxSchema: fsm.Schema}
	api := v1.NewClusterServiceClient(v.members[0].conn)
	var answer *v1.JoinMemberResponse
	v.until(m.name+" is let in", time.Minute, func() bool {
		ctx, cancel := context.WithTimeout(v.t.Context(), 5*time.Second)
		defer cancel()
		got, err := api.JoinMember(ctx, &v1.JoinMemberRequest{RequestId: newRequestID(v.t), Member: record})
		answer = got
		return err == nil
	})
	c := answer.GetCluster()
	if err := raftnode.PrepareJoin(m.dir, raftnode.Identity{
		ID: m.id, Name: m.name, ClusterID: c.GetId(), ClusterName: c.GetName(), RaftAddress: m.raft, Address: m.address, Profile: c.GetProfile(),
	}); err != nil {
		v.t.Fatal(err)
	}
	v.start(m)
	v.until(m.name+" has a vote", time.Minute, func() bool {
		for _, id := range v.members[0].run.raft.Voters() {
			if id == m.id {
				return true
			}
		}
		return false
	})
}

func (v *virtual) start(m *virtualMember) {
	v.t.Helper()
	if m.run != nil {
		return
	}
	cfg := Config{Dir: m.dir, Heartbeat: virtualBeat, Version: "test", memory: v.wires.memory(m.name)}
	if path := os.Getenv("ROSTER_SCHEDULE_LOG"); path != "" {
		file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			v.t.Fatal(err)
		}
		cfg.Logger = slog.New(slog.NewTextHandler(file, &slog.HandlerOptions{Level: slog.LevelDebug})) // left open: it is for looking at one schedule
	}
	run, err := New(cfg)
	if err != nil {
		v.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	v.mu.Lock()
	m.run, m.stop, m.done = run, cancel, done
	v.mu.Unlock()
	go func() { done <- run.Run(ctx) }()
}

// kill ends a member as the end of its process would.
func (v *virtual) kill(m *virtualMember) {
	if m.run == nil {
		return
	}
	v.wires.fall(m.name)
	m.run.Abandon()
	m.stop()
	if err := <-m.done; err != nil {
		v.t.Errorf("member %s ended with: %v", m.name, err)
	}
	v.wires.raft.Drop(m.raft)
	v.mu.Lock()
	m.run = nil
	v.mu.Unlock()
}

// end stops everything.
func (v *virtual) end() {
	for _, h := range v.hosts {
		h.end()
	}
	for _, m := range v.members {
		v.kill(m)
		_ = m.conn.Close() // nothing is on it
	}
}

// newest is the state of whichever member has applied most.
func (v *virtual) newest() *fsm.State {
	v.mu.Lock()
	defer v.mu.Unlock()
	state := fsm.New().State()
	for _, m := range v.members {
		if m.run != nil && m.run.machine.State().Index() > state.Index() {
			state = m.run.machine.State()
		}
	}
	return state
}

// leader is the member that two agree on; nil: none.
func (v *virtual) leader() *virtualMember {
	votes := map[string]int{}
	for _, m := range v.members {
		if m.run == nil {
			continue
		}
		if id, ok := m.run.Leader(); ok {
			if votes[id]++; votes[id] == 2 {
				for _, l := range v.members {
					if l.id == id && l.run != nil {
						return l
					}
				}
			}
		}
	}
	return nil
}

// until waits for what has to come.
func (v *virtual) until(what string, within time.Duration, holds func() bool) {
	v.t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(100 * time.Millisecond) {
		synctest.Wait()
		if holds() {
			return
		}
		if time.Now().After(end) {
			v.t.Fatalf("not within %s: %s\n%s", within, what, v.story())
		}
	}
}

func (v *virtual) tell(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.told = append(v.told, fmt.Sprintf("%7.1f s  ", time.Since(v.began).Seconds())+fmt.Sprintf(format, args...))
}
