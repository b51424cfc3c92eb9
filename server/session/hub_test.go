package session

import (
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/server/internal/fixture"
)

const one = "name: one\npools:\n  - {name: imap, services: [imap], count: 1}\n"

func TestAnAgentGetsItsSetAndEachNewerOne(t *testing.T) {
	inDesk(t, func(d *desk) {
		a := d.agent("n", "imap")
		first := a.set()
		if !first.GetEmpty() || first.GetEpoch() != 1 || len(first.GetAssignments()) != 0 {
			t.Errorf("first set: %v", first)
		}
		d.Apply(one)
		d.Move("n", v1.Action_ACTION_START, "imap", "test", "imap")
		second := a.set()
		if second.GetEmpty() || second.GetGeneration() <= first.GetGeneration() || len(second.GetAssignments()) != 1 {
			t.Errorf("second set: %v", second)
		}
		// Nothing of its set changes: nothing is sent.
		d.Obey("n")
		if more := a.heard(); len(more) != 0 {
			t.Errorf("sent without need: %v", more)
		}
	})
}

func TestAnAgentThatWasSlowGetsTheNewestSetOnly(t *testing.T) {
	inDesk(t, func(d *desk) {
		d.Apply(one)
		a := d.agent("n", "imap")
		a.set()
		d.Move("n", v1.Action_ACTION_START, "imap", "test", "imap")
		synctest.Wait() // the sender is stuck with this set
		for range 20 {
			d.Move("n", v1.Action_ACTION_DRAIN, "imap", "test", "imap")
			d.Move("n", v1.Action_ACTION_UNDRAIN, "imap", "test", "imap")
		}
		stuck, newest := a.set(), a.set()
		if want := d.Machine.State().Node("n").GetGeneration(); newest.GetGeneration() != want || stuck.GetGeneration() >= want {
			t.Errorf("after the stuck set of generation %d came %d, the newest is %d", stuck.GetGeneration(), newest.GetGeneration(), want)
		}
		if more := a.heard(); len(more) != 0 {
			t.Errorf("and then %v", more)
		}
	})
}

func TestAnAgentThatDoesNotReadLosesItsSessionAndOthersDoNotWait(t *testing.T) {
	inDesk(t, func(d *desk) {
		d.Apply(one)
		slow, other := d.agent("slow", "imap"), d.agent("other", "imap")
		slow.set()
		other.set()
		d.Move("slow", v1.Action_ACTION_START, "imap", "test", "imap")
		synctest.Wait()
		began := time.Now()
		d.Move("other", v1.Action_ACTION_START, "imap", "test", "imap")
		if other.set(); time.Since(began) != 0 {
			t.Errorf("another agent waited %s for the slow one", time.Since(began))
		}
		// The transport acknowledges, the agent does not read: heartbeats go on.
		for range 5 {
			time.Sleep(beat)
			slow.beat(1)
			other.beat(2)
			other.heard()
		}
		if seen := d.hub.Sessions(); len(seen) != 1 || seen[0].Node != "other" {
			t.Errorf("sessions: %v", seen)
		}
		slow.failsWith(codes.ResourceExhausted, "SLOW_READER")
	})
}

func TestAMemberThatLagsSendsNoOlderSetThanTheAgentHolds(t *testing.T) {
	inDesk(t, func(d *desk) {
		d.Register("n", "imap")
		d.Apply(one)
		d.Move("n", v1.Action_ACTION_START, "imap", "test", "imap")
		behind := d.Follow()
		behind.CatchUp()
		d.Move("n", v1.Action_ACTION_DRAIN, "imap", "test", "imap")
		h := hello("n", "imap")
		h.Epoch, h.Generation = 1, d.Machine.State().Node("n").GetGeneration()
		a := d.open(newHub(t, d.Log, behind.Machine), h)
		a.welcomed()
		if got := a.heard(); len(got) != 0 {
			t.Errorf("the agent holds generation %d, and is sent %v", h.GetGeneration(), got)
		}
		behind.CatchUp()
		if got := a.set(); got.GetGeneration() != h.GetGeneration() {
			t.Errorf("after the member caught up: %v", got)
		}
	})
}

// A follower applies a registration later than the leader: until then its own
// record names the agent before, or says that the node was removed.
func TestAMemberThatLagsTurnsNobodyAway(t *testing.T) {
	inDesk(t, func(d *desk) {
		d.RegisterAs("taken", "old", fixture.Claims("imap"))
		d.SetState("taken", v1.NodeState_NODE_STATE_DOWN)
		d.RegisterAs("removed", "old", fixture.Claims("imap"))
		d.Remove("removed")
		behind := d.Follow()
		behind.CatchUp()
		hub := newHub(t, d.Log, behind.Machine)
		agents := []*agent{d.open(hub, hello("taken", "imap")), d.open(hub, hello("removed", "imap")), d.open(hub, hello("new", "imap"))}
		synctest.Wait() // all are registered, and the follower does not know yet
		for _, a := range agents {
			got := a.heard()
			select {
			case err := <-a.done:
				t.Fatalf("turned away by a member that lags: %v", err)
			default:
			}
			if len(got) != 0 {
				t.Errorf("told by a member that lags: %v", got)
			}
		}
		behind.CatchUp()
		for _, a := range agents {
			a.welcomed()
			a.set()
		}
	})
}

