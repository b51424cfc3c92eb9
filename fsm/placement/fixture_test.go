package placement

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	v1 "roster/proto/roster/v1"
)

var five = []string{"imap", "jmap", "webdav", "smtp-inbound", "smtp-outbound"}

// newNode is an up node that can run all five services.
func newNode(id, region, zone string) *v1.Node {
	n := &v1.Node{
		Id: id, Region: region, Zone: zone, Capacity: 100,
		State: v1.NodeState_NODE_STATE_UP, Claims: &v1.NodeClaims{}, Settings: &v1.NodeSettings{},
	}
	for _, s := range five {
		n.Claims.Services = append(n.Claims.Services, &v1.ServiceClaim{Name: s})
	}
	return n
}

// tenNodes are three in region a, three in b, four in c, two zones each.
func tenNodes() []*v1.Node {
	zones := []string{"a1", "a1", "a2", "b1", "b1", "b2", "c1", "c1", "c2", "c2"}
	var nodes []*v1.Node
	for i, zone := range zones {
		nodes = append(nodes, newNode(fmt.Sprintf("node-%d", i+1), zone[:1], zone))
	}
	return nodes
}

// plainNodes are alike.
func plainNodes(n int) []*v1.Node {
	var nodes []*v1.Node
	for i := range n {
		nodes = append(nodes, newNode(fmt.Sprintf("node-%d", i+1), "a", "a1"))
	}
	return nodes
}

func count(name string, n uint32, services ...string) *v1.Pool {
	return &v1.Pool{Name: name, Services: services, Size: &v1.Pool_Count{Count: n}, Min: proto.Uint32(1)}
}

func weight(name string, w uint32, services ...string) *v1.Pool {
	return &v1.Pool{Name: name, Services: services, Size: &v1.Pool_Weight{Weight: w}, Min: proto.Uint32(1)}
}

func all(name string, services ...string) *v1.Pool {
	return &v1.Pool{Name: name, Services: services, Size: &v1.Pool_All{All: true}, Min: proto.Uint32(1)}
}

func where(p *v1.Pool, key string, values ...string) *v1.Pool {
	if p.Where == nil {
		p.Where = map[string]*v1.LabelValues{}
	}
	p.Where[key] = &v1.LabelValues{Values: values}
	return p
}

func spread(p *v1.Pool, keys ...string) *v1.Pool {
	p.Spread = keys
	return p
}

func priority(p *v1.Pool, n int32) *v1.Pool {
	p.Priority = n
	return p
}

func topologyOf(pools ...*v1.Pool) *v1.Topology {
	return &v1.Topology{Name: "test", Pools: pools}
}

func place(t testing.TB, top *v1.Topology, nodes []*v1.Node) *Target {
	t.Helper()
	target, err := Place(View{Topology: top, Nodes: nodes})
	if err != nil {
		t.Fatal(err)
	}
	return target
}

// settle is what a whole rollout does to the records.
func settle(nodes []*v1.Node, top *v1.Topology, target *Target) []*v1.Node {
	wanted := target.Wanted(top)
	var after []*v1.Node
	for _, n := range nodes {
		n = proto.CloneOf(n)
		set := startable(n, wanted[n.Id])
		n.Assignments = nil
		for service, pool := range set {
			n.Assignments = append(n.Assignments, &v1.Assignment{
				Service: service, Node: n.Id, Pool: pool, Wanted: v1.Wanted_WANTED_SERVING,
			})
		}
		sort.Slice(n.Assignments, func(i, j int) bool { return n.Assignments[i].Service < n.Assignments[j].Service })
		after = append(after, n)
	}
	return after
}

// startable is what a node comes to serve of what is wanted: nothing is started
// where it is cordoned or not up.
func startable(n *v1.Node, wanted map[string]string) map[string]string {
	set := map[string]string{}
	for service, pool := range wanted {
		if n.State == v1.NodeState_NODE_STATE_UP && !n.Settings.Cordoned ||
			slices.ContainsFunc(n.Assignments, func(a *v1.Assignment) bool { return a.Service == service }) {
			set[service] = pool
		}
	}
	return set
}

// seats writes a target as "pool: node-1 node-2; …".
func seats(target *Target) string {
	byPool := map[string][]string{}
	for _, s := range target.Seats {
		byPool[s.Pool] = append(byPool[s.Pool], s.Node)
	}
	var lines []string
	for _, size := range target.Sizes {
		lines = append(lines, size.Pool+": "+strings.Join(byPool[size.Pool], " "))
	}
	return strings.Join(lines, "; ")
}

func sizes(target *Target) string {
	var parts []string
	for _, s := range target.Sizes {
		parts = append(parts, fmt.Sprintf("%s %d/%d", s.Pool, s.Got, s.Wanted))
	}
	return strings.Join(parts, ", ")
}

func members(target *Target, pool string) []string {
	var ids []string
	for _, s := range target.Seats {
		if s.Pool == pool {
			ids = append(ids, s.Node)
		}
	}
	return ids
}

// describe writes a topology and nodes for whoever reads a failed test.
func describe(top *v1.Topology, nodes []*v1.Node) string {
	var b strings.Builder
	for _, p := range top.Pools {
		fmt.Fprintf(&b, "\n%s %v %T %v priority %d where %v spread %v", p.Name, p.Services, p.Size, p.Size, p.Priority, p.Where, p.Spread)
		if p.Shared {
			b.WriteString(" shared")
		}
	}
	for _, s := range top.Services {
		fmt.Fprintf(&b, "\n%v", s)
	}
	for _, n := range nodes {
		fmt.Fprintf(&b, "\n%s %s %v", n.Id, n.Zone, n.State)
		if n.Settings.Cordoned {
			b.WriteString(" cordoned")
		}
		if n.Settings.Drain != nil {
			b.WriteString(" drained")
		}
		if n.Capacity != 100 {
			fmt.Fprintf(&b, " %d", n.Capacity)
		}
		for _, s := range five {
			if claimOf(n, s) == nil {
				fmt.Fprintf(&b, " -%s", s)
			}
		}
		fmt.Fprintf(&b, " %v:", n.Labels)
		for _, a := range n.Assignments {
			fmt.Fprintf(&b, " %s", a.Service)
			if a.Wanted == v1.Wanted_WANTED_DRAINING {
				b.WriteString("(draining)")
			}
			if a.Borrowed {
				b.WriteString("(borrowed)")
			}
			fmt.Fprintf(&b, "@%s", a.Pool)
		}
	}
	return b.String()
}
