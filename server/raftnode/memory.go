package raftnode

import (
	"sync"

	"github.com/hashicorp/raft"
)

// Memory is a network in memory between members of one process, for tests in
// virtual time, where real sockets would stop the clock: Raft itself is the real
// one, over its own transport. It is safe for concurrent use.
type Memory struct {
	mu    sync.Mutex
	ports map[raft.ServerAddress]*raft.InmemTransport
	cut   map[[2]raft.ServerAddress]bool
}

// NewMemory makes a network without members.
func NewMemory() *Memory {
	return &Memory{ports: map[raft.ServerAddress]*raft.InmemTransport{}, cut: map[[2]raft.ServerAddress]bool{}}
}

// attach makes a member's port, in place of the one that it had.
func (m *Memory) attach(address string) raft.Transport {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, port := raft.NewInmemTransport(raft.ServerAddress(address))
	m.ports[raft.ServerAddress(address)] = port
	m.wire()
	return port
}

// Cut lets nothing pass between two raft addresses any more, or again.
func (m *Memory) Cut(a, b string, cut bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cut[[2]raft.ServerAddress{raft.ServerAddress(a), raft.ServerAddress(b)}] = cut
	m.cut[[2]raft.ServerAddress{raft.ServerAddress(b), raft.ServerAddress(a)}] = cut
	m.wire()
}

// Drop takes the port of a member away that has died.
func (m *Memory) Drop(address string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.ports, raft.ServerAddress(address))
	for _, port := range m.ports {
		port.Disconnect(raft.ServerAddress(address))
	}
}

func (m *Memory) wire() {
	for a, from := range m.ports {
		for b, to := range m.ports {
			if a == b || m.cut[[2]raft.ServerAddress{a, b}] {
				from.Disconnect(b)
			} else {
				from.Connect(b, to)
			}
		}
	}
}
