package session

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "roster/proto/roster/v1"
)

const beat = 2 * time.Second

var dawn = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func nodeIn(state v1.NodeState) *v1.Node {
	return &v1.Node{Id: "n", Instance: "i", State: state, StateSince: timestamppb.New(dawn.Add(-time.Hour))}
}

// after says which state the records must take, a time after the term began.
func after(l *Liveness, recorded v1.NodeState, d time.Duration) v1.NodeState {
	changes := l.Transitions([]*v1.Node{nodeIn(recorded)}, 10*time.Second, dawn.Add(d))
	if len(changes) == 0 {
		return recorded
	}
	return changes[0].GetState()
}

const (
	up      = v1.NodeState_NODE_STATE_UP
	suspect = v1.NodeState_NODE_STATE_SUSPECT
	down    = v1.NodeState_NODE_STATE_DOWN
)

func TestANodeIsSuspectAfterTwoMissedHeartbeatsAndDownAfterDownAfter(t *testing.T) {
	l := NewLiveness(beat, dawn)
	l.Heard("m1", "n", "i", dawn)
	for _, c := range []struct {
		at       time.Duration
		recorded v1.NodeState
		want     v1.NodeState
	}{
		{time.Second, up, up},
		{4 * time.Second, up, up},
		{4*time.Second + 1, up, suspect},
		{9 * time.Second, suspect, suspect},
		{10 * time.Second, suspect, down},
		{time.Hour, down, down},
	} {
		if got := after(l, c.recorded, c.at); got != c.want {
			t.Errorf("silent for %s, recorded %v: %v, want %v", c.at, c.recorded, got, c.want)
		}
	}
}

func TestABrokenSessionIsSuspectAtOnceAndUpWhenHeardElsewhere(t *testing.T) {
	l := NewLiveness(beat, dawn)
	l.Heard("m1", "n", "i", dawn)
	l.Ended("m1", "n")
	if got := after(l, up, time.Millisecond); got != suspect {
		t.Errorf("after its session broke: %v", got)
	}
	l.Heard("m2", "n", "i", dawn.Add(time.Second))
	if got := after(l, suspect, time.Second); got != up {
		t.Errorf("after another member heard it: %v", got)
	}
	l.Ended("m1", "n") // old news of the first member
	if got := after(l, up, time.Second); got != up {
		t.Errorf("the end of a session that is not the newest counts: %v", got)
	}
}

func TestANewLeaderBlamesNoNodeForItsOwnLateArrival(t *testing.T) {
	l := NewLiveness(beat, dawn)
	if got := after(l, up, beat); got != up {
		t.Errorf("a heartbeat into the term, unheard: %v", got)
	}
	if got := after(l, up, 9*time.Second); got == down {
		t.Error("down before down_after passed in this term")
	}
	if got := after(l, suspect, 9*time.Second); got != suspect {
		t.Errorf("suspect under the old leader, unheard, and down_after has not passed in this term: %v", got)
	}
	if got := after(l, suspect, 10*time.Second); got != down {
		t.Errorf("unheard for down_after in this term: %v", got)
	}
	if got := after(l, down, time.Millisecond); got != down {
		t.Errorf("a node that is down comes back only when heard: %v", got)
	}
}

func TestANodeThatIsDownIsUpOnlyWhileItIsHeard(t *testing.T) {
	l := NewLiveness(beat, dawn)
	l.Heard("m1", "n", "i", dawn)
	if got := after(l, down, beat); got != up {
		t.Errorf("heard a heartbeat ago: %v", got)
	}
	if got := after(l, down, 3*beat); got != down {
		t.Errorf("heard three heartbeats ago: %v", got)
	}
	l.Ended("m1", "n")
	if got := after(l, down, beat); got != down {
		t.Errorf("its session broke again: %v", got)
	}
}

func TestAnotherInstanceDoesNotKeepANodeAlive(t *testing.T) {
	l := NewLiveness(beat, dawn)
	l.Heard("m1", "n", "other", dawn.Add(11*time.Second))
	if got := after(l, up, 11*time.Second); got != down {
		t.Errorf("heard another instance only: %v", got)
	}
}

func TestDownAfterIsAtLeastThreeHeartbeats(t *testing.T) {
	l := NewLiveness(beat, dawn)
	l.Heard("m1", "n", "i", dawn)
	if c := l.Transitions([]*v1.Node{nodeIn(up)}, time.Second, dawn.Add(5*time.Second)); len(c) != 1 || c[0].GetState() != suspect {
		t.Errorf("a down_after of one second took effect: %v", c)
	}
}

