package spine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"roster/client"
	"roster/client/identity"
	"roster/integration/cluster"
	"roster/integration/daemons"
	"roster/integration/loopback"
	"roster/integration/require"
	v1 "roster/proto/roster/v1"
)

const firstTopology = `cluster: example-mail
name: first
pools:
  - {name: imap, services: [imap], count: 3}
  - {name: mx, services: [smtp-inbound], count: 2}
services:
  - {name: imap, drain: 5s}
  - {name: smtp-inbound, drain: 5s}
`

const secondTopology = `cluster: example-mail
name: second
pools:
  - {name: mx, services: [smtp-inbound], count: 3, nodes: ["node-[1-3]"]}
  - {name: imap, services: [imap], count: 2}
services:
  - {name: imap, drain: 5s}
  - {name: smtp-inbound, drain: 5s}
`

// mailhosts is the scene: three members, five agents, ten real daemons.
type mailhosts struct {
	*cluster.Cluster
	t      *testing.T
	nodes  []cluster.Node
	agents []*cluster.Agent
	mails  int
}

func newMailhosts(t *testing.T) *mailhosts {
	t.Helper()
	require.Daemons(t)
	dir := loopback.Dir(t)
	m := &mailhosts{t: t}
	for i := range 5 {
		id := fmt.Sprintf("node-%d", i+1)
		m.nodes = append(m.nodes, cluster.Mailhost(t, dir, id, "a", fmt.Sprintf("a%d", i%2+1)))
	}
	m.Cluster = cluster.New(t, cluster.Options{})
	m.agents = m.StartAgents(time.Minute, m.nodes...)
	return m
}

// everyEndpoint logs in or sends a mail wherever status says that a service
// answers, and finds every other port closed.
func (m *mailhosts) everyEndpoint(status *cluster.Status) {
	m.t.Helper()
	listed := map[string]bool{}
	for _, e := range status.Endpoints {
		if e.State != "ready" {
			m.t.Errorf("%s of %s is %s", e.Service, e.Node, e.State)
		}
		listed[e.Address] = true
		m.use(e.Service, e.Node, e.Address)
	}
	for _, n := range m.nodes {
		for _, s := range n.Services {
			address := loopback.Address(s.Port)
			if listed[address] {
				continue
			}
			cluster.Until(m.t, 30*time.Second, fmt.Sprintf("%s of %s, which status does not list, is closed", s.Name, n.ID), func() error {
				return daemons.Closed(m.t.Context(), address)
			})
		}
	}
}

// use logs in, or sends a mail and finds it in its mailbox.
func (m *mailhosts) use(service, node, address string) {
	m.t.Helper()
	switch service {
	case "imap":
		session, err := daemons.Login(m.t.Context(), address, "ann")
		if err == nil {
			err = session.Logout()
		}
		if err != nil {
			m.t.Errorf("imap of %s: %v", node, err)
		}
	case "smtp-inbound":
		m.mails++
		subject := fmt.Sprintf("mail number %d", m.mails)
		if err := daemons.SendMail(m.t.Context(), address, "ann@example.test", subject); err != nil {
			m.t.Errorf("smtp of %s: %v", node, err)
			return
		}
		instance := m.instance(node, service)
		cluster.Until(m.t, 30*time.Second, subject+" is delivered at "+node, func() error {
			mails, err := instance.Delivered()
			if err == nil && !slices.ContainsFunc(mails, func(mail string) bool { return strings.Contains(mail, subject+"\n") }) {
				err = fmt.Errorf("not among %d mails", len(mails))
			}
			return err
		})
	default:
		m.t.Errorf("status lists %s of %s", service, node)
	}
}

func (m *mailhosts) instance(node, service string) *daemons.Instance {
	for _, n := range m.nodes {
		for _, s := range n.Services {
			if n.ID == node && s.Name == service {
				return s.Daemon
			}
		}
	}
	m.t.Fatalf("no %s on %s", service, node)
	return nil
}

// pids are the daemons that run, by name.
func (m *mailhosts) pids() map[string]int {
	m.t.Helper()
	pids := map[string]int{}
	for _, n := range m.nodes {
		for _, s := range n.Services {
			pid, err := s.Daemon.PID()
			if err != nil {
				m.t.Fatal(err)
			}
			if pid != 0 {
				pids[s.Daemon.Name] = pid
			}
		}
	}
	return pids
}

