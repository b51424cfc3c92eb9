// Package adoption takes over a mail cluster that serves already: real Dovecots
// that an operator started, real members, real agents. It knows the binary and
// its commands only.
package adoption

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"roster/integration/cluster"
	"roster/integration/daemons"
	"roster/integration/loopback"
	"roster/integration/require"
)

const bound = 2 * time.Minute

// host is one that serves before Roster comes.
type host struct {
	id, address string
	dovecot     *daemons.Instance
	pid         int
	session     *daemons.IMAP
}

// serve starts a Dovecot as an operator would, and logs in.
func serve(t *testing.T, dir, id string) *host {
	t.Helper()
	port := loopback.Ports(t, 1)[0]
	i, err := daemons.Dovecot(filepath.Join(dir, id), id+"-imap", loopback.Host, port)
	if err != nil {
		t.Fatal(err)
	}
	output, err := os.Create(filepath.Join(i.Dir, "output"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(i.Command.Argv[0], i.Command.Argv[1:]...) //nolint:gosec // our own configuration
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Kill(); err != nil {
			t.Errorf("end %s: %v", id, err)
		}
		_ = cmd.Wait() // how it ended was said above
		_ = output.Close()
	})
	h := &host{id: id, address: loopback.Address(port), dovecot: i}
	cluster.Until(t, bound, id+" serves", func() error {
		h.session, err = daemons.Login(t.Context(), h.address, "ann")
		return err
	})
	if h.pid, err = i.PID(); err != nil || h.pid == 0 {
		t.Fatalf("%s: process %d, %v", id, h.pid, err)
	}
	i.Command.Adopt.PIDFile = i.PIDFile()
	return h
}

// untouched says that the same process serves the same session.
func (h *host) untouched(t *testing.T, when string) {
	t.Helper()
	if pid, err := h.dovecot.PID(); err != nil || pid != h.pid {
		t.Fatalf("%s, %s: process was %d, is %d (%v)", when, h.id, h.pid, pid, err)
	}
	if err := h.session.Do("NOOP"); err != nil {
		t.Fatalf("%s, %s: the session: %v", when, h.id, err)
	}
}

func TestFiveHostsThatServeAlreadyAreAdoptedWithoutARestart(t *testing.T) {
	require.Daemons(t)
	dir := loopback.Dir(t)
	var hosts []*host
	for i := range 5 {
		hosts = append(hosts, serve(t, dir, fmt.Sprintf("node-%d", i+1)))
	}
	all := func(when string) {
		t.Helper()
		for _, h := range hosts {
			h.untouched(t, when)
		}
	}

	// Members and observing agents come; nothing is touched, everything is seen.
	c := cluster.New(t, cluster.Options{})
	var nodes []cluster.Node
	for i, h := range hosts {
		nodes = append(nodes, cluster.Node{
			ID: h.id, Region: "a", Zone: fmt.Sprintf("a%d", i%2+1), Observe: true,
			Services: []cluster.Service{{Name: "imap", Port: h.dovecot.Port, Daemon: h.dovecot}},
		})
	}
	agents := c.StartAgents(bound, nodes...)
	c.Until(bound, "what serves is seen", func(s *cluster.Status) error {
		if s.Services["imap"].Ready != 5 {
			return fmt.Errorf("imap ready: %+v", s.Services["imap"])
		}
		return nil
	})
	all("while they are observed")
	if r := c.CLI("node", "drain", "node-1", "--reason", "too early"); r.Code == 0 {
		cluster.Quiet(t, 3*time.Second, "a drain of a node that is only observed", func() error {
			hosts[0].untouched(t, "drained while it is observed")
			return nil
		})
		c.CLI("node", "undrain", "node-1").OK(t)
	}

	// The topology that matches them has nothing to do.
	file := filepath.Join(dir, "imported.yaml")
	imported := c.CLI("topology", "import", "-f", file, "--detailed-exitcode")
	if imported.Code != 0 {
		t.Fatalf("its plan is not empty: %s", imported)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("imported:\n%s", text)
	if r := c.CLI("topology", "plan", "-f", file).OK(t); !strings.Contains(r.Stdout, "Nothing starts, nothing stops.") {
		t.Errorf("the plan of the imported file: %s", r)
	}
	c.CLI("topology", "apply", "-f", file, "--yes").OK(t)
	c.Until(bound, "it is in force, with nothing to do", func(s *cluster.Status) error {
		if s.Topology == nil || s.Services["imap"].Ready != 5 || s.Services["imap"].Floor < 1 {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	all("with the imported topology")

	// One by one they are handed over.
	for _, h := range hosts {
		c.CLI("node", "activate", h.id).OK(t)
		c.Until(bound, h.id+" acts", func(s *cluster.Status) error {
			for _, n := range s.Nodes {
				if n.ID == h.id && n.Mode != "act" {
					return fmt.Errorf("mode %s", n.Mode)
				}
			}
			return nil
		})
		all(h.id + " handed over")
	}
	c.Until(bound, "settled", func(s *cluster.Status) error {
		if s.State != "ok" || !s.Settled || s.Services["imap"].Ready != 5 {
			return fmt.Errorf("state %s, settled %v, imap %+v: %v", s.State, s.Settled, s.Services["imap"], s.Sentences)
		}
		return nil
	})

	// Neither an agent's death nor the members' changes that.
	agents[1].Kill()
	agents[1].Start()
	for _, m := range c.Members {
		m.Kill()
	}
	all("without any member")
	for _, m := range c.Members {
		m.Start()
	}
	c.Until(bound, "the members are back", func(s *cluster.Status) error {
		if s.State != "ok" || s.Services["imap"].Ready != 5 {
			return fmt.Errorf("state %s: %v", s.State, s.Sentences)
		}
		return nil
	})
	all("after the members' return")

	// And Roster rules: a drain ends one, when its session has left, and nothing
	// else.
	last := hosts[4]
	if err := last.session.Logout(); err != nil {
		t.Fatal(err)
	}
	hosts = hosts[:4]
	c.CLI("node", "drain", last.id, "--reason", "a new disk", "--wait").OK(t)
	cluster.Until(t, bound, last.id+" has stopped", func() error {
		pid, err := last.dovecot.PID()
		if err == nil && pid != 0 {
			err = fmt.Errorf("process %d runs on", pid)
		}
		return err
	})
	all("with " + last.id + " drained")
}
