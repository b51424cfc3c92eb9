package rollout

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"roster/fsm/placement"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

var five = []string{"imap", "jmap", "webdav", "smtp-inbound", "smtp-outbound"}

// noon is when every story begins.
var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

func newNode(id, zone string) *v1.Node {
	n := &v1.Node{
		Id: id, Region: zone[:1], Zone: zone, Capacity: 100, Generation: 1, ReportedGeneration: 1,
		State: v1.NodeState_NODE_STATE_UP, Claims: &v1.NodeClaims{}, Settings: &v1.NodeSettings{},
	}
	for _, s := range five {
		n.Claims.Services = append(n.Claims.Services, &v1.ServiceClaim{Name: s, ChangeMode: v1.ChangeMode_CHANGE_MODE_LIVE})
	}
	return n
}

// tenNodes are three in region a, three in b, four in c, two zones each.
func tenNodes() []*v1.Node {
	var nodes []*v1.Node
	for i, zone := range []string{"a1", "a1", "a2", "b1", "b1", "b2", "c1", "c1", "c2", "c2"} {
		nodes = append(nodes, newNode(fmt.Sprintf("node-%d", i+1), zone))
	}
	return nodes
}

func nodesOf(n int) []*v1.Node {
	var nodes []*v1.Node
	for i := range n {
		nodes = append(nodes, newNode(fmt.Sprintf("node-%d", i+1), "a1"))
	}
	return nodes
}

// grouped puts the services of every node into one restart group.
func grouped(nodes []*v1.Node, services ...string) []*v1.Node {
	for _, n := range nodes {
		for _, c := range n.Claims.Services {
			if len(services) == 0 || slices.Contains(services, c.Name) {
				c.ChangeMode, c.RestartGroup = v1.ChangeMode_CHANGE_MODE_RESTART, "stalwart"
			}
		}
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

func in(key, value string, p *v1.Pool) *v1.Pool {
	p.Where = map[string]*v1.LabelValues{key: {Values: []string{value}}}
	return p
}

// topologyOf has a floor of 1 everywhere, drains of a minute, 25 % moving, and
// the times of the defaults.
func topologyOf(pools ...*v1.Pool) *v1.Topology {
	top := &v1.Topology{Name: "test", Pools: pools, Policy: &v1.Policy{
		MaxMoving: &v1.Percent{Value: 25}, DownAfter: durationpb.New(10 * time.Second),
		ReplaceAfter: durationpb.New(5 * time.Minute), ReturnAfter: durationpb.New(time.Minute),
	}}
	for _, p := range pools {
		for _, name := range p.Services {
			if !slices.ContainsFunc(top.Services, func(s *v1.Service) bool { return s.Name == name }) {
				top.Services = append(top.Services, &v1.Service{Name: name, Floor: proto.Uint32(1), Drain: durationpb.New(time.Minute)})
			}
		}
	}
	return top
}

func floor(top *v1.Topology, service string, n uint32) *v1.Topology {
	for _, s := range top.Services {
		if s.Name == service {
			s.Floor = proto.Uint32(n)
		}
	}
	return top
}

func moving(top *v1.Topology, percent uint32) *v1.Topology {
	top.Policy.MaxMoving.Value = percent
	return top
}

// examples are the six models.
func examples() map[string]*v1.Topology {
	spread := count("imap-only", 2, "imap")
	spread.Spread = []string{"zone"}
	mixed := topologyOf(spread, in("region", "b", count("out-only", 2, "smtp-outbound")), all("unified", five...))
	return map[string]*v1.Topology{
		"unified": topologyOf(all("all", five...)),
		"service-specific": topologyOf(count("imap", 2, "imap"), count("jmap", 2, "jmap"), count("webdav", 2, "webdav"),
			count("smtp-in", 2, "smtp-inbound"), count("smtp-out", 2, "smtp-outbound")),
		"weighted": topologyOf(weight("imap", 4, "imap"), weight("web", 2, "jmap", "webdav"), weight("smtp", 4, "smtp-inbound", "smtp-outbound")),
		"paired":   topologyOf(count("mailbox", 4, "imap", "jmap"), count("webdav", 2, "webdav"), count("smtp", 4, "smtp-inbound", "smtp-outbound")),
		"geographic": topologyOf(
			in("region", "a", count("a-imap", 1, "imap")), in("region", "a", count("a-smtp-in", 2, "smtp-inbound")),
			in("region", "b", count("b-mailbox", 1, "imap", "jmap")), in("region", "b", count("b-smtp-out", 2, "smtp-outbound")),
			in("region", "c", count("c-webdav", 2, "webdav")), in("region", "c", count("c-jmap", 1, "jmap")),
			in("region", "c", count("c-smtp", 1, "smtp-inbound", "smtp-outbound"))),
		"mixed": floor(floor(mixed, "imap", 3), "smtp-outbound", 2),
	}
}

func place(t failer, top *v1.Topology, nodes []*v1.Node) *placement.Target {
	t.Helper()
	target, err := placement.Place(placement.View{Topology: top, Nodes: nodes})
	if err != nil {
		t.Fatalf("place: %v", err)
	}
	return target
}

// settled is the nodes after a whole rollout of a topology, and its floors.
func settled(t testing.TB, top *v1.Topology, nodes []*v1.Node) ([]*v1.Node, map[string]*storev1.FloorInForce) {
	t.Helper()
	c := newCluster(t, top, nodes, nil)
	c.run()
	return c.nodes, c.floors
}

// write writes moves as "start imap node-1, …".
func write(moves []*v1.Move) string {
	var parts []string
	for _, m := range moves {
		action := strings.ToLower(strings.TrimPrefix(m.Action.String(), "ACTION_"))
		parts = append(parts, fmt.Sprintf("%s %s %s", action, m.Service, m.Node))
	}
	return strings.Join(parts, ", ")
}

func writeSet(n *v1.Node) string {
	set := map[string]string{}
	for _, a := range n.Assignments {
		word := "serving"
		if a.Wanted == v1.Wanted_WANTED_DRAINING {
			word = "draining"
		}
		set[a.Service] = word + " " + a.Pool
	}
	var parts []string
	for _, service := range slices.Sorted(maps.Keys(set)) {
		parts = append(parts, service+" "+set[service])
	}
	return strings.Join(parts, ", ")
}

func stamp(t time.Time) *timestamppb.Timestamp { return timestamppb.New(t) }
