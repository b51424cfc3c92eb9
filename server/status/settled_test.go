package status

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// What came for a node whose drain was called off stands in until the node has
// served for a while: it is about to be given back.
func TestALoanThatWaitsToBeGivenBackIsNotSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := serving(t)
		log.Register("n-3", "imap")
		time.Sleep(time.Second)
		drain(log, "n-2", 0)
		time.Sleep(time.Second)
		log.Move("n-3", v1.Action_ACTION_START, "imap", "n-2 is drained", "imap")
		log.Obey("n-3")
		log.Must(&storev1.Command{Command: &storev1.Command_DrainNode{DrainNode: &storev1.DrainNode{Id: "n-2"}}})
		report := func(since time.Time) {
			t.Helper()
			n := log.Machine.State().Node("n-2")
			log.Must(&storev1.Command{Command: &storev1.Command_ReportNode{ReportNode: &storev1.ReportNode{
				Id: "n-2", Instance: n.GetInstance(), ReportedGeneration: n.GetGeneration(),
				Reports: []*v1.ServiceReport{{Service: "imap", State: v1.ServiceState_SERVICE_STATE_SERVING, Since: timestamppb.New(since)}},
			}}})
		}
		since := time.Now()
		time.Sleep(time.Second)
		report(since)
		state := log.Machine.State()
		if a := state.Node("n-3").GetAssignments()[0]; !a.GetBorrowed() {
			t.Fatalf("n-3 does not stand in: %v", a)
		}
		if s := of(state); s.GetSettled() {
			t.Errorf("settled, with a loan to be given back: %v", s.GetSentences())
		}
		time.Sleep(5 * time.Minute)
		log.Move("n-3", v1.Action_ACTION_DRAIN, "imap", "whole again", "imap")
		log.Move("n-3", v1.Action_ACTION_STOP, "imap", "its drain ended", "imap")
		if s := of(log.Machine.State()); !s.GetSettled() {
			t.Errorf("not settled, with nothing left to be given back: %v", s.GetSentences())
		}
	})
}

// Nothing that Roster does gives a floor its seats: what is lent for it stays, and
// is not waited for.
func TestWhatIsLentForAFloorAboveTheSeatsIsNoSurplus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := serving(t)
		time.Sleep(time.Second)
		log.Apply("name: web\npools:\n  - {name: imap, services: [imap], weight: 1, exclude: [n-2]}\nservices:\n  - {name: imap, floor: 2}\n")
		n := log.Machine.State().Node("n-2")
		log.Must(&storev1.Command{Command: &storev1.Command_MoveAssignments{MoveAssignments: &storev1.MoveAssignments{
			TopologyRevision: 2, Nodes: []*storev1.NodeMoves{{
				Basis: &storev1.NodeBasis{Node: "n-2", Generation: n.GetGeneration(), State: n.GetState()},
				Moves: []*v1.Move{{
					Service: "imap", Pool: "imap", Node: "n-2", Action: v1.Action_ACTION_RESEAT, Cause: v1.Cause_CAUSE_REBALANCE, Borrowed: true,
					Reason: "imap would be under its floor of 2; n-2 has no seat",
				}},
			}},
		}}})
		log.Obey("n-2")
		time.Sleep(10 * time.Minute)
		state := log.Machine.State()
		if a := state.Node("n-2").GetAssignments()[0]; !a.GetBorrowed() {
			t.Fatalf("n-2 does not stand in: %v", a)
		}
		s := of(state)
		if !s.GetSettled() || s.GetState() != degraded {
			t.Errorf("settled: %v, %v: %v", s.GetSettled(), s.GetState(), s.GetSentences())
		}
		said := strings.Join(s.GetSentences(), "\n")
		for _, want := range []string{
			"Short: imap has a floor of 2, and its pools have 1 seat; 1 more is lent for as long as it is so; enlarge pool imap, or lower the floor",
			"n-2 serves imap since 00:00:00 UTC, for pool imap: imap would be under its floor of 2; n-2 has no seat.",
		} {
			if !strings.Contains(said, want) {
				t.Errorf("%q is not said:\n%s", want, said)
			}
		}
	})
}
