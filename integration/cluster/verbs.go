package cluster

import "path/filepath"

// What the harness types, in one place.

func (c *Cluster) authority() string { return filepath.Join(c.Dir, "ca") }

func (c *Cluster) makeAuthority() {
	c.t.Helper()
	Run(c.t, "certs", "ca", "--cluster", c.Name, "--dir", c.authority()).OK(c.t)
}

func (c *Cluster) issue(role, name string) Files {
	c.t.Helper()
	Run(c.t, "certs", role, name, "--dir", c.authority()).OK(c.t)
	base := filepath.Join(c.authority(), role+"-"+name)
	return Files{CA: filepath.Join(c.authority(), "ca.pem"), Cert: base + ".pem", Key: base + "-key.pem"}
}

// tls are the flags of an identity.
func (c *Cluster) tls(role, name string) []string {
	if !c.secure {
		return nil
	}
	files := c.Certs(role, name)
	return []string{"--ca", files.CA, "--cert", files.Cert, "--key", files.Key}
}

func (m *Member) init(c *Cluster) {
	c.t.Helper()
	Run(c.t, "init", "--data", m.Data, "--cluster", c.Name, "--name", m.Name,
		"--address", m.Address, "--raft-address", m.RaftAddress, "--profile", c.profile).OK(c.t)
}

func (m *Member) join(c *Cluster) {
	c.t.Helper()
	args := []string{
		"join", "--data", m.Data, "--name", m.Name,
		"--address", m.Address, "--raft-address", m.RaftAddress, "--member", c.Members[0].Address,
	}
	Run(c.t, append(args, c.tls("member", m.Name)...)...).OK(c.t)
}

func (m *Member) serverArgv(c *Cluster, name string) []string {
	argv := []string{Binary(c.t), "server", "--data", m.Data}
	if c.beat != 0 {
		argv = append(argv, "--heartbeat", c.beat.String())
	}
	if m.HTTPAddress != "" {
		argv = append(argv, "--http-listen", m.HTTPAddress)
	}
	return append(argv, c.tls("member", name)...)
}

func (a *Agent) argv(c *Cluster, config string) []string {
	return []string{Binary(c.t), "agent", "--config", config}
}

// UserFlags are the flags of an operator, for a command that names its member.
func (c *Cluster) UserFlags() []string { return c.tls("user", "operator") }
