package members

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"roster/integration/cluster"
	"roster/integration/loopback"
)

const (
	// bound is how long anything may take on a machine that does much else.
	bound     = 3 * time.Minute
	heartbeat = 500 * time.Millisecond
)

var services = []string{"imap", "jmap", "smtp-inbound", "webdav"}

// site is a cluster with four mail hosts.
type site struct {
	*cluster.Cluster
	t      *testing.T
	nodes  []cluster.Node
	agents []*cluster.Agent
	pids   map[string]int
	// first are the members that the cluster began with.
	first []*cluster.Member
}

func newSite(t *testing.T, members int) *site {
	t.Helper()
	s := &site{Cluster: cluster.New(t, cluster.Options{Members: members, Heartbeat: heartbeat}), t: t, pids: map[string]int{}}
	for i := range 4 {
		s.nodes = append(s.nodes, cluster.Builtin(t, fmt.Sprintf("node-%d", i+1), "a", fmt.Sprintf("a%d", i%2+1), services...))
	}
	s.first = slices.Clone(s.Members)
	s.agents = s.StartAgents(bound, s.nodes...)
	for _, a := range s.agents {
		s.pids[a.Name] = a.PID()
	}
	return s
}

// topologyOf places imap on some nodes and the rest on others; sessions keep a
// service for as long as they are open, up to a minute.
func topologyOf(name, imap, rest string) string {
	return fmt.Sprintf(`cluster: example-mail
name: %s
pools:
  - {name: imap, services: [imap], count: 2, nodes: ["%s"]}
  - {name: rest, services: [jmap, webdav, smtp-inbound], count: 2, nodes: ["%s"]}
services:
  - {name: imap, floor: 2, drain: 1m}
  - {name: jmap, floor: 2, drain: 1s}
  - {name: webdav, floor: 2, drain: 1s}
  - {name: smtp-inbound, floor: 2, drain: 1s}
policy: {down_after: 10s, max_moving: 100%%}
`, name, imap, rest)
}

// floors of those topologies, which are also their counts.
var floors = map[string]int{"imap": 2, "jmap": 2, "webdav": 2, "smtp-inbound": 2}

// apply makes a topology true.
func (s *site) apply(name, imap, rest string) *cluster.Status {
	s.t.Helper()
	return s.applyText(name, topologyOf(name, imap, rest))
}

func (s *site) applyText(name, text string) *cluster.Status {
	s.t.Helper()
	file := s.File(name+".yaml", text)
	cluster.Until(s.t, bound, "apply "+name, func() error {
		// On a busy machine a node may be suspect for a moment.
		if result := s.CLI("topology", "apply", "-f", file, "--yes", "--allow-stop"); result.Code != 0 {
			return fmt.Errorf("%s", result)
		}
		return nil
	})
	return s.Settled(bound, name)
}

// sets are the services of each node.
func sets(status *cluster.Status) map[string][]string {
	out := map[string][]string{}
	for _, n := range status.Nodes {
		out[n.ID] = n.Services
	}
	return out
}

// whole waits until the cluster is well under a topology, with that many votes.
func (s *site) whole(what, topology string, votes int) *cluster.Status {
	s.t.Helper()
	return s.Until(bound, what, func(status *cluster.Status) error {
		voting := 0
		for _, m := range status.Members {
			if m.Voter {
				voting++
			}
		}
		switch {
		case status.State != "ok" || !status.Settled:
			return fmt.Errorf("state %s, settled %v: %v", status.State, status.Settled, status.Sentences)
		case status.Topology == nil || status.Topology.Name != topology:
			return fmt.Errorf("topology %+v", status.Topology)
		case voting != votes || len(status.Members) != votes:
			return fmt.Errorf("%d of %d members vote", voting, len(status.Members))
		case !maps.Equal(status.Ready(), floors):
			return fmt.Errorf("ready %v", status.Ready())
		}
		return nil
	})
}

// leads waits until a leader is known.
func (s *site) leads(what string) *cluster.Status {
	s.t.Helper()
	return s.Until(bound, what, func(status *cluster.Status) error {
		if !slices.ContainsFunc(status.Members, func(m cluster.StatusMember) bool { return m.Leader }) {
			return fmt.Errorf("no leader: %s, %v", status.State, status.Sentences)
		}
		return nil
	})
}

// sameAgents fails where an agent, and what it runs, was restarted.
func (s *site) sameAgents() {
	s.t.Helper()
	for _, a := range s.agents {
		if !a.Running() || a.PID() != s.pids[a.Name] {
			s.t.Errorf("%s runs: %v, process %d, was %d", a.Name, a.Running(), a.PID(), s.pids[a.Name])
		}
	}
}

// epoch of the cluster.
func (s *site) epoch() uint64 {
	s.t.Helper()
	var status struct {
		Epoch uint64 `json:"epoch"`
	}
	cluster.Until(s.t, bound, "read the epoch", func() error { return s.JSON(&status, "status") })
	return status.Epoch
}

// loseForGood kills members and deletes their data folders.
func (s *site) loseForGood(members ...*cluster.Member) {
	s.t.Helper()
	for _, m := range members {
		m.Kill()
	}
	for _, m := range members {
		if err := os.RemoveAll(m.Data); err != nil {
			s.t.Fatal(err)
		}
	}
}

// others are the members but one.
func (s *site) others(one *cluster.Member) []*cluster.Member {
	return slices.DeleteFunc(slices.Clone(s.Members), func(m *cluster.Member) bool { return m == one })
}

// copyOf keeps a member's data folder, as a host that comes back has it.
func (s *site) copyOf(m *cluster.Member) string {
	s.t.Helper()
	to := filepath.Join(loopback.Dir(s.t), "copy")
	if err := os.CopyFS(to, os.DirFS(m.Data)); err != nil {
		s.t.Fatal(err)
	}
	return to
}

// grow lets members join and start, one after the other.
func (s *site) grow(topology string, members ...*cluster.Member) {
	s.t.Helper()
	for _, m := range members {
		s.Join(m).OK(s.t)
		m.Start()
		s.Members = append(s.Members, m)
		s.whole(m.Name+" has a vote", topology, len(s.Members))
	}
}

// saved is what `member snapshot inspect` says, and whether it is whole.
func saved(t *testing.T, file string) map[string]any {
	t.Helper()
	result := cluster.Run(t, "member", "snapshot", "inspect", file, "-o", "json").OK(t)
	var summary map[string]any
	if err := json.Unmarshal([]byte(result.Stdout), &summary); err != nil {
		t.Fatalf("%s: %v", result, err)
	}
	return summary
}

// says wants words in what a command or a process said.
func says(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("%q is not said in:\n%s", word, text)
		}
	}
}
