package raftnode

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"roster/fsm"
	"roster/integration/leak"
	"roster/integration/loopback"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

func TestMain(m *testing.M) { leak.Main(m) }

// patience is how long a test waits for something that must come.
const patience = 30 * time.Second

// endsWithin is how long one waits for a member that must stop.
const endsWithin = 15 * time.Second

// testMember is one member of a test's cluster, which can be stopped and
// started again on the same directory and port.
type testMember struct {
	t        testing.TB
	dir      string
	identity Identity
	machine  *fsm.Machine
	node     *Node
	stop     context.CancelFunc
	ended    chan error
	adjust   func(*Config)
}

// testCluster is a group of members on loopback and real disks.
type testCluster struct {
	t       testing.TB
	members []*testMember
	adjust  func(*Config)
}

func initOptions(t testing.TB) InitOptions {
	return InitOptions{
		ClusterName: "test", MemberName: "m1", RaftAddress: loopback.FreeAddress(t), Address: loopback.FreeAddress(t),
		Profile: v1.TimingProfile_TIMING_PROFILE_LAN,
	}
}

// newCluster starts one member; adjust may change the configuration of each.
func newCluster(t testing.TB, adjust func(*Config)) *testCluster {
	t.Helper()
	c := &testCluster{t: t, adjust: adjust}
	dir := filepath.Join(t.TempDir(), "m1")
	identity, err := Init(dir, initOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	c.members = append(c.members, &testMember{t: t, dir: dir, identity: identity, adjust: adjust})
	t.Cleanup(c.stopAll)
	c.members[0].start()
	return c
}

// newClusterOf starts a group of that many voters.
func newClusterOf(t testing.TB, size int, adjust func(*Config)) *testCluster {
	t.Helper()
	c := newCluster(t, adjust)
	for len(c.members) < size {
		c.join()
	}
	return c
}

// prepare makes another member's directory.
func (c *testCluster) prepare() *testMember {
	c.t.Helper()
	first := c.members[0].identity
	name := fmt.Sprintf("m%d", len(c.members)+1)
	m := &testMember{t: c.t, adjust: c.adjust, dir: filepath.Join(c.t.TempDir(), name), identity: Identity{
		ID: NewMemberID(), Name: name, ClusterID: first.ClusterID, ClusterName: first.ClusterName,
		RaftAddress: loopback.FreeAddress(c.t), Address: loopback.FreeAddress(c.t), Profile: first.Profile, RoundTripMS: first.RoundTripMS,
	}}
	if err := PrepareJoin(m.dir, m.identity); err != nil {
		c.t.Fatal(err)
	}
	c.members = append(c.members, m)
	return m
}

// join adds a member, waits until it caught up, and gives it a vote.
func (c *testCluster) join() *testMember {
	c.t.Helper()
	m := c.prepare()
	m.start()
	c.onLeader(func(ctx context.Context, l *testMember) error {
		return l.node.AddNonvoter(ctx, m.identity.ID, m.identity.RaftAddress)
	})
	c.catchUp(m)
	c.onLeader(func(ctx context.Context, l *testMember) error { return l.node.Promote(ctx, m.identity.ID) })
	return m
}

// start opens and runs a member.
func (m *testMember) start() {
	m.t.Helper()
	if err := m.tryStart(); err != nil {
		m.t.Fatal(err)
	}
}

func (m *testMember) tryStart() error {
	m.machine = fsm.New()
	cfg := Config{Dir: m.dir, Identity: m.identity, Machine: m.machine, Logger: testLogger(m.t, m.identity.Name)}
	if m.adjust != nil {
		m.adjust(&cfg)
	}
	node, err := Open(cfg)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	m.node, m.stop, m.ended = node, stop, make(chan error, 1)
	go func() { m.ended <- node.Run(ctx) }()
	return nil
}

// halt stops a member as an operator would.
func (m *testMember) halt() error {
	if m.node == nil {
		return nil
	}
	m.stop()
	return m.end()
}

// end waits until a member's Run has ended and gives its error.
func (m *testMember) end() error {
	m.t.Helper()
	m.node = nil
	select {
	case err := <-m.ended:
		return err
	case <-time.After(endsWithin):
		m.t.Fatalf("member %s still runs after %s", m.identity.Name, endsWithin)
		return nil
	}
}

// kill ends a member without goodbye: no hand-over of leadership, no wait for
// what is on its way.
func (m *testMember) kill() {
	m.t.Helper()
	m.node.stop(errKilled)
	if err := m.end(); !errors.Is(err, errKilled) {
		m.t.Errorf("killed member %s: %v", m.identity.Name, err)
	}
	m.stop()
}

var errKilled = errors.New("killed by the test")

func (c *testCluster) stopAll() {
	for _, m := range c.members {
		if err := m.halt(); err != nil {
			c.t.Errorf("member %s: %v", m.identity.Name, err)
		}
	}
}

func (c *testCluster) live() []*testMember {
	var live []*testMember
	for _, m := range c.members {
		if m.node != nil {
			live = append(live, m)
		}
	}
	return live
}

// leader waits until a member leads and is ready.
func (c *testCluster) leader() *testMember {
	c.t.Helper()
	var leader *testMember
	eventually(c.t, "a member leads", func() bool {
		for _, m := range c.live() {
			if reign, _ := m.node.throne.now(); reign != nil {
				select {
				case <-reign.ready:
					leader = m
					return true
				default:
				}
			}
		}
		return false
	})
	return leader
}

// onLeader does something at the leader, and again where leadership went.
func (c *testCluster) onLeader(do func(context.Context, *testMember) error) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		err := do(ctx, c.leader())
		if err == nil {
			return
		}
		if !errors.Is(err, ErrNotLeader) && !errors.Is(err, ErrUnknownOutcome) && !errors.Is(err, ErrNotHandedOver) || ctx.Err() != nil {
			c.t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
}

// catchUp waits until a member has applied what the leader has committed.
func (c *testCluster) catchUp(m *testMember) {
	c.t.Helper()
	commit := c.leader().node.CommitIndex()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := m.node.WaitApplied(ctx, commit); err != nil {
		c.t.Fatal(err)
	}
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
		time.Sleep(time.Millisecond)
	}
}

// put is a write that a test can read back: it sets the version in a member's
// record. The state machine needs no more to be a register.
func put(key, value string) *storev1.Envelope {
	return &storev1.Envelope{Caller: "test", Command: &storev1.Command{Command: &storev1.Command_PutMember{PutMember: &storev1.PutMember{
		Member: &v1.Member{
			Id: key, Name: key, RaftAddress: key + ".invalid:1", Address: key + ".invalid:2", MaxSchema: fsm.Schema, Version: value,
		},
	}}}}
}

// get reads it.
func get(m *fsm.Machine, key string) string { return m.State().Member(key).GetVersion() }

// write proposes at the leader and wants it done.
func (c *testCluster) write(key, value string) uint64 {
	c.t.Helper()
	var index uint64
	c.onLeader(func(ctx context.Context, l *testMember) error {
		results, err := l.node.Propose(ctx, []*storev1.Envelope{put(key, value)})
		if err != nil {
			return err
		}
		if refusal := results[0].GetRefusal(); refusal != nil {
			return errors.New(refusal.GetMessage())
		}
		index = results[0].GetIndex()
		return nil
	})
	return index
}

func testLogger(t testing.TB, member string) *slog.Logger {
	if os.Getenv("ROSTER_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With("member", member, "test", t.Name())
}

func ctxFor(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}
