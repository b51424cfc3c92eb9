package status

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"roster/fsm"
	"roster/fsm/placement"
	"roster/fsm/rollout"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
	"roster/server/internal/fixture"
)

// advance does what the leader's loop would, and what agents answer, until there
// is nothing to do now.
func advance(t *testing.T, log *fixture.Log) {
	t.Helper()
	for range 20 {
		state := log.Machine.State()
		target, err := placement.Place(fsm.Placement(state, state.Effective(), time.Now()))
		if err != nil {
			t.Fatal(err)
		}
		step := rollout.Next(fsm.Rollout(state, state.Effective(), target, time.Now(), nil))
		if len(step.Moves) == 0 {
			return
		}
		wave := &storev1.MoveAssignments{TopologyRevision: state.Topology().GetRevision()}
		for _, m := range step.Moves {
			n := state.Node(m.GetNode())
			wave.Nodes = append(wave.Nodes, &storev1.NodeMoves{
				Basis: &storev1.NodeBasis{Node: n.GetId(), Generation: n.GetGeneration(), State: n.GetState()}, Moves: []*v1.Move{m},
			})
		}
		log.Must(&storev1.Command{Command: &storev1.Command_MoveAssignments{MoveAssignments: wave}})
		for _, n := range log.Machine.State().Nodes() {
			if n.GetState() == v1.NodeState_NODE_STATE_UP {
				log.Obey(n.GetId())
			}
		}
	}
	t.Fatal("it goes on and on")
}

// One loss from its beginning to its end, as an operator reads it.
func TestALossIsToldUntilAllIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := serving(t)
		log.Register("n-3", "imap")
		told := func(when string, word v1.StatusState, settled bool, says ...string) {
			t.Helper()
			s := of(log.Machine.State())
			all := strings.Join(s.GetSentences(), "\n")
			if s.GetState() != word || s.GetSettled() != settled {
				t.Errorf("%s: %v, settled %v\n%s", when, s.GetState(), s.GetSettled(), all)
			}
			for _, want := range says {
				if !strings.Contains(all, want) {
					t.Errorf("%s: nothing says %q:\n%s", when, want, all)
				}
			}
		}
		told("before", ok, true)
		log.SetState("n-1", v1.NodeState_NODE_STATE_DOWN)
		told("just lost", broken, false, "Down: n-1")
		advance(t, log)
		told("mended", degraded, false, "n-3 serves imap in place of n-1 since 00:00:00 UTC.", "The seat of n-1 in pool imap goes to another node at 00:05:00 UTC, in 5m")
		if row := of(log.Machine.State()).GetServices()["imap"]; strings.Join(row.GetBorrowed(), " ") != "n-3" || row.GetReady() != 2 {
			t.Errorf("imap: %v", row)
		}
		time.Sleep(5 * time.Minute)
		advance(t, log)
		told("replaced", degraded, true, "n-1 holds no seat of pool imap any more", "roster node remove --force n-1")
		log.SetState("n-1", v1.NodeState_NODE_STATE_UP)
		log.Obey("n-1")
		advance(t, log)
		told("back", ok, false, "n-1 still serves imap since 00:00:00 UTC, without a seat: pool imap no longer needs it; it is kept until 00:06:00 UTC, in 1m, as n-1 came back at 00:05:00 UTC.")
		time.Sleep(2 * time.Minute)
		advance(t, log)
		told("given back", ok, true)
		if n := log.Machine.State().Node("n-1"); len(n.GetAssignments()) != 0 {
			t.Errorf("n-1 keeps %v", n.GetAssignments())
		}
	})
}

// Where the operator decides, the plan is in the status until it is decided.
func TestARepairThatWaitsForAWordIsInTheStatus(t *testing.T) {
	log := serving(t)
	log.Register("n-3", "imap")
	log.Apply(written + "policy: {repair: approve}\n")
	log.SetState("n-1", v1.NodeState_NODE_STATE_DOWN)
	s := of(log.Machine.State())
	if len(s.GetPlans()) != 1 || s.GetSettled() {
		t.Fatalf("plans %v, settled %v", s.GetPlans(), s.GetSettled())
	}
	if all, want := strings.Join(s.GetSentences(), "\n"), "`roster plan approve "+s.GetPlans()[0].GetId()+"`"; !strings.Contains(all, want) {
		t.Errorf("nothing says %q:\n%s", want, all)
	}
}

// Where the loop goes by other times than the file's, status tells those.
func TestTimesAreToldAsTheLeadersLoopReadsThem(t *testing.T) {
	log := serving(t)
	log.SetState("n-1", v1.NodeState_NODE_STATE_DOWN)
	state := log.Machine.State()
	quick := proto.CloneOf(state.Effective())
	quick.Policy.ReplaceAfter = durationpb.New(15 * time.Second)
	since := state.Node("n-1").GetStateSince().AsTime()
	s := Compute(Input{State: state, Effective: quick, Now: since, Leader: "m-1", AnsweredBy: "m-1"})
	if all, want := strings.Join(s.GetSentences(), "\n"), "in 15s, unless it comes back"; !strings.Contains(all, want) {
		t.Errorf("nothing says %q:\n%s", want, all)
	}
}
