package cluster

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"roster/integration/checker/history"
	"roster/integration/loopback"
)

// DevHeartbeat is the heartbeat of `roster dev`.
const DevHeartbeat = 500 * time.Millisecond

// Dev starts `roster dev` with these arguments and returns the cluster that it
// is, once its first topology is true. Its members are no processes of their
// own.
func Dev(t testing.TB, args ...string) *Cluster {
	t.Helper()
	c := &Cluster{Name: "dev", Dir: loopback.Dir(t), t: t}
	p := newProcess(t, "dev", c.Dir, append([]string{Binary(t), "dev", "-o", "json"}, args...)...)
	c.dev = p
	p.Start()
	// Before Binary's folder and our own go, and in order.
	t.Cleanup(func() {
		if p.Running() {
			p.Stop()
		}
	})
	Until(t, 2*time.Minute, "roster dev settles", func() error {
		if !p.Running() {
			t.Fatalf("roster dev ended:\n%s", p.tail(8<<10))
		}
		status, err := newestStatus(p.Log)
		if err != nil {
			return err
		}
		if len(c.Members) == 0 {
			for _, m := range status.Members {
				c.Members = append(c.Members, &Member{Address: m.Address})
			}
		}
		if !status.Settled {
			return fmt.Errorf("not settled; %s", status.line())
		}
		return nil
	})
	return c
}

// Cut runs `roster dev kill` or `roster dev revive` for a node or a member.
func (c *Cluster) Cut(verb, id string) {
	c.t.Helper()
	Run(c.t, "dev", verb, id, "--pid", strconv.Itoa(c.dev.PID())).OK(c.t)
}

// newestStatus is the last whole status that `roster dev -o json` printed.
func newestStatus(log string) (*Status, error) {
	text, err := os.ReadFile(log)
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	var newest *Status
	decoder := json.NewDecoder(bufio.NewReader(bytes.NewReader(justJSON(text))))
	for decoder.More() {
		var status Status
		if err := decoder.Decode(&status); err != nil {
			break // the last one is still being written
		}
		newest = &status
	}
	if newest == nil {
		return nil, fmt.Errorf("no status printed yet")
	}
	return newest, nil
}

// justJSON leaves out the notes, which do not begin with a brace, a bracket or
// white space.
func justJSON(text []byte) []byte {
	var out []byte
	for line := range bytes.Lines(text) {
		if bytes.ContainsAny(line[:1], "{}[] \t\"") {
			out = append(out, line...)
		}
	}
	return out
}

// NodeTargets are the addresses at which the registered nodes claim to be able
// to run these services, from `roster node list -o json`.
func (c *Cluster) NodeTargets(services ...string) []history.Target {
	c.t.Helper()
	var list struct {
		Nodes []struct {
			ID     string `json:"id"`
			Claims struct {
				Services []struct {
					Name      string `json:"name"`
					Endpoints []struct {
						Host string `json:"host"`
						Port int    `json:"port"`
						Path string `json:"path"`
					} `json:"endpoints"`
				} `json:"services"`
			} `json:"claims"`
		} `json:"nodes"`
	}
	if err := c.JSON(&list, "node", "list"); err != nil {
		c.t.Fatal(err)
	}
	var targets []history.Target
	for _, n := range list.Nodes {
		for _, s := range n.Claims.Services {
			if !slices.Contains(services, s.Name) {
				continue
			}
			for _, e := range s.Endpoints {
				targets = append(targets, history.Target{
					Node: n.ID, Service: s.Name, Address: net.JoinHostPort(e.Host, strconv.Itoa(e.Port)),
					Protocol: protocols[s.Name], Path: e.Path,
				})
			}
		}
	}
	if len(targets) == 0 {
		c.t.Fatal("the nodes claim no endpoints")
	}
	return targets
}
