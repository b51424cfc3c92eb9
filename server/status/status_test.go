package status

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/server/internal/fixture"
)

const written = `name: web
pools:
  - {name: imap, services: [imap], count: 2}
services:
  - {name: imap, floor: 2}
`

const (
	ok       = v1.StatusState_STATUS_STATE_OK
	degraded = v1.StatusState_STATUS_STATE_DEGRADED
	broken   = v1.StatusState_STATUS_STATE_FLOOR_BROKEN
	noQuorum = v1.StatusState_STATUS_STATE_NO_QUORUM
)

// of is the status of a state as a leader would tell it.
func of(state *fsm.State) *v1.Status {
	return Compute(Input{State: state, Now: time.Now(), Leader: "m1", AnsweredBy: "m1"})
}

// serving is a cluster whose two nodes serve imap.
func serving(t *testing.T) *fixture.Log {
	log := fixture.New(t)
	log.Must(&storev1.Command{Command: &storev1.Command_PutMember{PutMember: &storev1.PutMember{
		Member: &v1.Member{Id: "m1", Name: "alpha", Address: "127.0.0.1:1", RaftAddress: "127.0.0.1:2", MaxSchema: fsm.Schema},
	}}})
	for _, id := range []string{"n-1", "n-2"} {
		log.Register(id, "imap")
	}
	log.Apply(written)
	for _, id := range []string{"n-1", "n-2"} {
		log.Move(id, v1.Action_ACTION_START, "imap", "test", "imap")
		log.Obey(id)
	}
	return log
}

func TestTheFirstWordIsTheWorstThatIsTrue(t *testing.T) {
	report := func(log *fixture.Log, state v1.ServiceState, detail string) {
		n := log.Machine.State().Node("n-1")
		log.Must(&storev1.Command{Command: &storev1.Command_ReportNode{ReportNode: &storev1.ReportNode{
			Id: "n-1", Instance: n.GetInstance(), ReportedGeneration: n.GetGeneration(),
			Reports: []*v1.ServiceReport{{Service: "imap", State: state, Detail: detail}},
		}}})
	}
	for _, c := range []struct {
		name    string
		do      func(*fixture.Log)
		leader  string
		want    v1.StatusState
		settled bool
		says    []string
	}{
		{"everything serves", func(*fixture.Log) {}, "m1", ok, true, nil},
		{"a node is suspect", func(l *fixture.Log) { l.SetState("n-1", v1.NodeState_NODE_STATE_SUSPECT) }, "m1", degraded, true, []string{"Suspect: n-1"}},
		{"a node is down", func(l *fixture.Log) { l.SetState("n-1", v1.NodeState_NODE_STATE_DOWN) }, "m1", broken, false,
			[]string{"Down: n-1", "imap has 1 ready, its floor is 2", "roster node remove --force n-1"}},
		{"a probe fails", func(l *fixture.Log) { report(l, v1.ServiceState_SERVICE_STATE_FAILING, "no greeting.") }, "m1", broken, false,
			[]string{"imap on n-1 is not ready: no greeting."}},
		{"a node is cordoned", func(l *fixture.Log) {
			l.Must(&storev1.Command{Command: &storev1.Command_CordonNode{CordonNode: &storev1.CordonNode{Id: "n-1", Cordoned: true}}})
		}, "m1", ok, true, []string{"Cordoned: n-1"}},
		{"nodes are short", func(l *fixture.Log) { l.Apply(strings.Replace(written, "count: 2", "count: 3", 1)) }, "m1", degraded, true, []string{"Short: "}},
		{"nobody leads", func(l *fixture.Log) { l.SetState("n-1", v1.NodeState_NODE_STATE_DOWN) }, "", noQuorum, false,
			[]string{"no leader", "member alpha knew last", "more than half"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			log := serving(t)
			c.do(log)
			s := Compute(Input{State: log.Machine.State(), Now: time.Now(), Leader: c.leader, AnsweredBy: "m1"})
			if s.GetState() != c.want || s.GetSettled() != c.settled {
				t.Errorf("%v, settled %v; want %v, %v\n%s", s.GetState(), s.GetSettled(), c.want, c.settled, strings.Join(s.GetSentences(), "\n"))
			}
			all := strings.Join(s.GetSentences(), "\n")
			for _, want := range c.says {
				if !strings.Contains(all, want) {
					t.Errorf("nothing says %q:\n%s", want, all)
				}
			}
			if c.says == nil && all != "" {
				t.Errorf("all is well, and it says\n%s", all)
			}
		})
	}
}

