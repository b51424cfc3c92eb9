package agent

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"roster/client/identity"
	v1 "roster/proto/roster/v1"
)

// Validate reports every fault at once, as Faults.
func (c Config) Validate() error {
	var fs Faults
	if err := identity.ValidateName(c.Node); err != nil {
		fs.add("node", "give the node's id, as `node: mail-1`", "%v", err)
	}
	if c.Dir == "" {
		fs.add("dir", "give a folder that survives reboots, as `dir: /var/lib/roster/agent`", "no data folder")
	}
	if !c.TLS.IsZero() {
		if err := c.TLS.Validate(); err != nil {
			fs.add("tls", "give all of `ca`, `cert` and `key`", "%v", err)
		}
	}
	c.validateMembers(&fs)
	for _, d := range []struct {
		path  string
		value int64
	}{{"probe_interval", int64(c.ProbeInterval)}, {"heartbeat", int64(c.Heartbeat)}} {
		if d.value < 0 {
			fs.add(d.path, "leave it out for the default", "a negative time")
		}
	}
	for key := range c.Claims.GetLabels() {
		if slices.Contains([]string{"region", "zone", "id"}, key) {
			fs.add("labels", "take it out of labels; region and zone are keys of their own, id is `node`", "label %q is what the node already is", key)
		}
	}
	c.validateServices(&fs)
	return fs.err()
}

func (c Config) validateMembers(fs *Faults) {
	if len(c.Members) == 0 {
		fs.add("members", "list some members' API addresses, as `members: [10.0.0.1:7401]`", "no member to talk to")
	}
	for i, m := range c.Members {
		path := fmt.Sprintf("members[%d]", i)
		host, port, err := net.SplitHostPort(m)
		if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || n == 0 || host == "" {
			fs.add(path, "write host:port", "%q is no address", m)
			continue
		}
		if c.TLS.IsZero() && !isLoopback(m) {
			fs.add(path, "give `tls` with ca, cert and key (`roster certs` makes them)", "%s is not on this host and there is no TLS", m)
		}
	}
}

func (c Config) validateServices(fs *Faults) {
	seen := make(map[string]bool)
	taken := make(map[string]string)
	groups := make(map[string]string)
	for i, s := range c.Claims.GetServices() {
		path := fmt.Sprintf("services[%d]", i)
		name := s.GetName()
		switch {
		case name == "smtp":
			fs.add(path+".name", "name smtp-inbound and smtp-outbound, each with its endpoints", "`smtp` stands for two services")
		case !serviceName(name):
			fs.add(path+".name", "use 1 to 63 lower-case letters, digits and '-', as imap or smtp-inbound", "%q is no service name", name)
		case seen[name]:
			fs.add(path+".name", "give one service all of its endpoints", "service %s is there twice", name)
		}
		seen[name] = true

		command, hasCommand := c.Process[name]
		scripts, hasScripts := c.Exec[name]
		switch driver := s.GetDriver(); {
		case c.Drivers[driver] != nil:
		case driver == DriverBuiltin:
		case driver == DriverProcess:
			if !hasCommand {
				fs.add(path, "give `process` with at least `argv`", "service %s has no command", name)
				break
			}
			for _, f := range command.Faults() {
				fs.add(path+".process."+f.Key, f.Mend, "%s", f.Message)
			}
			if s.GetRestartGroup() != "" {
				fs.add(path+".restart_group", "take it out", "the process driver runs one process per service; it has no restart groups")
			}
		case driver == DriverExec:
			if !hasScripts {
				fs.add(path, "give `exec` with `start`, `stop` and `status`", "service %s has no scripts", name)
				break
			}
			for _, f := range scripts.Faults() {
				fs.add(path+".exec."+f.Key, f.Mend, "%s", f.Message)
			}
			if s.GetRestartGroup() != "" {
				fs.add(path+".restart_group", "take it out", "the exec driver runs each service by itself; it has no restart groups")
			}
		case driver == "":
			fs.add(path, "say `driver: process`", "service %s has no driver", name)
		default:
			fs.add(path+".driver", orNearest(driver, []string{DriverProcess, DriverExec, DriverBuiltin}, "use process, exec or builtin"), "there is no driver %q", driver)
		}
		if hasScripts && s.GetDriver() != DriverExec {
			fs.add(path+".exec", "say `driver: exec`, or take `exec` out", "driver %q runs no scripts", s.GetDriver())
		}
		if s.GetNeverStop() && s.GetRestartGroup() != "" {
			fs.add(path+".restart_group", "take it out of its group, or out of `never_stop`", "service %s is never to be stopped, and whatever starts or stops in its restart group restarts it", name)
		}
		if hasCommand && s.GetDriver() != DriverProcess {
			fs.add(path+".process", "say `driver: process`, or take `process` out", "driver %q runs no command", s.GetDriver())
		}
		if g := s.GetRestartGroup(); g != "" {
			if other, ok := groups[g]; ok && other != s.GetDriver() {
				fs.add(path+".restart_group", "use one driver for all of a group", "restart group %s has services of two drivers", g)
			}
			groups[g] = s.GetDriver()
		}
		c.validateEndpoints(fs, path, s, taken)
	}
	for name := range c.Process {
		if !seen[name] {
			fs.add("services", "add the service, or take the command out", "there is a command for %s, which is no service", name)
		}
	}
	for name := range c.Exec {
		if !seen[name] {
			fs.add("services", "add the service, or take the scripts out", "there are scripts for %s, which is no service", name)
		}
	}
}