// atRest waits until no daemon runs but those of listed endpoints, and returns
// their pids: what a change took away may take a moment to end.
func (m *mailhosts) atRest(status *cluster.Status) map[string]int {
	m.t.Helper()
	cluster.Until(m.t, time.Minute, "what is not listed has ended", func() error {
		if running := m.pids(); len(running) != len(status.Endpoints) {
			return fmt.Errorf("%d endpoints are listed; these run: %v", len(status.Endpoints), running)
		}
		return nil
	})
	return m.pids()
}

// samePIDs fails where a daemon was started, stopped or restarted since.
func (m *mailhosts) samePIDs(before map[string]int, what string) {
	m.t.Helper()
	if now := m.pids(); !maps.Equal(before, now) {
		m.t.Errorf("%s: daemons were %v, are %v", what, before, now)
	}
}

// writer sets a label of a node to 1, 2, 3… through any member, and remembers
// the newest that was acknowledged.
type writer struct {
	stop context.CancelFunc
	done sync.WaitGroup
	mu   sync.Mutex
	// acked is the newest acknowledged value; failed what was never answered.
	acked, failed int
}

func (m *mailhosts) startWriter(node string) *writer {
	m.t.Helper()
	files := m.Certs("user", "operator")
	tls, err := identity.ClientTLS(identity.Files{CA: files.CA, Cert: files.Cert, Key: files.Key}, m.Name)
	if err != nil {
		m.t.Fatal(err)
	}
	var addresses []string
	for _, member := range m.Members {
		addresses = append(addresses, member.Address)
	}
	c, err := client.New(client.Config{Members: addresses, TLS: tls})
	if err != nil {
		m.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	w := &writer{stop: stop}
	w.done.Go(func() {
		defer func() { _ = c.Close() }() // nothing is under way
		nodes := v1.NewNodeServiceClient(c)
		for value := 1; ctx.Err() == nil; value++ {
			call, cancel := context.WithTimeout(ctx, 30*time.Second)
			_, err := nodes.UpdateNode(call, &v1.UpdateNodeRequest{
				RequestId: c.RequestID(), Id: node, SetLabels: map[string]string{"count": fmt.Sprint(value)},
			})
			cancel()
			w.mu.Lock()
			if err == nil {
				w.acked = value
			} else if ctx.Err() == nil {
				w.failed++
			}
			w.mu.Unlock()
		}
	})
	m.t.Cleanup(func() { w.end() })
	return w
}

func (w *writer) newest() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.acked
}

func (w *writer) end() (acked, failed int) {
	w.stop()
	w.done.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.acked, w.failed
}

// label is the value of the writer's label as the cluster knows it.
func (m *mailhosts) label(node string) (string, error) {
	m.t.Helper()
	var got struct {
		Node struct {
			Labels map[string]string `json:"labels"`
		} `json:"node"`
	}
	if err := m.JSON(&got, "node", "get", node); err != nil {
		return "", err
	}
	return got.Node.Labels["count"], nil
}

func TestRealDaemonsFollowTheTopologyThroughEveryLoss(t *testing.T) {
	m := newMailhosts(t)
	watcher := cluster.Watch(t, cluster.Targets(m.nodes...), 100*time.Millisecond, 2*time.Second)
	floors := map[string]int{"imap": 1, "smtp-inbound": 1}

	first := m.File("first.yaml", firstTopology)
	m.CLI("topology", "apply", "-f", first, "--yes").OK(t)
	status := m.Settled(2*time.Minute, "first")
	if got := status.Ready(); got["imap"] != 3 || got["smtp-inbound"] != 2 {
		t.Errorf("ready %v", got)
	}
	watcher.Floors(floors)
	watcher.Expect("first topology", map[string]int{"imap": 3, "smtp-inbound": 2})
	m.everyEndpoint(status)

	m.leaderKilled(watcher)
	m.agentKilled()
	m.membersKilled()
	watcher.Verdict()
}

