// Package site is what tests of a whole cluster share: the ten mail hosts of the
// examples, a checker beside them, topologies with timings that a test can wait
// for, and the words for what is assigned where. It knows the binary and its
// commands only, and must not know what a test proves. A Site belongs to one
// test; its methods may be called from several goroutines of it.
package site

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"roster/fsm/topology"
	"roster/integration/cluster"
	v1 "roster/proto/roster/v1"

	"google.golang.org/protobuf/types/known/durationpb"
)

// Timings as short as a topology may ask for, so that a test can wait for each.
const (
	Heartbeat    = 2 * time.Second // as usual
	DownAfter    = 6 * time.Second
	ReturnAfter  = 5 * time.Second
	ReplaceAfter = 14 * time.Second
	// Bound is how long anything may take on a machine that does much else.
	Bound = 2 * time.Minute
	// MendWithin is what the checker lets pass before it calls a start late: the
	// goal is down_after and two seconds, and is printed; a machine with two
	// processors and thirty processes is given more.
	MendWithin = DownAfter + 30*time.Second
	// DialEvery is how often the checker dials each endpoint.
	DialEvery = 100 * time.Millisecond
)

// Services that every node of the examples can run.
var Services = []string{"imap", "jmap", "smtp-inbound", "smtp-outbound", "webdav"}

// Site is a cluster with mail hosts and, once it watches, a checker beside it.
type Site struct {
	*cluster.Cluster
	t    *testing.T
	beat time.Duration

	// Agents by node.
	Agents  map[string]*cluster.Agent
	Watcher *cluster.Watcher
	Events  *cluster.Events
}

// Hosts are the ten nodes of the examples.
func Hosts(t *testing.T) []cluster.Node {
	t.Helper()
	like, err := topology.ParseNodes("nodes.yaml", topology.ExampleNodes())
	if err != nil {
		t.Fatal(err)
	}
	var nodes []cluster.Node
	for _, n := range like {
		nodes = append(nodes, cluster.Builtin(t, n.GetId(), n.GetClaims().GetRegion(), n.GetClaims().GetZone(), Services...))
	}
	return nodes
}

// New starts members, and an agent for each node, and waits until all are up.
func New(t *testing.T, options cluster.Options, nodes []cluster.Node) *Site {
	t.Helper()
	s := &Site{Cluster: cluster.New(t, options), t: t, beat: options.Heartbeat, Agents: map[string]*cluster.Agent{}}
	if s.beat == 0 {
		s.beat = Heartbeat
	}
	s.Populate(nodes)
	return s
}

// Populate starts an agent for each node and waits until all are up.
func (s *Site) Populate(nodes []cluster.Node) {
	s.t.Helper()
	for i, a := range s.StartAgents(Bound, nodes...) {
		s.Agents[nodes[i].ID] = a
	}
}

// Watch puts the checker and the follower of events to work.
func (s *Site) Watch(nodes []cluster.Node) {
	s.Watcher = cluster.Watch(s.t, cluster.Targets(nodes...), DialEvery, s.beat)
	s.Events = s.FollowEvents(s.Watcher)
}

// Verdict ends the watch; the test fails unless the checker is content.
func (s *Site) Verdict() {
	s.t.Helper()
	s.Watcher.Verdict("-mend-within", MendWithin.String())
}

// TopologyFile is an example topology with our timings, changed as asked.
func (s *Site) TopologyFile(name string, change func(*v1.Topology)) string {
	s.t.Helper()
	source, ok := topology.Example(name)
	if !ok {
		s.t.Fatalf("no example %s", name)
	}
	top, err := topology.Parse(name+".yaml", source)
	if err != nil {
		s.t.Fatal(err)
	}
	if top.Policy == nil {
		top.Policy = &v1.Policy{}
	}
	top.Policy.DownAfter = durationpb.New(DownAfter)
	top.Policy.ReturnAfter = durationpb.New(ReturnAfter)
	top.Policy.ReplaceAfter = durationpb.New(ReplaceAfter)
	if change != nil {
		change(top)
	}
	return s.File(fmt.Sprintf("%s-%d.yaml", name, time.Now().UnixNano()), string(topology.Format(top)))
}

// Apply makes a file the topology and waits until it is true. On a machine that
// is short of processors a node may be suspect for a moment: a refusal for what
// changed meanwhile is tried again.
func (s *Site) Apply(name, file string) *cluster.Status {
	s.t.Helper()
	cluster.Until(s.t, Bound, "apply "+file, func() error {
		result := s.CLI("topology", "apply", "-f", file, "--yes", "--allow-stop")
		if result.Code == 0 {
			return nil
		}
		if !strings.Contains(result.Stderr, "not up") && !strings.Contains(result.Stderr, "plan") {
			s.t.Fatal(result.String())
		}
		return fmt.Errorf("%s", result)
	})
	return s.Settled(Bound, name)
}

// KillAgents ends agents and what they run, without goodbye.
func (s *Site) KillAgents(why string, ids ...string) {
	s.t.Helper()
	s.Watcher.Fault(why, ids...)
	for _, id := range ids {
		s.Agents[id].Kill()
	}
}

// Revive brings them back and waits until they are up.
func (s *Site) Revive(ids ...string) {
	s.t.Helper()
	for _, id := range ids {
		s.Agents[id].Start()
	}
	s.UntilState("up", ids...)
}

// UntilState waits until nodes are in a state.
func (s *Site) UntilState(state string, ids ...string) *cluster.Status {
	s.t.Helper()
	return s.Until(Bound, strings.Join(ids, ", ")+" "+state, func(status *cluster.Status) error {
		for _, n := range status.Nodes {
			if slices.Contains(ids, n.ID) && n.State != state {
				return fmt.Errorf("%s is %s", n.ID, n.State)
			}
		}
		return nil
	})
}