func TestOnlyNodesHeardWithinTwoHeartbeatsAreHeardRecently(t *testing.T) {
	l := NewLiveness(beat, dawn)
	if l.HeardRecently("n", "i", dawn) {
		t.Error("never heard, yet recently")
	}
	l.Heard("m1", "n", "i", dawn)
	if !l.HeardRecently("n", "i", dawn.Add(2*beat)) || l.HeardRecently("n", "i", dawn.Add(2*beat+1)) {
		t.Error("the bound is not two heartbeats")
	}
	l.Ended("m1", "n")
	if l.HeardRecently("n", "i", dawn) {
		t.Error("its session is broken, yet it counts as heard")
	}
}

func TestNewsAreEverythingFirstThenWhatChanged(t *testing.T) {
	var news News
	a, b := Seen{Node: "a", Instance: "1", Heard: dawn}, Seen{Node: "b", Instance: "1", Heard: dawn}
	if heard, ended := news.Next([]Seen{b, a}); len(heard) != 2 || heard[0].Node != "a" || len(ended) != 0 {
		t.Fatalf("first: %v %v", heard, ended)
	}
	if heard, ended := news.Next([]Seen{a, b}); len(heard)+len(ended) != 0 {
		t.Fatalf("nothing changed: %v %v", heard, ended)
	}
	a.Heard = dawn.Add(beat)
	if heard, ended := news.Next([]Seen{a}); len(heard) != 1 || heard[0] != a || len(ended) != 1 || ended[0] != "b" {
		t.Fatalf("a was heard, b ended: %v %v", heard, ended)
	}
}

func TestANodeThatJustRegisteredIsNotBlamedForTheSilenceBefore(t *testing.T) {
	l := NewLiveness(beat, dawn)
	l.Heard("m1", "n", "i", dawn)
	l.Ended("m1", "n")
	after(l, down, 30*time.Second)
	n := nodeIn(up)
	// Written by a leader whose clock was an hour ahead: only that it changed
	// counts.
	n.StateSince = timestamppb.New(dawn.Add(time.Hour))
	if c := l.Transitions([]*v1.Node{n}, 10*time.Second, dawn.Add(time.Minute+time.Second)); len(c) != 0 {
		t.Errorf("a second after it registered: %v", c)
	}
	if c := l.Transitions([]*v1.Node{n}, 10*time.Second, dawn.Add(time.Minute+11*time.Second)); len(c) != 1 || c[0].GetState() != down {
		t.Errorf("silent for down_after since it registered: %v", c)
	}
}

func TestTheEndOfAnOldRelayTakesNothingFromTheNextOne(t *testing.T) {
	l := NewLiveness(beat, dawn)
	l.Heard("relay 1", "n", "i", dawn)
	l.Heard("relay 2", "n", "i", dawn)
	l.Ended("relay 1", "n") // noticed late
	if got := after(l, up, time.Millisecond); got != up {
		t.Errorf("the member's next relay hears it, and it is %v", got)
	}
	l.Ended("relay 2", "n")
	if got := after(l, up, time.Millisecond); got != suspect {
		t.Errorf("no relay hears it, and it is %v", got)
	}
}

func TestAnotherInstanceDoesNotDrownANode(t *testing.T) {
	l := NewLiveness(beat, dawn)
	for d := time.Duration(0); d < 20*time.Second; d += beat {
		l.Heard("m1", "n", "i", dawn.Add(d))
		l.Heard("m2", "n", "other", dawn.Add(d+time.Millisecond))
		if got := after(l, up, d+2*time.Millisecond); got != up {
			t.Fatalf("heard at %s, and so was another instance: %v", d, got)
		}
	}
}

func TestALeaderThatStoodStillBlamesNobody(t *testing.T) {
	l := NewLiveness(beat, dawn)
	l.Heard("m1", "n", "i", dawn)
	l.Overslept(time.Minute, dawn.Add(time.Minute))
	if got := after(l, up, time.Minute); got != up {
		t.Errorf("silent for as long as the leader slept: %v", got)
	}
	if got := after(l, up, time.Minute+10*time.Second); got != down {
		t.Errorf("silent for down_after since the leader woke: %v", got)
	}
}
