package whatif

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"roster/fsm/placement"
	"roster/fsm/rollout"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// serving is a node that is ready for services.
func serving(id string, services ...string) *v1.Node {
	n := &v1.Node{Id: id, State: v1.NodeState_NODE_STATE_UP}
	for _, s := range services {
		n.Assignments = append(n.Assignments, &v1.Assignment{Service: s, Node: id, Wanted: v1.Wanted_WANTED_SERVING})
		n.Reports = append(n.Reports, &v1.ServiceReport{Service: s, State: v1.ServiceState_SERVICE_STATE_SERVING})
	}
	return n
}

func floors(of map[string]uint32) map[string]*storev1.FloorInForce {
	out := map[string]*storev1.FloorInForce{}
	for service, n := range of {
		// What the topology asks for is not in force until it was reached.
		out[service] = &storev1.FloorInForce{Service: service, Floor: n, Target: n + 5}
	}
	return out
}

func TestNodesMayStopAllAtOnceWhereEveryFloorInForceIsKept(t *testing.T) {
	nodes := []*v1.Node{serving("node-1", "imap"), serving("node-2", "imap", "jmap"), serving("node-3", "imap", "jmap")}
	for ids, want := range map[string]string{
		"node-1":        "imap would have 2 ready, its floor in force is 2; jmap would have 2 ready, its floor in force is 1",
		"node-2":        "imap would have 2 ready, its floor in force is 2; jmap would have 1 ready, its floor in force is 1",
		"node-1 node-2": "not: imap would have 1 ready, its floor in force is 2",
		"node-2 node-3": "not: imap would have 1 ready, its floor in force is 2; jmap would have 0 ready, its floor in force is 1",
		"node-2 node-2": "imap would have 2 ready, its floor in force is 2; jmap would have 1 ready, its floor in force is 1",
		"":              "imap would have 3 ready, its floor in force is 2; jmap would have 2 ready, its floor in force is 1",
	} {
		check, err := CheckStop(nodes, floors(map[string]uint32{"imap": 2, "jmap": 1}), strings.Fields(ids))
		got := strings.Join(check.Reasons, "; ")
		if !check.OK {
			got = "not: " + got
		}
		if err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", ids, got, err, want)
		}
	}
}

func TestWhatIsDownOrUnknownIsLostAlready(t *testing.T) {
	down, unknown := serving("node-2", "imap"), serving("node-3", "imap")
	down.State, unknown.State = v1.NodeState_NODE_STATE_DOWN, v1.NodeState_NODE_STATE_UNSPECIFIED
	nodes := []*v1.Node{serving("node-1", "imap"), down, unknown}
	for id, left := range map[string]uint32{"node-1": 0, "node-2": 1, "node-3": 1} {
		check, err := CheckStop(nodes, floors(map[string]uint32{"imap": 1}), []string{id})
		if err != nil || check.OK != (left == 1) || check.Ready["imap"] != left {
			t.Errorf("%s: %v, %v", id, check, err)
		}
	}
	check, _ := CheckStop(nodes, floors(map[string]uint32{"imap": 2}), []string{"node-2"})
	if want := "imap has 1 ready, under its floor in force of 2 already, and would have 1"; check.OK || check.Reasons[0] != want {
		t.Errorf("%v, want %q", check, want)
	}
}

func TestAServiceWithoutAFloorIsShownAndBlocksNothing(t *testing.T) {
	check, err := CheckStop([]*v1.Node{serving("node-1", "pop3")}, nil, []string{"node-1"})
	if left, shown := check.Ready["pop3"]; err != nil || !check.OK || !shown || left != 0 {
		t.Errorf("%v, %v", check, err)
	}
}

// A floor over a part of the nodes is no service: it is named in the sentences,
// and is not among what is left by service.
func TestAStopThatBreaksAFloorInAPartOfTheNodesNamesThePart(t *testing.T) {
	nodes := []*v1.Node{serving("node-1", "imap"), serving("node-2", "imap")}
	nodes[0].Zone, nodes[1].Zone = "a1", "b1"
	where := map[string]*v1.LabelValues{"zone": {Values: []string{"a1"}}}
	of := floors(map[string]uint32{"imap": 1})
	of[rollout.FloorKey("imap", placement.PartName(where))] = &storev1.FloorInForce{Service: "imap", Floor: 1, Target: 1, Where: where}
	for id, want := range map[string]string{
		"node-1": "imap in zone=a1 would have 0 ready, its floor in force is 1",
		"node-2": "imap would have 1 ready, its floor in force is 1; imap in zone=a1 would have 1 ready, its floor in force is 1",
	} {
		check, err := CheckStop(nodes, of, []string{id})
		if got := strings.Join(check.Reasons, "; "); err != nil || check.OK != (id == "node-2") || got != want || !maps.Equal(check.Ready, map[string]uint32{"imap": 1}) {
			t.Errorf("%s: %q, %v, %v", id, got, check.Ready, err)
		}
	}
	nodes[0].State = v1.NodeState_NODE_STATE_DOWN
	check, err := CheckStop(nodes, of, nil)
	if want := "imap in zone=a1 has 0 ready, under its floor in force of 1 already, and would have 0"; err != nil || check.OK || check.Reasons[0] != want {
		t.Errorf("%v, %v", check, err)
	}
}

func TestAnUnknownNodeIsAnError(t *testing.T) {
	_, err := CheckStop([]*v1.Node{serving("node-1", "imap")}, nil, []string{"node-10", "node-1", "node-9"})
	if !errors.Is(err, ErrUnknownNode) || err.Error() != "check a stop of node-9, node-10: there is no such node" {
		t.Errorf("%v", err)
	}
}

// Held against a count by hand.
func TestAStopIsRightExactlyWhereNoFloorIsLeft(t *testing.T) {
	services := []string{"imap", "jmap", "webdav"}
	rapid.Check(t, func(t *rapid.T) {
		var nodes []*v1.Node
		var ids []string
		left := map[string]int{}
		for i := range rapid.IntRange(0, 8).Draw(t, "nodes") {
			n := serving(string(rune('a'+i)), rapid.SliceOfDistinct(rapid.SampledFrom(services), rapid.ID[string]).Draw(t, "services")...)
			down, stops := rapid.Bool().Draw(t, "down"), rapid.Bool().Draw(t, "stops")
			if down {
				n.State = v1.NodeState_NODE_STATE_DOWN
			}
			if nodes = append(nodes, n); stops {
				ids = append(ids, n.Id)
			}
			for _, a := range n.Assignments {
				if !down && !stops {
					left[a.Service]++
				}
			}
		}
		of, want := map[string]uint32{}, true
		for _, s := range services {
			of[s] = rapid.Uint32Range(0, 4).Draw(t, "floor")
			want = want && left[s] >= int(of[s])
		}
		before := proto.CloneOf(&v1.ListNodesResponse{Nodes: nodes})
		check, err := CheckStop(nodes, floors(of), ids)
		if err != nil || check.OK != want || len(check.Reasons) == 0 {
			t.Fatalf("%v, %v, want %v with %v left of %v", check, err, want, left, of)
		}
		if got := slices.Sorted(maps.Keys(check.Ready)); !slices.Equal(got, services) {
			t.Fatalf("it speaks of %v", got)
		}
		for s, n := range check.Ready {
			if int(n) != left[s] {
				t.Fatalf("%s: %d, want %d", s, n, left[s])
			}
		}
		if !proto.Equal(before, &v1.ListNodesResponse{Nodes: nodes}) {
			t.Fatalf("a record was changed")
		}
	})
}
