package server

import (
	"context"
	"net"

	"roster/fsm"
	"roster/server/raftnode"
)

// Network is what stands in for TCP where members run in virtual time, where real
// sockets would stop the clock. Production has none.
type Network struct {
	// Raft is between members.
	Raft *raftnode.Memory
	// Listen and Dial are between members, agents and clients.
	Listen func(address string) (net.Listener, error)
	Dial   func(ctx context.Context, address string) (net.Conn, error)
}

// Over is the configuration of a member that speaks over such a network.
func (c Config) Over(n Network) Config {
	c.memory = &memory{raft: n.Raft, listen: n.Listen, dial: n.Dial}
	return c
}

// State is what this member knows.
func (m *Member) State() *fsm.State { return m.machine.State() }

// Changed is closed once State returns something newer.
func (m *Member) Changed() <-chan struct{} { return m.machine.Changed() }
