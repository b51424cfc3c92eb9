package server

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roster/client"
	"roster/client/identity"
	"roster/fsm"
	"roster/integration/leak"
	"roster/integration/loopback"
	v1 "roster/proto/roster/v1"
	"roster/server/raftnode"
)

func TestMain(m *testing.M) { leak.Main(m) }

// group is a control plane of real members: real ports, disks and elections.
type group struct {
	t       *testing.T
	members []*running
	// files are the members' certificates; nil: plain.
	files func(name string) identity.Files
}

type running struct {
	name, dir, address, raft string
	member                   *Member
	stop                     context.CancelFunc
	done                     chan error
}

const testCluster = "test"

// startGroup starts n members, all with a vote.
func startGroup(t *testing.T, n int, files func(string) identity.Files) *group {
	t.Helper()
	dir := t.TempDir() // first, so that it is removed after the members ended
	g := &group{t: t, files: files}
	t.Cleanup(g.stop)
	for i := range n {
		name := fmt.Sprintf("m%d", i+1)
		r := &running{name: name, dir: filepath.Join(dir, name), address: loopback.FreeAddress(t), raft: loopback.FreeAddress(t)}
		g.members = append(g.members, r)
		if i == 0 {
			if _, err := raftnode.Init(r.dir, raftnode.InitOptions{
				ClusterName: testCluster, MemberName: name, RaftAddress: r.raft, Address: r.address,
				Profile: v1.TimingProfile_TIMING_PROFILE_RELAXED,
			}); err != nil {
				t.Fatal(err)
			}
			g.start(r)
			continue
		}
		g.join(r)
	}
	return g
}

func (g *group) join(r *running) {
	g.t.Helper()
	api := g.client("m1", g.members[0].address)
	id := raftnode.NewMemberID()
	answer, err := v1.NewClusterServiceClient(api).JoinMember(g.within(), &v1.JoinMemberRequest{
		RequestId: api.RequestID(), Member: &v1.Member{Id: id, Name: r.name, RaftAddress: r.raft, Address: r.address, MaxSchema: fsm.Schema},
	})
	if err != nil {
		g.t.Fatal(err)
	}
	c := answer.GetCluster()
	if err := raftnode.PrepareJoin(r.dir, raftnode.Identity{
		ID: id, Name: r.name, ClusterID: c.GetId(), ClusterName: c.GetName(), RaftAddress: r.raft, Address: r.address, Profile: c.GetProfile(),
	}); err != nil {
		g.t.Fatal(err)
	}
	g.start(r)
	g.until("a vote for "+r.name, func() bool {
		list, err := v1.NewClusterServiceClient(api).ListMembers(g.within(), &v1.ListMembersRequest{})
		if err != nil {
			return false
		}
		for _, m := range list.GetMembers() {
			if m.GetId() == id && m.GetVoter() {
				return true
			}
		}
		return false
	})
}

func (g *group) start(r *running) {
	g.t.Helper()
	cfg := Config{Dir: r.dir, HTTPListen: "127.0.0.1:0", Heartbeat: 200 * time.Millisecond, Version: "test"}
	if g.files != nil {
		cfg.TLS = g.files(r.name)
	}
	m, err := New(cfg)
	if err != nil {
		g.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.member, r.stop, r.done = m, cancel, make(chan error, 1)
	go func() { r.done <- m.Run(ctx) }()
}

// end stops a member as an operator would.
func (g *group) end(r *running) {
	if r.member == nil {
		return
	}
	r.stop()
	if err := <-r.done; err != nil {
		g.t.Errorf("member %s ended with: %v", r.name, err)
	}
	r.member = nil
}

// kill ends a member without goodbye.
func (g *group) kill(r *running) {
	r.member.Abandon()
	g.end(r)
}

func (g *group) stop() {
	for _, r := range g.members {
		g.end(r)
	}
}

// leader waits until all running members agree on who leads.
func (g *group) leader() *running {
	g.t.Helper()
	var leader *running
	g.until("a leader that all know", func() bool {
		leader = nil
		for _, r := range g.members {
			if r.member == nil {
				continue
			}
			id, ok := r.member.Leader()
			if !ok || leader != nil && leader.member.ID() != id {
				return false
			}
			for _, c := range g.members {
				if c.member != nil && c.member.ID() == id {
					leader = c
				}
			}
			if leader == nil {
				return false
			}
		}
		return leader != nil
	})
	return leader
}

func (g *group) follower() *running {
	leader := g.leader()
	for _, r := range g.members {
		if r != leader && r.member != nil {
			return r
		}
	}
	g.t.Fatal("no follower runs")
	return nil
}

// client speaks to some members, as a user, or with the certificate of name.
func (g *group) client(name string, addresses ...string) *client.Client {
	g.t.Helper()
	cfg := client.Config{Members: addresses}
	if g.files != nil {
		tls, err := identity.ClientTLS(g.files(name), testCluster)
		if err != nil {
			g.t.Fatal(err)
		}
		cfg.TLS = tls
	}
	c, err := client.New(cfg)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = c.Close() })
	return c
}

