// Package failover kills real agents, with the servers that they run, under real
// members, and looks from outside at what the cluster makes of it: a checker of
// its own dials every endpoint throughout. It knows the binary and its commands
// only.
package failover

import (
	"fmt"
	"maps"
	"slices"
	"sort"
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
	heartbeat    = 2 * time.Second // as usual
	downAfter    = 6 * time.Second
	returnAfter  = 5 * time.Second
	replaceAfter = 14 * time.Second
	// bound is how long anything may take on a machine that does much else.
	bound = 2 * time.Minute
	// mendWithin is what the checker lets pass before it calls a start late: the
	// goal is down_after and two seconds, and is printed; a machine with two
	// processors and thirty processes is given more.
	mendWithin = downAfter + 30*time.Second
	dialEvery  = 100 * time.Millisecond
)

var services = []string{"imap", "jmap", "smtp-inbound", "smtp-outbound", "webdav"}

// site is a cluster with ten mail hosts and a checker beside it.
type site struct {
	*cluster.Cluster
	t       *testing.T
	agents  map[string]*cluster.Agent
	watcher *cluster.Watcher
	events  *cluster.Events
}

// hosts are the ten nodes of the examples.
func hosts(t *testing.T) []cluster.Node {
	t.Helper()
	like, err := topology.ParseNodes("nodes.yaml", topology.ExampleNodes())
	if err != nil {
		t.Fatal(err)
	}
	var nodes []cluster.Node
	for _, n := range like {
		nodes = append(nodes, cluster.Builtin(t, n.GetId(), n.GetClaims().GetRegion(), n.GetClaims().GetZone(), services...))
	}
	return nodes
}

func newSite(t *testing.T, nodes []cluster.Node) *site {
	t.Helper()
	s := &site{Cluster: cluster.New(t, cluster.Options{}), t: t, agents: map[string]*cluster.Agent{}}
	for i, a := range s.StartAgents(bound, nodes...) {
		s.agents[nodes[i].ID] = a
	}
	return s
}

// watch puts the checker and the follower of events to work.
func (s *site) watch(nodes []cluster.Node) {
	s.watcher = cluster.Watch(s.t, cluster.Targets(nodes...), dialEvery, heartbeat)
	s.events = s.FollowEvents(s.watcher)
}

func (s *site) verdict() {
	s.t.Helper()
	s.watcher.Verdict("-mend-within", mendWithin.String())
}

// file is an example topology with our timings, changed as asked.
func (s *site) file(name string, change func(*v1.Topology)) string {
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
	top.Policy.DownAfter = durationpb.New(downAfter)
	top.Policy.ReturnAfter = durationpb.New(returnAfter)
	top.Policy.ReplaceAfter = durationpb.New(replaceAfter)
	if change != nil {
		change(top)
	}
	return s.File(fmt.Sprintf("%s-%d.yaml", name, time.Now().UnixNano()), string(topology.Format(top)))
}

// apply makes a file the topology and waits until it is true. On a machine that
// is short of processors a node may be suspect for a moment: a refusal for what
// changed meanwhile is tried again.
func (s *site) apply(name, file string) *cluster.Status {
	s.t.Helper()
	cluster.Until(s.t, bound, "apply "+file, func() error {
		result := s.CLI("topology", "apply", "-f", file, "--yes", "--allow-stop")
		if result.Code == 0 {
			return nil
		}
		if !strings.Contains(result.Stderr, "not up") && !strings.Contains(result.Stderr, "plan") {
			s.t.Fatal(result.String())
		}
		return fmt.Errorf("%s", result)
	})
	return s.Settled(bound, name)
}

// duty is one (node, service) as the cluster wants it.
type duty struct {
	node, service, pool, wanted string
	borrowed                    bool
}

