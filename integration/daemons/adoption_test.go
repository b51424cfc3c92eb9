package daemons_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	"roster/agent"
	"roster/agent/driver/exec"
	"roster/agent/driver/process"
	"roster/integration/daemons"
	"roster/integration/loopback"
	"roster/integration/require"
	v1 "roster/proto/roster/v1"
)

// member is one that sends what a test says and remembers each heartbeat.
type member struct {
	v1.UnimplementedAgentServiceServer
	t       *testing.T
	address string

	mu    sync.Mutex
	set   *v1.AssignmentSet
	news  chan struct{} // closed, and made anew, with each set
	beats []*v1.Heartbeat
}

func startMember(t *testing.T) *member {
	t.Helper()
	listener, err := net.Listen("tcp", loopback.FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	m := &member{t: t, address: listener.Addr().String(), news: make(chan struct{})}
	server := grpc.NewServer()
	v1.RegisterAgentServiceServer(server, m)
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Stop(); <-served })
	return m
}

func (m *member) Session(stream grpc.BidiStreamingServer[v1.SessionRequest, v1.SessionResponse]) error {
	if _, err := stream.Recv(); err != nil {
		return err
	}
	var sending sync.Mutex
	send := func(r *v1.SessionResponse) error {
		sending.Lock()
		defer sending.Unlock()
		return stream.Send(r)
	}
	err := send(&v1.SessionResponse{Message: &v1.SessionResponse_Welcome{Welcome: &v1.Welcome{
		ClusterId: "c", Cluster: "test", Epoch: 1, Heartbeat: durationpb.New(200 * time.Millisecond),
	}}})
	if err != nil {
		return err
	}
	go func() {
		for {
			m.mu.Lock()
			set, news := m.set, m.news
			m.mu.Unlock()
			if set != nil {
				_ = send(&v1.SessionResponse{Message: &v1.SessionResponse_Set{Set: set}})
			}
			select {
			case <-news:
			case <-stream.Context().Done():
				return
			}
		}
	}()
	for {
		r, err := stream.Recv()
		if err != nil {
			return err
		}
		m.mu.Lock()
		m.beats = append(m.beats, r.GetHeartbeat())
		m.mu.Unlock()
		_ = send(&v1.SessionResponse{Message: &v1.SessionResponse_Ack{Ack: &v1.HeartbeatAck{Sequence: r.GetHeartbeat().GetSequence(), HasLeader: true}}})
	}
}

// tell sends a set, for imap alone; unspecified: none is wanted.
func (m *member) tell(generation uint64, observe bool, wanted v1.Wanted) {
	set := &v1.AssignmentSet{Epoch: 1, Generation: generation, Observe: observe, Empty: wanted == v1.Wanted_WANTED_UNSPECIFIED}
	if !set.Empty {
		set.Assignments = []*v1.Assignment{{Service: "imap", Node: "n1", Wanted: wanted, Drain: durationpb.New(time.Second)}}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.set = set
	close(m.news)
	m.news = make(chan struct{})
}

// reported are the reports of imap, from the i-th heartbeat on.
func (m *member) reported(i int) []*v1.ServiceReport {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []*v1.ServiceReport
	for _, h := range m.beats[i:] {
		all = append(all, h.GetReports()...)
	}
	return all
}

func (m *member) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.beats)
}

// reads waits until a heartbeat that comes from now on says a state of a generation.
func (m *member) reads(generation uint64, state v1.ServiceState) {
	m.t.Helper()
	from := m.count()
	within(m.t, time.Minute, fmt.Sprintf("%s under generation %d", state, generation), func() error {
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, h := range m.beats[from:] {
			if h.GetGeneration() == generation && len(h.GetReports()) == 1 && h.GetReports()[0].GetState() == state {
				return nil
			}
		}
		return fmt.Errorf("heartbeats: %v", m.beats[max(from-1, 0):])
	})
}

