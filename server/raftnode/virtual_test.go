package raftnode

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// network is what members in virtual time speak over: raft's own transport in
// memory, which can be cut. (Real sockets would stop the virtual clock.)
type network struct {
	mu    sync.Mutex
	ports map[raft.ServerAddress]*raft.InmemTransport
	cut   map[raft.ServerAddress]bool
}

func newNetwork() *network {
	return &network{ports: map[raft.ServerAddress]*raft.InmemTransport{}, cut: map[raft.ServerAddress]bool{}}
}

// attach makes a member's port and connects it with those that are not cut.
func (n *network) attach(address raft.ServerAddress) raft.Transport {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, port := raft.NewInmemTransport(address)
	n.ports[address] = port
	n.wire()
	return port
}

// isolate cuts a member off, or connects it again.
func (n *network) isolate(address string, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[raft.ServerAddress(address)] = cut
	n.wire()
}

func (n *network) wire() {
	for a, from := range n.ports {
		for b, to := range n.ports {
			if a == b || n.cut[a] || n.cut[b] {
				from.Disconnect(b)
			} else {
				from.Connect(b, to)
			}
		}
	}
}

// newVirtualCluster starts members in virtual time, to be called in a bubble of
// testing/synctest: real raft, real files, no sockets.
func newVirtualCluster(t *testing.T, size int, adjust func(*Config)) (*testCluster, *network) {
	t.Helper()
	net := newNetwork()
	c := &testCluster{t: t, adjust: func(cfg *Config) {
		cfg.transport = func(raft.ServerID) raft.Transport {
			return net.attach(raft.ServerAddress(cfg.Identity.RaftAddress))
		}
		if adjust != nil {
			adjust(cfg)
		}
	}}
	dir := filepath.Join(t.TempDir(), "m1")
	identity, err := Init(dir, initOptions(t))
	must(t, err)
	c.members = append(c.members, &testMember{t: t, dir: dir, identity: identity, adjust: c.adjust})
	c.members[0].start()
	for len(c.members) < size {
		c.join()
	}
	return c, net
}

// lost waits until a member does not lead any more.
func (m *testMember) lost() {
	m.t.Helper()
	eventually(m.t, "leadership is lost", func() bool {
		reign, _ := m.node.throne.now()
		return reign == nil
	})
}

// stopVirtual stops the members and gives what raft left running, such as a
// message to a member that is gone, virtual time to end.
func (c *testCluster) stopVirtual() {
	c.stopAll()
	time.Sleep(time.Minute)
}