func (c Config) validateEndpoints(fs *Faults, path string, s *v1.ServiceClaim, taken map[string]string) {
	if len(s.GetEndpoints()) == 0 {
		fs.add(path, "give `endpoints: [{host: ADDRESS, port: PORT}]`", "service %s has no endpoint: nobody could find or probe it", s.GetName())
	}
	web := s.GetName() == "jmap" || s.GetName() == "webdav"
	for i, e := range s.GetEndpoints() {
		path := fmt.Sprintf("%s.endpoints[%d]", path, i)
		ip := net.ParseIP(e.GetHost())
		switch {
		case e.GetHost() == "" || strings.ContainsAny(e.GetHost(), " /[]"):
			fs.add(path+".host", "give the address or the name that clients dial", "%q is no host", e.GetHost())
		case ip != nil && ip.IsUnspecified():
			fs.add(path+".host", "give the address that clients dial, not the one that the daemon binds", "%s is every address", e.GetHost())
		}
		if e.GetPort() == 0 || e.GetPort() > 65535 {
			fs.add(path+".port", "use 1 to 65535", "%d is no port", e.GetPort())
		}
		address := net.JoinHostPort(e.GetHost(), strconv.FormatUint(uint64(e.GetPort()), 10))
		if other, ok := taken[address]; ok {
			fs.add(path, "give each endpoint an address of its own", "%s is an endpoint of %s already", address, other)
		}
		taken[address] = s.GetName()
		if e.GetPath() != "" && (!web || !strings.HasPrefix(e.GetPath(), "/")) {
			fs.add(path+".path", "only jmap and webdav have one, and it begins with /", "path %q", e.GetPath())
		}
		if e.GetTls() == v1.Tls_TLS_STARTTLS && web {
			fs.add(path+".tls", "use implicit or none", "HTTP has no STARTTLS")
		}
		if s.GetDriver() == DriverBuiltin && c.Drivers[DriverBuiltin] == nil && e.GetTls() > v1.Tls_TLS_NONE {
			fs.add(path+".tls", "take it out", "the builtin driver's servers speak no TLS")
		}
	}
}

func serviceName(name string) bool {
	if len(name) == 0 || len(name) > 63 {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if !(c >= 'a' && c <= 'z' || i > 0 && (c >= '0' && c <= '9' || c == '-')) {
			return false
		}
	}
	return true
}
