package cluster

import (
	"fmt"
	"path/filepath"

	"roster/integration/loopback"
)

// Further makes a member that is in no cluster yet and not among Members: with a
// new data folder, at the place of another one, or (nil) at one of its own.
func (c *Cluster) Further(name string, at *Member) *Member {
	c.t.Helper()
	m := &Member{}
	if at != nil {
		m.Address, m.RaftAddress = at.Address, at.RaftAddress
	} else {
		ports := loopback.Ports(c.t, 2)
		m.Address, m.RaftAddress = loopback.Address(ports[0]), loopback.Address(ports[1])
	}
	c.mu.Lock()
	c.further++
	m.Data = filepath.Join(c.Dir, fmt.Sprintf("%s-%d", name, c.further))
	c.mu.Unlock()
	m.Process = newProcess(c.t, name, c.Dir, m.serverArgv(c, name)...)
	return m
}

// Place are the flags that say where a member lives.
func (m *Member) Place() []string {
	return []string{"--data", m.Data, "--name", m.Name, "--address", m.Address, "--raft-address", m.RaftAddress}
}

// Join runs `roster join` for a member, with its own certificate and further
// flags, at the members that there are.
func (c *Cluster) Join(m *Member, flags ...string) Result {
	c.t.Helper()
	args := append([]string{"join"}, m.Place()...)
	for _, address := range c.addresses() {
		args = append(args, "--member", address)
	}
	return Run(c.t, append(append(args, c.tls("member", m.Name)...), flags...)...)
}

// Said is the end of what a process wrote.
func (p *Process) Said() string { return p.tail(16 << 10) }

// Ended waits until the process has ended by itself.
func (p *Process) Ended() bool { return p.wait(stopBound) }
