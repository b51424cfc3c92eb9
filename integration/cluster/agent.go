package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"roster/agent/driver/process"
	"roster/integration/daemons"
	"roster/integration/loopback"
)

// Node says what one node is.
type Node struct {
	ID, Region, Zone string
	// Host is where its services answer; empty: loopback.
	Host string
	// Observe: its agent touches nothing until it is activated.
	Observe bool
	// NeverStop are services that its host's config never lets be stopped.
	NeverStop []string
	// Instance tells a further agent of this node, with a data folder of its own,
	// from the first; empty: the first.
	Instance string
	// Within runs a command where the node is; nil: here.
	Within func(argv ...string) []string
	// Services that it can run.
	Services []Service
}

func (n Node) host() string {
	if n.Host == "" {
		return loopback.Host
	}
	return n.Host
}

// Service is one service of a node.
type Service struct {
	Name string
	Port int
	// Path for jmap and webdav.
	Path string
	// RestartGroup of the builtin driver: its services are changed together.
	RestartGroup string
	// Daemon runs it for real; nil: the builtin driver.
	Daemon *daemons.Instance
}

// Agent is one agent's process.
type Agent struct {
	*Process
	Node Node
	// Data is its folder, Config its file.
	Data, Config string
}

// Builtin is a node whose services are the builtin driver's.
func Builtin(t testing.TB, id, region, zone string, services ...string) Node {
	t.Helper()
	n := Node{ID: id, Region: region, Zone: zone}
	for i, port := range loopback.Ports(t, len(services)) {
		n.Services = append(n.Services, Service{Name: services[i], Port: port, Path: usualPath[services[i]]})
	}
	return n
}

var usualPath = map[string]string{"jmap": "/jmap", "webdav": "/dav"}

// Mailhost is a node with a real Dovecot and a real Postfix, prepared below dir.
func Mailhost(t testing.TB, dir, id, region, zone string) Node {
	t.Helper()
	ports := loopback.Ports(t, 2)
	imap, err := daemons.Dovecot(filepath.Join(dir, id+"-imap"), id+"-imap", loopback.Host, ports[0])
	if err != nil {
		t.Fatal(err)
	}
	mx, err := daemons.Postfix(filepath.Join(dir, id+"-mx"), id+"-mx", loopback.Host, ports[1])
	if err != nil {
		t.Fatal(err)
	}
	// Runs after the agent's process has ended: cleanups go backwards.
	t.Cleanup(func() {
		for _, i := range []*daemons.Instance{imap, mx} {
			if t.Failed() {
				t.Logf("output of %s:\n%s", i.Name, lastOutput(filepath.Dir(dir), id, i.Service))
			}
			if err := i.Kill(); err != nil {
				t.Errorf("end %s: %v", i.Name, err)
			}
		}
	})
	return Node{ID: id, Region: region, Zone: zone, Services: []Service{
		{Name: imap.Service, Port: imap.Port, Daemon: imap}, {Name: mx.Service, Port: mx.Port, Daemon: mx},
	}}
}

// lastOutput is what the process driver kept of a service's output.
func lastOutput(dir, node, service string) string {
	found, err := filepath.Glob(filepath.Join(dir, "*", "data-"+node, "*", service, "*.log"))
	if err != nil || len(found) == 0 {
		return "none found"
	}
	text, err := os.ReadFile(found[0])
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4<<10):])
}

// AddAgent writes an agent's config; it starts nothing.
func (c *Cluster) AddAgent(node Node) *Agent {
	c.t.Helper()
	name := node.ID
	if node.Instance != "" {
		name += "-" + node.Instance
	}
	a := &Agent{Node: node, Data: filepath.Join(c.Dir, "data-"+name)}
	text, err := yaml.Marshal(a.config(c))
	if err != nil {
		c.t.Fatal(err)
	}
	a.Config = c.File(name+".yaml", string(text))
	argv := a.argv(c, a.Config)
	if node.Within != nil {
		argv = node.Within(argv...)
	}
	a.Process = newProcess(c.t, "agent-"+name, c.Dir, argv...)
	return a
}

// config is the agent's file.
func (a *Agent) config(c *Cluster) yaml.MapSlice {
	config := yaml.MapSlice{
		{Key: "node", Value: a.Node.ID}, {Key: "dir", Value: a.Data}, {Key: "members", Value: c.addresses()},
		{Key: "region", Value: a.Node.Region}, {Key: "zone", Value: a.Node.Zone},
		{Key: "probe_interval", Value: "1s"},
	}
	if a.Node.Observe {
		config = append(config, yaml.MapItem{Key: "mode", Value: "observe"})
	}
	if len(a.Node.NeverStop) > 0 {
		config = append(config, yaml.MapItem{Key: "never_stop", Value: a.Node.NeverStop})
	}
	if c.secure {
		files := c.Certs("agent", a.Node.ID)
		config = append(config, yaml.MapItem{Key: "tls", Value: yaml.MapSlice{
			{Key: "ca", Value: files.CA}, {Key: "cert", Value: files.Cert}, {Key: "key", Value: files.Key},
		}})
	}
	var services []yaml.MapSlice
	for _, s := range a.Node.Services {
		endpoint := yaml.MapSlice{{Key: "host", Value: a.Node.host()}, {Key: "port", Value: s.Port}, {Key: "tls", Value: "none"}}
		if s.Path != "" {
			endpoint = append(endpoint, yaml.MapItem{Key: "path", Value: s.Path})
		}
		service := yaml.MapSlice{{Key: "name", Value: s.Name}, {Key: "driver", Value: "builtin"}, {Key: "endpoints", Value: []yaml.MapSlice{endpoint}}}
		if s.RestartGroup != "" {
			service = append(service, yaml.MapItem{Key: "restart_group", Value: s.RestartGroup})
		}
		if s.Daemon != nil {
			service[1].Value = "process"
			service = append(service, yaml.MapItem{Key: "process", Value: command(s.Daemon.Command)})
		}
		services = append(services, service)
	}
	return append(config, yaml.MapItem{Key: "services", Value: services})
}

// command is a process.Command as the file writes it.
func command(p process.Command) yaml.MapSlice {
	out := yaml.MapSlice{{Key: "argv", Value: p.Argv}}
	add := func(key string, value any, there bool) {
		if there {
			out = append(out, yaml.MapItem{Key: key, Value: value})
		}
	}
	add("env", p.Env, len(p.Env) > 0)
	add("prepare", p.Prepare, len(p.Prepare) > 0)
	add("drain", p.Drain, len(p.Drain) > 0)
	add("undrain", p.Undrain, len(p.Undrain) > 0)
	add("stop_signal", p.StopSignal, p.StopSignal != "")
	add("adopt", yaml.MapSlice{{Key: "pid_file", Value: p.Adopt.PIDFile}}, p.Adopt.PIDFile != "")
	add("kill_after", p.KillAfter.String(), p.KillAfter != 0)
	return out
}

// StartAgents adds and starts an agent per node and waits until all are up.
func (c *Cluster) StartAgents(bound time.Duration, nodes ...Node) []*Agent {
	c.t.Helper()
	var agents []*Agent
	for _, n := range nodes {
		a := c.AddAgent(n)
		a.Start()
		agents = append(agents, a)
	}
	c.Until(bound, "every agent is up", func(s *Status) error {
		for _, n := range nodes {
			if state, ok := s.node(n.ID); !ok || state != "up" {
				return fmt.Errorf("%s is %q", n.ID, state)
			}
		}
		return nil
	})
	return agents
}