// runAgent runs an agent until the returned function is called.
func runAgent(t *testing.T, cfg agent.Config) (stop func()) {
	t.Helper()
	a, err := agent.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("agent: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// keeper holds an IMAP session open and asks it again and again.
type keeper struct {
	t       *testing.T
	session *daemons.IMAP
}

func (k keeper) lives(when string) {
	k.t.Helper()
	if err := k.session.Do("NOOP"); err != nil {
		k.t.Fatalf("the session ended %s: %v", when, err)
	}
}

// A Dovecot that an operator started is observed, taken over, drained and stopped: no
// restart, and no session lost before its drain has ended. With either driver.
func TestARunningDovecotIsObservedTakenOverDrainedAndStopped(t *testing.T) {
	require.Daemons(t)
	for _, name := range []string{agent.DriverProcess, agent.DriverExec} {
		t.Run(name, func(t *testing.T) { adoptDovecot(t, name) })
	}
}

func adoptDovecot(t *testing.T, driver string) {
	dir := loopback.Dir(t)
	port := loopback.Ports(t, 1)[0]
	i, err := daemons.Dovecot(filepath.Join(dir, "imap"), "n1-imap", loopback.Host, port)
	if err != nil {
		t.Fatal(err)
	}
	start(t, i)
	address := loopback.Address(port)
	k := keeper{t: t}
	within(t, time.Minute, "log in", func() error {
		k.session, err = daemons.Login(t.Context(), address, "ann")
		return err
	})
	pid, err := i.PID()
	if err != nil || pid == 0 {
		t.Fatalf("pid %d: %v", pid, err)
	}
	sameProcess := func(when string) {
		t.Helper()
		k.lives(when)
		if now, err := i.PID(); err != nil || now != pid {
			t.Fatalf("%s: process was %d, is %d (%v)", when, pid, now, err)
		}
	}

	m := startMember(t)
	claim := i.Claim()
	claim.Driver = driver
	cfg := agent.Config{
		Node: "n1", Dir: filepath.Join(dir, "agent"), Members: []string{m.address}, ProbeInterval: 200 * time.Millisecond,
		Claims: &v1.NodeClaims{Mode: v1.AgentMode_AGENT_MODE_OBSERVE, Services: []*v1.ServiceClaim{claim}},
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	switch driver {
	case agent.DriverProcess:
		command := i.Command
		command.Adopt.PIDFile = i.PIDFile()
		cfg.Process = map[string]process.Command{i.Service: command}
	case agent.DriverExec:
		cfg.Exec = map[string]exec.Scripts{i.Service: i.Scripts()}
	}
	stop := runAgent(t, cfg)

	// It is observed, and nothing that it is told changes that.
	m.reads(0, v1.ServiceState_SERVICE_STATE_SERVING)
	for g, wanted := range []v1.Wanted{v1.Wanted_WANTED_SERVING, v1.Wanted_WANTED_DRAINING, v1.Wanted_WANTED_UNSPECIFIED, v1.Wanted_WANTED_SERVING} {
		m.tell(uint64(g)+1, true, wanted) //nolint:gosec // counts to four
		m.reads(uint64(g)+1, v1.ServiceState_SERVICE_STATE_SERVING)
	}
	sameProcess("while it was observed")

	// It is handed over.
	from := m.count()
	m.tell(5, false, v1.Wanted_WANTED_SERVING)
	m.reads(5, v1.ServiceState_SERVICE_STATE_SERVING)
	sameProcess("at the takeover")
	// An agent that is started anew adopts it again.
	stop()
	sameProcess("when the agent ended")
	stop = runAgent(t, cfg)
	m.reads(5, v1.ServiceState_SERVICE_STATE_SERVING)
	sameProcess("when the agent was started anew")
	for _, r := range m.reported(from) {
		if r.GetState() != v1.ServiceState_SERVICE_STATE_SERVING || r.GetPid() != int64(pid) || r.GetSessions() == 0 {
			t.Fatalf("a heartbeat said %v; the process is %d, with one session", r, pid)
		}
	}

	// It is drained: new sessions are refused, the old one goes on, past the bound too.
	m.tell(6, false, v1.Wanted_WANTED_DRAINING)
	m.reads(6, v1.ServiceState_SERVICE_STATE_DRAINED)
	within(t, time.Minute, "refuse new sessions", func() error { return daemons.Closed(t.Context(), address) })
	sameProcess("with the drain")
	// Taken back, and drained once more.
	m.tell(7, false, v1.Wanted_WANTED_SERVING)
	m.reads(7, v1.ServiceState_SERVICE_STATE_SERVING)
	sameProcess("when the drain was taken back")
	m.tell(8, false, v1.Wanted_WANTED_DRAINING)
	m.reads(8, v1.ServiceState_SERVICE_STATE_DRAINED)
	if err := k.session.Logout(); err != nil {
		t.Fatalf("the session ended before it was left: %v", err)
	}

	// It is stopped, and can be started by Roster then.
	m.tell(9, false, v1.Wanted_WANTED_UNSPECIFIED)
	m.reads(9, v1.ServiceState_SERVICE_STATE_STOPPED)
	if now, err := i.PID(); err != nil || now != 0 {
		t.Fatalf("process %d runs on (%v)", now, err)
	}
	m.tell(10, false, v1.Wanted_WANTED_SERVING)
	m.reads(10, v1.ServiceState_SERVICE_STATE_SERVING)
	if now, err := i.PID(); err != nil || now == pid || now == 0 {
		t.Fatalf("process was %d, is %d (%v)", pid, now, err)
	}
	m.tell(11, false, v1.Wanted_WANTED_UNSPECIFIED)
	m.reads(11, v1.ServiceState_SERVICE_STATE_STOPPED)
	stop()
}

// A pid file that names another Dovecot, or none of it, hands nothing over.
func TestAnotherDovecotIsNotTakenOver(t *testing.T) {
	require.Daemons(t)
	dir, ports := loopback.Dir(t), loopback.Ports(t, 2)
	other, err := daemons.Dovecot(filepath.Join(dir, "other"), "other-imap", loopback.Host, ports[0])
	if err != nil {
		t.Fatal(err)
	}
	mine, err := daemons.Dovecot(filepath.Join(dir, "mine"), "mine-imap", loopback.Host, ports[1])
	if err != nil {
		t.Fatal(err)
	}
	start(t, other)
	within(t, time.Minute, "log in", func() error {
		session, err := daemons.Login(t.Context(), loopback.Address(ports[0]), "ann")
		if err != nil {
			return err
		}
		return session.Logout()
	})
	command := mine.Command
	command.Adopt.PIDFile = other.PIDFile() // as a slip of the operator's would have it
	d, err := process.New(process.Config{Dir: filepath.Join(dir, "driver"), Owner: "n1", Services: []process.Service{
		{Name: "imap", Endpoints: mine.Claim().GetEndpoints(), Command: command},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	for verb, err := range map[string]error{"ensure": d.Ensure(t.Context(), "imap"), "adopt": d.Adopt(t.Context(), "imap")} {
		if err == nil || !strings.Contains(err.Error(), "does not serve where") {
			t.Errorf("%s: %v", verb, err)
		}
	}
	if err := d.Remove(t.Context(), "imap"); err != nil {
		t.Error(err)
	}
	if pid, err := other.PID(); err != nil || pid == 0 {
		t.Fatalf("the other one was touched: %s", errors.Join(errors.New(strconv.Itoa(pid)), err))
	}
}

func TestARunningPostfixIsTakenOverAndStopped(t *testing.T) {
	require.Daemons(t)
	dir, port := loopback.Dir(t), loopback.Ports(t, 1)[0]
	i, err := daemons.Postfix(filepath.Join(dir, "mx"), "n1-mx", loopback.Host, port)
	if err != nil {
		t.Fatal(err)
	}
	start(t, i)
	var session *daemons.SMTP
	within(t, time.Minute, "greet", func() error {
		session, err = daemons.Greet(t.Context(), loopback.Address(port))
		return err
	})
	pid, err := i.PID()
	if err != nil || pid == 0 {
		t.Fatalf("pid %d: %v", pid, err)
	}
	command := i.Command
	command.Adopt.PIDFile = i.PIDFile()
	d, err := process.New(process.Config{Dir: filepath.Join(dir, "driver"), Owner: "n1", Services: []process.Service{
		{Name: i.Service, Endpoints: i.Claim().GetEndpoints(), Command: command},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := d.Ensure(t.Context(), i.Service); err != nil {
		t.Fatal(err)
	}
	if o, err := d.Observe(t.Context(), i.Service); err != nil || !o.Running || o.PID != int64(pid) {
		t.Fatalf("observed %+v (%v), the process is %d", o, err, pid)
	}
	if err := session.Send("ann@example.test", "sent across the takeover"); err != nil {
		t.Errorf("the session ended with the takeover: %v", err)
	}
	if err := session.Quit(); err != nil {
		t.Error(err)
	}
	if err := d.Remove(t.Context(), i.Service); err != nil {
		t.Fatal(err)
	}
	if now, err := i.PID(); err != nil || now != 0 {
		t.Fatalf("process %d runs on (%v)", now, err)
	}
}