func TestAReconnectWritesNothing(t *testing.T) {
	inDesk(t, func(d *desk) {
		a := d.agent("n", "imap")
		a.set()
		before := len(d.Commands())
		for range 3 {
			a.stream.cancel()
			a.ended()
			a = d.agent("n", "imap")
			a.set()
		}
		if after := len(d.Commands()); after != before {
			t.Errorf("%d commands for three reconnects", after-before)
		}
		a.stream.cancel()
		changed := hello("n", "imap", "jmap")
		d.open(d.hub, changed).welcomed()
		if after := len(d.Commands()); after != before+1 {
			t.Errorf("%d commands for other claims, want 1", after-before)
		}
	})
}

func TestANewerSessionOfTheSameAgentEndsTheOlderOne(t *testing.T) {
	inDesk(t, func(d *desk) {
		first := d.agent("n", "imap")
		second := d.agent("n", "imap")
		first.failsWith(codes.Aborted, "REPLACED")
		second.set()
		if seen := d.hub.Sessions(); len(seen) != 1 {
			t.Errorf("sessions: %v", seen)
		}
	})
}

func TestASecondLiveAgentOfANodeIsRefused(t *testing.T) {
	inDesk(t, func(d *desk) {
		first := d.agent("n", "imap")
		first.set()
		other := hello("n", "imap")
		other.Instance = "another"
		d.open(d.hub, other).failsWith(codes.AlreadyExists, "NODE_IN_USE")
		d.Apply(one)
		d.Move("n", v1.Action_ACTION_START, "imap", "test", "imap")
		first.set() // still served
		// The first one is over: the other takes its place, and the old session ends.
		d.SetState("n", v1.NodeState_NODE_STATE_SUSPECT)
		second := d.open(d.hub, other)
		first.failsWith(codes.AlreadyExists, "NODE_TAKEN")
		second.welcomed()
		if got := second.set(); len(got.GetAssignments()) != 1 {
			t.Errorf("the node's set did not pass on: %v", got)
		}
	})
}

func TestWhoeverMustNotHaveASessionIsTold(t *testing.T) {
	for _, c := range []struct {
		name   string
		hello  func(*v1.Hello)
		before func(*desk)
		code   codes.Code
		reason string
	}{
		{"of another cluster", func(h *v1.Hello) { h.ClusterId = "c-2" }, nil, codes.FailedPrecondition, "WRONG_CLUSTER"},
		{"of a node that was removed", nil, func(d *desk) { d.Register("n", "imap"); d.Remove("n") }, codes.FailedPrecondition, "NODE_REMOVED"},
		{"without a node", func(h *v1.Hello) { h.Node = "" }, nil, codes.InvalidArgument, "INVALID"},
		{"without an instance", func(h *v1.Hello) { h.Instance = "" }, nil, codes.InvalidArgument, "INVALID"},
		{"with a name that none can have", func(h *v1.Hello) { h.Node = "no such name" }, nil, codes.InvalidArgument, "INVALID"},
		{"claiming the same twice", func(h *v1.Hello) { h.Claims = fixture.Claims("imap", "imap") }, nil, codes.InvalidArgument, "INVALID"},
		{"where there is no leader", nil, func(d *desk) {
			d.Fail(func(*storev1.Command) error { return errNobody })
		}, codes.Unavailable, "NO_LEADER"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inDesk(t, func(d *desk) {
				if c.before != nil {
					c.before(d)
				}
				h := hello("n", "imap")
				if c.hello != nil {
					c.hello(h)
				}
				d.open(d.hub, h).failsWith(c.code, c.reason)
				if n := len(d.hub.Sessions()); n != 0 {
					t.Errorf("%d sessions are left", n)
				}
			})
		})
	}
}

func TestAStreamThatSaysNothingIsClosed(t *testing.T) {
	inDesk(t, func(d *desk) {
		d.open(d.hub, nil).failsWith(codes.DeadlineExceeded, "DEADLINE")
		a := d.open(d.hub, nil)
		a.beat(0)
		a.failsWith(codes.InvalidArgument, "INVALID")
		b := d.agent("n", "imap")
		b.stream.in <- &v1.SessionRequest{Message: &v1.SessionRequest_Hello{Hello: hello("m", "imap")}}
		b.failsWith(codes.InvalidArgument, "INVALID")
	})
}

func TestAnAgentThatEndsInPeaceIsNoError(t *testing.T) {
	inDesk(t, func(d *desk) {
		a := d.agent("n", "imap")
		a.set()
		close(a.stream.in)
		if err := a.ended(); err != nil {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestTheAgentOfANodeThatIsRemovedIsTold(t *testing.T) {
	inDesk(t, func(d *desk) {
		a := d.agent("n", "imap")
		a.set()
		d.Remove("n")
		a.failsWith(codes.FailedPrecondition, "NODE_REMOVED")
	})
}

func TestAnAcknowledgementSaysWhoTheMembersAre(t *testing.T) {
	inDesk(t, func(d *desk) {
		a := d.agent("n", "imap")
		a.set()
		a.beat(1)
		if got := a.next().GetAck(); got.GetSequence() != 1 || !got.GetHasLeader() || len(got.GetMembers()) != 0 {
			t.Errorf("first: %v", got)
		}
		d.Must(&storev1.Command{Command: &storev1.Command_PutMember{PutMember: &storev1.PutMember{
			Member: &v1.Member{Id: "m", Name: "m", Address: "127.0.0.1:1", RaftAddress: "127.0.0.1:2", MaxSchema: fsm.Schema},
		}}})
		a.beat(1)
		if got := a.next().GetAck(); got.GetSequence() != 2 || len(got.GetMembers()) != 1 {
			t.Errorf("after a member joined: %v", got)
		}
		a.beat(1)
		if got := a.next().GetAck(); got.GetSequence() != 3 || len(got.GetMembers()) != 0 {
			t.Errorf("told again: %v", got)
		}
	})
}