// certificates makes those of a cluster, by name: m… members, node-… agents,
// others users.
func certificatesOf(t *testing.T, cluster string) func(name string) identity.Files {
	t.Helper()
	authority, err := identity.NewAuthority(cluster, 0)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, authority.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	made := map[string]identity.Files{}
	return func(name string) identity.Files {
		if made[name].IsZero() {
			role := identity.User
			switch {
			case strings.HasPrefix(name, "node-"):
				role = identity.Agent
			case strings.HasPrefix(name, "m"):
				role = identity.Member
			}
			issued, err := authority.Issue(role, name, identity.Issue{})
			if err != nil {
				t.Fatal(err)
			}
			f := identity.Files{CA: ca, Cert: filepath.Join(dir, name+".pem"), Key: filepath.Join(dir, name+"-key.pem")}
			if err := issued.Save(f.Cert, f.Key); err != nil {
				t.Fatal(err)
			}
			made[name] = f
		}
		return made[name]
	}
}

// session opens an agent's session at a member and reads its first answer.
func (g *group) session(as string, r *running, node string) (v1.AgentService_SessionClient, error) {
	g.t.Helper()
	ctx, cancel := context.WithCancel(g.within())
	g.t.Cleanup(cancel)
	stream, err := v1.NewAgentServiceClient(g.client(as, r.address)).Session(ctx)
	if err != nil {
		return nil, err
	}
	_ = stream.Send(&v1.SessionRequest{Message: &v1.SessionRequest_Hello{Hello: &v1.Hello{
		Node: node, Instance: "i-" + node, Claims: &v1.NodeClaims{Region: "a", Zone: "a1", Services: []*v1.ServiceClaim{{Name: "imap"}}},
	}}}) // a failed Send says io.EOF; Recv has the reason
	first, err := stream.Recv()
	if err == nil && first.GetWelcome() == nil {
		g.t.Errorf("a session began with %v", first)
	}
	return stream, err
}

// heartbeats keeps a session alive until the test ends or the stream breaks.
func (g *group) heartbeats(stream v1.AgentService_SessionClient) {
	go func() {
		for {
			if _, err := stream.Recv(); err != nil {
				return
			}
		}
	}()
	go func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			if stream.Send(&v1.SessionRequest{Message: &v1.SessionRequest_Heartbeat{Heartbeat: &v1.Heartbeat{}}}) != nil {
				return
			}
			select {
			case <-stream.Context().Done():
				return
			case <-tick.C:
			}
		}
	}()
}

func (g *group) addresses() (all []string) {
	for _, r := range g.members {
		all = append(all, r.address)
	}
	return all
}

func (g *group) within() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	g.t.Cleanup(cancel)
	return ctx
}

func (g *group) until(what string, ok func() bool) {
	g.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(60 * time.Second)
	for !ok() {
		select {
		case <-deadline:
			g.t.Fatalf("waited a minute in vain for %s", what)
		case <-tick.C:
		}
	}
}