// leaderKilled ends the leader right after a change was acknowledged: the
// change completes, and no acknowledged write is lost.
func (m *mailhosts) leaderKilled(watcher *cluster.Watcher) {
	t := m.t
	leader := m.Leader(time.Minute)
	w := m.startWriter("node-5")
	cluster.Until(t, time.Minute, "writes are acknowledged", func() error {
		if w.newest() < 10 {
			return fmt.Errorf("%d", w.newest())
		}
		return nil
	})
	second := m.File("second.yaml", secondTopology)
	watcher.Applied("second topology, leader killed")
	m.CLI("topology", "apply", "-f", second, "--yes", "--allow-stop").OK(t)
	before := w.newest()
	leader.Kill()
	cluster.Until(t, time.Minute, "writes go on without the leader", func() error {
		if w.newest() < before+20 {
			return fmt.Errorf("%d, %d at the kill", w.newest(), before)
		}
		return nil
	})
	status := m.Settled(2*time.Minute, "second")
	acked, failed := w.end()
	label, err := m.label("node-5")
	if err != nil {
		t.Fatal(err)
	}
	// The last write may have been done without an answer.
	if label != fmt.Sprint(acked) && label != fmt.Sprint(acked+1) {
		t.Errorf("acknowledged up to %d, %d unanswered, the cluster has %s", acked, failed, label)
	}
	t.Logf("%d writes acknowledged, %d at the kill, %d unanswered", acked, before, failed)
	if got := status.Ready(); got["imap"] != 2 || got["smtp-inbound"] != 3 {
		t.Errorf("ready %v", got)
	}
	watcher.Expect("second topology", map[string]int{"imap": 2, "smtp-inbound": 3})
	m.everyEndpoint(status)
	leader.Start()
	m.Until(time.Minute, "the killed member is back", func(s *cluster.Status) error {
		result := cluster.Run(t, append([]string{"status", "--stale", "--member", leader.Address, "-o", "json"}, m.UserFlags()...)...)
		if result.Code != 0 {
			return fmt.Errorf("%s", result)
		}
		if got := decodeStatus(t, result.Stdout); got.Topology == nil || got.Topology.Revision != s.Topology.Revision {
			return fmt.Errorf("it has %+v", got.Topology)
		}
		return nil
	})
}

// agentKilled ends an agent without goodbye: its daemons run on, and the
// restarted agent adopts them.
func (m *mailhosts) agentKilled() {
	status := m.Settled(time.Minute, "second")
	victim := status.Endpoints[0].Node
	i := slices.IndexFunc(m.agents, func(a *cluster.Agent) bool { return a.Node.ID == victim })
	before := m.atRest(status)
	m.agents[i].Kill()
	m.Until(time.Minute, victim+" is missed", func(s *cluster.Status) error {
		for _, n := range s.Nodes {
			if n.ID == victim && n.State == "up" {
				return fmt.Errorf("it is up")
			}
		}
		return nil
	})
	for _, e := range status.Endpoints {
		m.use(e.Service, e.Node, e.Address)
	}
	m.samePIDs(before, "an agent was killed")
	m.agents[i].Start()
	m.Until(time.Minute, victim+" is up again", func(s *cluster.Status) error {
		for _, n := range s.Nodes {
			if n.ID == victim && n.State != "up" {
				return fmt.Errorf("it is %s", n.State)
			}
		}
		return nil
	})
	m.everyEndpoint(m.Settled(time.Minute, "second"))
	m.samePIDs(before, "the agent came back")
}

// membersKilled ends every member: mail flows, and their return restarts
// nothing.
func (m *mailhosts) membersKilled() {
	t := m.t
	status := m.Settled(time.Minute, "second")
	before := m.atRest(status)
	for _, member := range m.Members {
		member.Kill()
	}
	// Twice, with the agents' attempts to reconnect between.
	for range 2 {
		for _, e := range status.Endpoints {
			m.use(e.Service, e.Node, e.Address)
		}
		m.samePIDs(before, "every member was killed")
		if result := m.CLI("status", "--timeout", "3s"); result.Code == 0 {
			t.Errorf("status ended with 0 without a member:\n%s", result)
		}
	}
	for _, member := range m.Members {
		member.Start()
	}
	m.Until(2*time.Minute, "every node is up again", func(s *cluster.Status) error {
		if !s.Settled {
			return fmt.Errorf("not settled")
		}
		for _, n := range s.Nodes {
			if n.State != "up" {
				return fmt.Errorf("%s is %s", n.ID, n.State)
			}
		}
		return nil
	})
	m.everyEndpoint(m.Settled(time.Minute, "second"))
	m.samePIDs(before, "the members came back")
}
