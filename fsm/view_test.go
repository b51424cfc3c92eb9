package fsm

import (
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"roster/fsm/placement"
	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
)

func TestEndpointsSayWhatTheyAreGoodFor(t *testing.T) {
	b := served(t, claims("imap", "jmap"), "imap")
	want := func(state v1.EndpointState) {
		t.Helper()
		got := Endpoints(b.m.State().Node("node-1"))
		if len(got) != 1 || got[0].GetState() != state || got[0].GetService() != "imap" || got[0].GetNode() != "node-1" || got[0].GetPort() != 1000 {
			t.Fatalf("want %v, got %v", state, got)
		}
	}
	want(v1.EndpointState_ENDPOINT_STATE_READY)
	b.mustDo(b.reports("node-1", failing, "imap"))
	want(v1.EndpointState_ENDPOINT_STATE_NOT_READY)
	b.mustDo(b.wave(drain("node-1", "imap")))
	want(v1.EndpointState_ENDPOINT_STATE_DRAINING)
	b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_DOWN))
	want(v1.EndpointState_ENDPOINT_STATE_UNKNOWN)
	if stored := b.m.State().Node("node-1").GetClaims().GetServices()[0].GetEndpoints()[0]; stored.GetState() != 0 || stored.GetNode() != "" {
		t.Fatalf("the claim was changed: %v", stored)
	}
}

// A plan for another topology begins with the floors that applying it would.
func TestTheViewOfAPlannedTopologyHasItsFloors(t *testing.T) {
	b := served(t, claims("imap", "jmap"), "imap")
	s := b.m.State()
	target := &placement.Target{}
	now := time.Unix(7, 0)
	view := Rollout(s, s.Effective(), target, now, nil)
	if view.Revision != 1 || view.Floors["imap"].GetFloor() != 1 || len(view.Nodes) != 2 || view.Target != target || !view.Now.Equal(now) {
		t.Fatalf("view in force: %+v", view)
	}
	b.mustDo(b.settle())
	s = b.m.State()
	planned := topology.Effective(floor(unified("imap", "jmap"), "imap", 2))
	view = Rollout(s, planned, target, now, nil)
	if view.Revision != 0 || view.Floors["imap"].GetTarget() != 2 || view.Floors["imap"].GetFloor() != 2 || view.Floors["jmap"].GetFloor() != 0 {
		t.Fatalf("planned view: %+v", view)
	}
	if !view.Restraints.Open {
		t.Fatal("the order to apply it would need approval")
	}
	if s.Floors()["imap"].GetTarget() != 1 {
		t.Fatal("planning changed the floors in force")
	}
	if v := Placement(s, planned, now); v.Topology != planned || len(v.Nodes) != 2 {
		t.Fatalf("view: %+v", v)
	}
	if !proto.Equal(s.Revision(1), s.Topology()) || s.Revision(2) != nil {
		t.Fatal("revisions are not found by number")
	}
}

type full struct{}

var errFull = errors.New("no space left on device")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestASnapshotThatCannotBeWrittenSaysSo(t *testing.T) {
	if _, err := rich(t).m.Snapshot().WriteTo(full{}); !errors.Is(err, errFull) {
		t.Fatalf("%v", err)
	}
}
