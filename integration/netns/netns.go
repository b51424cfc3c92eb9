// Package netns runs a test in a network of its own: a namespace with a bridge,
// and further namespaces for hosts that can be cut off from it. It owns the
// namespaces and takes them away again; it must not know what runs in them.
// Everything that it makes lies inside the first namespace: no packet of a test
// leaves it. A Network belongs to one test.
package netns

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"roster/integration/require"
)

// Hub is the address of the test's own side of the bridge: what listens there is
// reached by every host.
const Hub = "10.77.0.1"

// inside tells the second life of a test that it is one.
const inside = "ROSTER_TEST_NETNS"

// Network is a bridge with hosts.
type Network struct {
	t     testing.TB
	hosts int
}

// Enter goes on in a network of its own. It runs the test again, as a process in
// a namespace, and reports how that one ended; the first life returns false and
// has nothing left to do.
func Enter(t *testing.T) (*Network, bool) {
	t.Helper()
	require.Network(t)
	if os.Getenv(inside) == "" {
		again(t)
		return nil, false
	}
	n := &Network{t: t}
	n.run("ip", "link", "set", "lo", "up")
	n.run("ip", "link", "add", "hub", "type", "bridge")
	n.run("ip", "address", "add", Hub+"/24", "dev", "hub")
	n.run("ip", "link", "set", "hub", "up")
	return n, true
}

func again(t *testing.T) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	arguments := []string{"--net", "--", self, "-test.run", "^" + t.Name() + "$", "-test.v", "-test.count", "1"}
	cmd := exec.Command("unshare", arguments...) //nolint:gosec // ourselves
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if testing.Verbose() {
		cmd.Stdout = io.MultiWriter(&out, os.Stderr)
		cmd.Stderr = cmd.Stdout
	}
	err = cmd.Run()
	text := strings.TrimSpace(out.String())
	switch {
	case err != nil:
		t.Fatalf("in its own network: %v\n%s", err, text)
	case !strings.Contains(text, "--- PASS: "+t.Name()):
		t.Fatalf("in its own network it did not run:\n%s", text)
	default:
		t.Log(text)
	}
}

func (n *Network) run(argv ...string) {
	n.t.Helper()
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil { //nolint:gosec // our own words
		n.t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
}

// Host is a namespace with one address on the bridge.
type Host struct {
	Address string

	network *Network
	name    string
}

// Host adds one.
func (n *Network) Host() *Host {
	n.t.Helper()
	n.hosts++
	number := n.hosts
	h := &Host{Address: fmt.Sprintf("10.77.0.%d", 10+number), network: n, name: fmt.Sprintf("roster-%d-%d", os.Getpid(), number)}
	n.run("ip", "netns", "add", h.name)
	n.t.Cleanup(func() { n.run("ip", "netns", "delete", h.name) })
	link := fmt.Sprintf("host%d", number)
	n.run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", h.name)
	n.run("ip", "link", "set", link, "master", "hub", "up")
	n.run("ip", "-n", h.name, "address", "add", h.Address+"/24", "dev", "eth0")
	n.run("ip", "-n", h.name, "link", "set", "eth0", "up")
	n.run("ip", "-n", h.name, "link", "set", "lo", "up")
	return h
}

// Argv is a command that runs on the host, under its own process id.
func (h *Host) Argv(argv ...string) []string {
	return append([]string{"ip", "netns", "exec", h.name}, argv...)
}

// Cut lets nothing through any more between the host and these ports of the
// hub, in either direction and without a word: no reset, no refusal.
func (h *Host) Cut(ports string) { h.filter("-A", ports) }

// Mend ends a Cut of the same ports.
func (h *Host) Mend(ports string) { h.filter("-D", ports) }

func (h *Host) filter(verb, ports string) {
	h.network.t.Helper()
	h.network.run(h.Argv("iptables", "-w", verb, "OUTPUT", "-p", "tcp", "-d", Hub, "--dport", ports, "-j", "DROP")...)
	h.network.run(h.Argv("iptables", "-w", verb, "INPUT", "-p", "tcp", "-s", Hub, "--sport", ports, "-j", "DROP")...)
}
