package placement

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "roster/proto/roster/v1"
)

// The order in which nodes are asked: each row has one reason to prefer node-3.
func TestTheNearestNodeIsBorrowed(t *testing.T) {
	for name, change := range map[string]func(w *world){
		"it serves it already": func(w *world) {
			n := w.node("node-3")
			n.Assignments = append(n.Assignments, &v1.Assignment{Service: "webdav", Node: "node-3", Pool: "old", Wanted: v1.Wanted_WANTED_SERVING})
			w.report(n, "webdav", v1.ServiceState_SERVICE_STATE_SERVING)
			w.node("node-2").Zone = "a1"
		},
		"it has no seat": func(w *world) {
			w.node("node-3").Assignments = nil
			w.top.Pools[1].Exclude = []string{"node-3"}
			w.node("node-2").Zone = "a1"
		},
		"it is in the same zone": func(w *world) {
			w.node("node-3").Zone = "a1"
			w.node("node-2").Region = "a"
		},
		"it is in the same zone, as all are in the same region": func(w *world) {
			w.node("node-2").Region, w.node("node-3").Region = "a", "a"
			w.node("node-3").Zone = "a1"
		},
		"it is in the same region": func(w *world) {
			w.node("node-3").Region = "a"
			w.top.Pools[2].Priority = -1
		},
		"its pool has a lower priority": func(w *world) {
			w.top.Pools = append(w.top.Pools, priority(count("low", 1, "imap", "jmap"), -1))
			for _, a := range w.node("node-3").Assignments {
				a.Pool = "low"
			}
			w.top.Pools[1].Size = &v1.Pool_Count{Count: 1}
			n := w.node("node-3")
			n.Assignments = append(n.Assignments, &v1.Assignment{Service: "jmap", Node: "node-3", Pool: "low", Wanted: v1.Wanted_WANTED_SERVING})
		},
		"it has less to do": func(w *world) {
			n := w.node("node-2")
			n.Assignments = append(n.Assignments, &v1.Assignment{
				Service: "jmap", Node: "node-2", Pool: "far", Wanted: v1.Wanted_WANTED_SERVING, Borrowed: true,
			})
			w.top.Pools = append(w.top.Pools, where(count("far", 1, "jmap"), "zone", "nowhere"))
		},
		"it is stronger": func(w *world) { w.node("node-3").Capacity = 300 },
		"it is changed live": func(w *world) {
			for _, c := range w.node("node-2").Claims.Services {
				c.ChangeMode, c.RestartGroup = v1.ChangeMode_CHANGE_MODE_RESTART, "mail"
			}
			w.floors["imap"] = 0
		},
	} {
		t.Run(name, func(t *testing.T) {
			nodes := plainNodes(4)
			for i, zone := range []string{"a1", "b1", "b1", "b1"} {
				nodes[i].Region, nodes[i].Zone = zone[:1], zone
			}
			w := newWorld(t, topologyOf(
				where(count("files", 1, "webdav"), "id", "node-1"), where(count("mail", 2, "imap"), "id", "node-2", "node-3"),
				where(count("rest", 1, "imap"), "id", "node-4")), nodes)
			w.node("node-4").Settings.Cordoned = true
			change(w)
			w.kill("node-1")
			target := w.place()
			if got := loans(target); !strings.Contains(got, "node-3: webdav for files") || strings.Contains(got, "node-2: webdav") {
				t.Errorf("loans are %s", got)
			}
			t.Log(reasonOf(target, "node-3", "webdav"))
		})
	}
}