func TestAStartOnItsWayIsNoLossUntilItsTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := serving(t)
		log.Register("n-3", "imap")
		log.Apply(strings.Replace(written, "count: 2", "count: 3", 1))
		log.Move("n-3", v1.Action_ACTION_START, "imap", "test", "imap")
		if s := of(log.Machine.State()); s.GetState() != ok || s.GetSettled() {
			t.Errorf("just begun: %v, settled %v: %v", s.GetState(), s.GetSettled(), s.GetSentences())
		}
		time.Sleep(time.Minute)
		if s := of(log.Machine.State()); s.GetState() != degraded || s.GetSettled() {
			t.Errorf("a minute later: %v, settled %v", s.GetState(), s.GetSettled())
		} else if n := strings.Count(strings.Join(s.GetSentences(), "\n"), "imap on n-3"); n != 1 {
			t.Errorf("said %d times: %v", n, s.GetSentences())
		}
	})
}

func TestWithoutATopologyNothingIsSettledAndTheNextStepIsNamed(t *testing.T) {
	s := of(fixture.New(t).Machine.State())
	if s.GetTopology() != nil || s.GetSettled() || !strings.Contains(fmt.Sprint(s.GetSentences()), "roster topology apply") {
		t.Errorf("%v", s)
	}
}

func TestAStatusNamesWhatTheIssueAsksFor(t *testing.T) {
	s := of(serving(t).Machine.State())
	imap := s.GetServices()["imap"]
	if imap.GetReady() != 2 || imap.GetFloor() != 2 || imap.GetFloorInForce() != 2 || fmt.Sprint(imap.GetNodes()) != "[n-1 n-2]" {
		t.Errorf("imap: %v", imap)
	}
	if len(s.GetNodes()) != 2 || s.GetNodes()[0].GetId() != "n-1" || fmt.Sprint(s.GetNodes()[0].GetServices()) != "[imap]" || fmt.Sprint(s.GetNodes()[0].GetPools()) != "[imap]" {
		t.Errorf("nodes: %v", s.GetNodes())
	}
	if len(s.GetEndpoints()) != 2 || s.GetEndpoints()[0].GetAddress() != "127.0.0.1:1143" || s.GetEndpoints()[0].GetState() != v1.EndpointState_ENDPOINT_STATE_READY {
		t.Errorf("endpoints: %v", s.GetEndpoints())
	}
	if len(s.GetMembers()) != 1 || !s.GetMembers()[0].GetLeader() || s.GetTopology().GetName() != "web" || s.GetTopology().GetRevision() != 1 {
		t.Errorf("members %v, topology %v", s.GetMembers(), s.GetTopology())
	}
}

func TestACachedPlacementIsThatOfTheState(t *testing.T) {
	log := serving(t)
	var c Cache
	compute := func() *v1.Status {
		return c.Compute(Input{State: log.Machine.State(), Now: time.Now(), Leader: "m1", AnsweredBy: "m1"})
	}
	if s := compute(); len(s.GetShortages()) != 0 {
		t.Errorf("shortages: %v", s.GetShortages())
	}
	log.Apply(strings.Replace(written, "count: 2", "count: 3", 1))
	if s := compute(); len(s.GetShortages()) != 1 {
		t.Errorf("the placement of an older state was told: %v", s.GetShortages())
	}
}

func BenchmarkStatusOfTenThousandNodes(b *testing.B) {
	log := fixture.New(b)
	services := []string{"imap", "jmap", "webdav", "smtp-inbound", "smtp-outbound"}
	log.Apply("name: all\npools:\n  - {name: all, services: [imap, jmap, webdav, smtp], all: true}\n")
	for i := range 10_000 {
		id := fmt.Sprintf("n-%d", i+1)
		log.Register(id, services...)
		log.Move(id, v1.Action_ACTION_START, "all", "test", services...)
		log.Obey(id)
	}
	var c Cache
	for b.Loop() {
		c.Compute(Input{State: log.Machine.State(), Now: time.Now(), Leader: "m1"})
	}
}
