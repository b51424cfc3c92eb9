package whatif

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	v1 "roster/proto/roster/v1"
)

func TestARuleTellsNodesApartAndNothingElseDoes(t *testing.T) {
	c := offline(t, `name: x
pools:
  - {name: imap, services: [imap], all: true, where: {tier: [fast, faster]}, exclude: [node-9], spread: [rack]}
  - {name: jmap, services: [jmap], count: 2, nodes: ["node-[7-8]"]}
services:
  - {name: imap, floors: [{min: 1, per: hall}], requires: {mail: "yes"}}
`, []byte(`- {id: "node-[1-4]", region: a, zone: a1, labels: {tier: fast, mail: "yes", rack: r1, hall: h1}}`))
	c.Restraints.Freezes = []*v1.Freeze{{Scope: "node:node-6", Expires: stamp(time.Hour)}}
	calm := c.Topology.GetPolicy().GetReturnAfter().AsDuration()
	for _, d := range []struct {
		name   string
		differ bool
		change func(n *v1.Node)
	}{
		{"nothing", false, func(*v1.Node) {}},
		{"an id", false, func(n *v1.Node) { n.Id = "node-5" }},
		{"an id that a pool excludes", true, func(n *v1.Node) { n.Id = "node-9" }},
		{"an id that a pool lists", true, func(n *v1.Node) { n.Id = "node-7" }},
		{"an id that is frozen", true, func(n *v1.Node) { n.Id = "node-6" }},
		{"a region", true, func(n *v1.Node) { n.Region = "b" }},
		{"a zone", true, func(n *v1.Node) { n.Zone = "a2" }},
		{"a capacity", true, func(n *v1.Node) { n.Capacity = 200 }},
		{"a label that nobody asks for", false, func(n *v1.Node) { n.Labels["colour"] = "red" }},
		{"a label that fits as well", false, func(n *v1.Node) { n.Labels["tier"] = "faster" }},
		{"a label outside a pool's where", true, func(n *v1.Node) { n.Labels["tier"] = "slow" }},
		{"a label that a service requires", true, func(n *v1.Node) { n.Labels["mail"] = "no" }},
		{"a label that a pool is spread over", true, func(n *v1.Node) { n.Labels["rack"] = "r2" }},
		{"a label that parts have floors by", true, func(n *v1.Node) { n.Labels["hall"] = "h2" }},
		{"a service that it can run", true, func(n *v1.Node) { n.Claims.Services = n.Claims.Services[1:] }},
		{"a service that restarts others", true, func(n *v1.Node) {
			n.Claims.Services[0].ChangeMode, n.Claims.Services[0].RestartGroup = v1.ChangeMode_CHANGE_MODE_RESTART, "g"
		}},
		{"a service that never stops", true, func(n *v1.Node) { n.Claims.Services[0].NeverStop = true }},
		{"where data lives", true, func(n *v1.Node) { n.Claims.Services[0].Data = v1.Data_DATA_LOCAL }},
		{"data that it holds", true, func(n *v1.Node) { n.Holds = []string{"imap"} }},
		{"a cordon", true, func(n *v1.Node) { n.Settings = &v1.NodeSettings{Cordoned: true} }},
		{"a drain", true, func(n *v1.Node) { n.Settings = &v1.NodeSettings{Drain: &v1.NodeDrain{}} }},
		{"an agent that observes", true, func(n *v1.Node) { n.Mode = v1.AgentMode_AGENT_MODE_OBSERVE }},
		{"a freeze file", true, func(n *v1.Node) { n.Frozen = "work" }},
		{"an agent that is ahead", true, func(n *v1.Node) { n.Ahead = &v1.SetVersion{} }},
		{"an agent that has not told", true, func(n *v1.Node) { n.Unconfirmed = true }},
		{"that it is suspect", true, func(n *v1.Node) { n.State = v1.NodeState_NODE_STATE_SUSPECT }},
		{"since when it is up", false, func(n *v1.Node) { n.StateSince = stamp(-time.Minute) }},
		{"that it came back long ago", false, func(n *v1.Node) { n.ReturnedAt, n.Flaps = stamp(-2*calm), 1 }},
		{"that it came back lately", true, func(n *v1.Node) { n.ReturnedAt, n.Flaps = stamp(-calm/2), 1 }},
		{"that something failed there", true, func(n *v1.Node) { n.Troubles = []*v1.Trouble{{Service: "imap", Failures: 1, Last: stamp(0)}} }},
		{"since when it is ready", false, func(n *v1.Node) { n.Reports[0].Since = stamp(-2 * calm) }},
		{"that it is ready since lately", true, func(n *v1.Node) { n.Reports[0].Since = stamp(-calm / 2) }},
		{"that something is not ready", true, func(n *v1.Node) { n.Reports[0].State = v1.ServiceState_SERVICE_STATE_FAILING }},
		{"what it serves", true, func(n *v1.Node) { n.Assignments = nil }},
		{"what for", true, func(n *v1.Node) { n.Assignments[0].Borrowed = true }},
		{"its version", false, func(n *v1.Node) { n.AgentVersion, n.Index, n.Generation = "2", 7, 7 }},
	} {
		one, other := proto.CloneOf(c.Nodes[0]), proto.CloneOf(c.Nodes[0])
		other.Id = "node-2"
		d.change(other)
		_, members := c.classes([]*v1.Node{one, other})
		if (len(members) == 2) != d.differ {
			t.Errorf("%s: %d classes", d.name, len(members))
		}
	}
}