// Each row rules node-2 out, which would be the first to be asked, and then
// everybody.
func TestWhoIsNotBorrowed(t *testing.T) {
	for name, row := range map[string]struct {
		change func(w *world, n *v1.Node)
		reason string
	}{
		"unable":                 {func(_ *world, n *v1.Node) { n.Claims.Services = n.Claims.Services[:2] }, "unable to run it"},
		"cordoned":               {func(_ *world, n *v1.Node) { n.Settings.Cordoned = true }, "cordoned"},
		"drained":                {func(_ *world, n *v1.Node) { n.Settings.Drain = &v1.NodeDrain{} }, "drained"},
		"observing":              {func(_ *world, n *v1.Node) { n.Mode = v1.AgentMode_AGENT_MODE_OBSERVE }, "only observing"},
		"suspect":                {func(_ *world, n *v1.Node) { n.State = v1.NodeState_NODE_STATE_SUSPECT }, "not up"},
		"frozen by its host":     {func(_ *world, n *v1.Node) { n.Frozen = "by hand" }, "not following"},
		"frozen by the operator": {func(w *world, n *v1.Node) { w.frozen[n.GetId()] = true }, "frozen"},
		"ahead":                  {func(_ *world, n *v1.Node) { n.Ahead = &v1.SetVersion{Epoch: 2} }, "not following"},
		"restored":               {func(_ *world, n *v1.Node) { n.Unconfirmed = true }, "not following"},
		"failed lately": {func(w *world, n *v1.Node) {
			n.Troubles = []*v1.Trouble{{Service: "webdav", Failures: 1, Last: timestamppb.New(w.now)}}
		}, "where it failed lately"},
		"lend: false": {func(w *world, n *v1.Node) {
			for _, p := range w.top.Pools {
				if n.Assignments[0].Pool == p.Name {
					p.Lend = proto.Bool(false)
				}
			}
		}, "in pools that do not lend"},
		"requires": {func(w *world, n *v1.Node) {
			w.top.Services = []*v1.Service{{Name: "webdav", Requires: map[string]*v1.LabelValues{"disk": {Values: []string{"ssd", "nvme"}}}}}
			n.Labels["disk"] = "hdd"
		}, "without labels that it requires"},
		"data": {func(w *world, n *v1.Node) {
			w.top.Services = []*v1.Service{{Name: "webdav", Data: v1.Data_DATA_LOCAL}}
			n.Claims.Services[2].Data = v1.Data_DATA_SHARED
		}, "without its data"},
	} {
		t.Run(name, func(t *testing.T) {
			nodes := plainNodes(3)
			for _, n := range nodes {
				n.Labels = map[string]string{"disk": "ssd"}
				n.Claims.Services[2].Data = v1.Data_DATA_LOCAL
			}
			w := newWorld(t, topologyOf(count("files", 1, "webdav"), count("mail", 1, "imap"), count("more", 1, "jmap")), nodes)
			w.kill("node-1")
			if got := loans(w.place()); got != "node-2: webdav for files" {
				t.Fatalf("loans are %s", got)
			}
			row.change(w, w.node("node-2"))
			if got := loans(w.place()); !strings.Contains(got, "node-3: webdav for files") || strings.Contains(got, "node-2: webdav") {
				t.Errorf("loans are %s", got)
			}
			row.change(w, w.node("node-3"))
			target := w.place()
			if got := loans(target); strings.Contains(got, "webdav") {
				t.Errorf("loans are %s", got)
			}
			at := slices.IndexFunc(target.Shortages, func(s *v1.Shortage) bool { return s.Service == "webdav" })
			if at < 0 || !strings.Contains(target.Shortages[at].Reason, "2 "+row.reason) {
				t.Errorf("shortages are %v", target.Shortages)
			}
		})
	}
}

// A restart that would have to wait for a floor, or that the host forbids, is
// no help while another node can do without.
func TestANodeThatCouldNotRestartIsAskedLast(t *testing.T) {
	for name, change := range map[string]func(n *v1.Node){
		"floor":      func(*v1.Node) {},
		"never stop": func(n *v1.Node) { n.Claims.Services[0].NeverStop = true },
		"for good": func(n *v1.Node) {
			n.Claims.Services[2].NeverStop, n.Claims.Services[2].ChangeMode = true, v1.ChangeMode_CHANGE_MODE_LIVE
		},
	} {
		w := newWorld(t, topologyOf(count("files", 1, "webdav"), count("mail", 1, "imap"), count("more", 1, "jmap")), plainNodes(3))
		n := w.node("node-2")
		for _, c := range n.Claims.Services {
			c.ChangeMode, c.RestartGroup = v1.ChangeMode_CHANGE_MODE_RESTART, "mail"
		}
		w.node("node-3").Zone, w.node("node-3").Region = "b1", "b"
		if name != "floor" {
			w.floors["imap"] = 0
		}
		change(n)
		w.kill("node-1")
		if got := loans(w.step()); got != "node-3: webdav for files" {
			t.Errorf("%s: loans are %s", name, got)
		}
	}
}
