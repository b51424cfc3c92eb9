package cluster

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"roster/integration/loopback"
)

// Options says which cluster to start.
type Options struct {
	// Name of the cluster; empty: example-mail.
	Name string
	// How many members; 0: three.
	Members int
	// Timing profile; empty: relaxed, since tests share few processors.
	Profile string
	// Without certificates, for what only loopback accepts.
	Plain bool
	// Where members listen; empty: loopback.
	Host string
	// How often agents report; 0: as usual.
	Heartbeat time.Duration
	// HTTP: members listen for JSON over HTTP too.
	HTTP bool
}

// Cluster is members and agents as processes.
type Cluster struct {
	Name    string
	Dir     string
	Members []*Member

	t       testing.TB
	secure  bool
	profile string
	beat    time.Duration
	// The process of `roster dev`; nil where members are processes.
	dev *Process

	mu     sync.Mutex
	issued map[string]Files
	// Members made by Further.
	further int
}

// Member is one member's process.
type Member struct {
	*Process
	// Address is its API, RaftAddress its Raft port, Data its folder; HTTPAddress
	// is empty where it does not listen for HTTP.
	Address, RaftAddress, HTTPAddress, Data string
}

// Files are one identity's certificate.
type Files struct{ CA, Cert, Key string }

// New starts members and waits until each has a vote.
func New(t testing.TB, options Options) *Cluster {
	t.Helper()
	c := Prepare(t, options)
	c.Members[0].init(c)
	c.Members[0].Start()
	c.Until(time.Minute, "the first member leads", func(s *Status) error {
		if s.leader() == "" {
			return fmt.Errorf("no leader")
		}
		return nil
	})
	for _, m := range c.Members[1:] {
		m.join(c)
		m.Start()
	}
	c.Until(2*time.Minute, "every member has a vote", func(s *Status) error {
		voters := 0
		for _, m := range s.Members {
			if m.Voter {
				voters++
			}
		}
		if voters != len(c.Members) {
			return fmt.Errorf("%d of %d members vote", voters, len(c.Members))
		}
		return nil
	})
	return c
}

// Prepare gives members folders, ports and certificates, and starts nothing.
func Prepare(t testing.TB, options Options) *Cluster {
	t.Helper()
	if options.Name == "" {
		options.Name = "example-mail"
	}
	if options.Members == 0 {
		options.Members = 3
	}
	if options.Profile == "" {
		options.Profile = "relaxed"
	}
	c := &Cluster{
		Name: options.Name, Dir: loopback.Dir(t), t: t, secure: !options.Plain, profile: options.Profile, beat: options.Heartbeat, issued: map[string]Files{},
	}
	if c.secure {
		c.makeAuthority()
	}
	if options.Host == "" {
		options.Host = loopback.Host
	}
	at := func(port int) string { return net.JoinHostPort(options.Host, strconv.Itoa(port)) }
	ports := loopback.Ports(t, 2*options.Members)
	for i := range options.Members {
		name := fmt.Sprintf("member-%d", i+1)
		m := &Member{
			Address: at(ports[2*i]), RaftAddress: at(ports[2*i+1]), Data: filepath.Join(c.Dir, name),
		}
		if options.HTTP {
			m.HTTPAddress = at(loopback.Ports(t, 1)[0])
		}
		m.Process = newProcess(t, name, c.Dir, m.serverArgv(c, name)...)
		c.Members = append(c.Members, m)
	}
	return c
}

func (c *Cluster) addresses() []string {
	var addresses []string
	for _, m := range c.Members {
		addresses = append(addresses, m.Address)
	}
	return addresses
}

// Leader is the member that leads, once there is one.
func (c *Cluster) Leader(bound time.Duration) *Member {
	c.t.Helper()
	var leader *Member
	c.Until(bound, "find the leader", func(s *Status) error {
		address := s.leader()
		i := slices.IndexFunc(c.Members, func(m *Member) bool { return m.Address == address && m.Running() })
		if i < 0 {
			return fmt.Errorf("leader is %q", address)
		}
		leader = c.Members[i]
		return nil
	})
	return leader
}

// Certs issues the certificate of a role and name, once.
func (c *Cluster) Certs(role, name string) Files {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	key := role + "/" + name
	if _, ok := c.issued[key]; !ok {
		c.issued[key] = c.issue(role, name)
	}
	return c.issued[key]
}

// File writes a file into the cluster's folder and returns its path.
func (c *Cluster) File(name, text string) string {
	c.t.Helper()
	path := filepath.Join(c.Dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}