// duties is everything that is assigned, in order.
func (s *site) duties() ([]duty, error) {
	s.t.Helper()
	var list struct {
		Nodes []struct {
			Node        string `json:"node"`
			Assignments []struct {
				Service  string `json:"service"`
				Pool     string `json:"pool"`
				Wanted   string `json:"wanted"`
				Borrowed bool   `json:"borrowed"`
			} `json:"assignments"`
		} `json:"nodes"`
	}
	if err := s.JSON(&list, "assignment", "list"); err != nil {
		return nil, err
	}
	var out []duty
	for _, n := range list.Nodes {
		for _, a := range n.Assignments {
			out = append(out, duty{n.Node, a.Service, a.Pool, a.Wanted, a.Borrowed})
		}
	}
	slices.SortFunc(out, func(a, b duty) int { return strings.Compare(a.node+"/"+a.service, b.node+"/"+b.service) })
	return out, nil
}

func (s *site) mustDuties() []duty {
	s.t.Helper()
	var out []duty
	cluster.Until(s.t, bound, "list what is assigned", func() (err error) {
		out, err = s.duties()
		return err
	})
	return out
}

// same says that everything is assigned as it was, but what else allows.
func (s *site) same(before []duty, allowed func(duty) bool) error {
	now, err := s.duties()
	if err != nil {
		return nil //nolint:nilerr // asked again; what is asserted is what is assigned
	}
	var differs []string
	for _, d := range now {
		if !slices.Contains(before, d) && (allowed == nil || !allowed(d)) {
			differs = append(differs, fmt.Sprintf("+%+v", d))
		}
	}
	for _, d := range before {
		if !slices.Contains(now, d) && (allowed == nil || !allowed(d)) {
			differs = append(differs, fmt.Sprintf("-%+v", d))
		}
	}
	if len(differs) > 0 {
		return fmt.Errorf("the assignments changed: %s", strings.Join(differs, ", "))
	}
	return nil
}

// kill ends agents and what they run, without goodbye.
func (s *site) kill(why string, ids ...string) {
	s.t.Helper()
	s.watcher.Fault(why, ids...)
	for _, id := range ids {
		s.agents[id].Kill()
	}
}

// revive brings them back and waits until they are up.
func (s *site) revive(ids ...string) {
	s.t.Helper()
	for _, id := range ids {
		s.agents[id].Start()
	}
	s.untilState("up", ids...)
}

func (s *site) untilState(state string, ids ...string) *cluster.Status {
	s.t.Helper()
	return s.Until(bound, strings.Join(ids, ", ")+" "+state, func(status *cluster.Status) error {
		for _, n := range status.Nodes {
			if slices.Contains(ids, n.ID) && n.State != state {
				return fmt.Errorf("%s is %s", n.ID, n.State)
			}
		}
		return nil
	})
}

// carriers are the nodes that serve a service, in order.
func carriers(all []duty, service string) []string {
	var out []string
	for _, d := range all {
		if d.service == service && d.wanted == "serving" {
			out = append(out, d.node)
		}
	}
	sort.Strings(out)
	return out
}

// floorsOf are the floors that status tells.
func floorsOf(status *cluster.Status) map[string]int {
	floors := map[string]int{}
	for name, row := range status.Services {
		floors[name] = row.Floor
	}
	return floors
}

func lower(a, b map[string]int) map[string]int {
	out := map[string]int{}
	for service, floor := range b {
		out[service] = min(floor, a[service])
	}
	return out
}

func floorsKept(status *cluster.Status) error {
	for name, row := range status.Services {
		if row.Ready < row.Floor {
			return fmt.Errorf("%s has %d ready, its floor is %d", name, row.Ready, row.Floor)
		}
	}
	return nil
}

func readyAgain(baseline map[string]int) func(*cluster.Status) error {
	return func(status *cluster.Status) error {
		if got := status.Ready(); !maps.Equal(got, baseline) || !status.Settled {
			return fmt.Errorf("settled %v, ready %v, wanted %v: %s", status.Settled, got, baseline, strings.Join(status.Sentences, " / "))
		}
		return nil
	}
}
