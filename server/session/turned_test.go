package session

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	storev1 "roster/proto/roster/store/v1"
)

func TestASecondLiveAgentIsNotedOnceAMinute(t *testing.T) {
	inDesk(t, func(d *desk) {
		d.agent("n", "imap").set()
		d.agent("m", "imap").set()
		ask := func(node string) {
			other := hello(node, "imap")
			other.Instance = "another"
			d.open(d.hub, other).failsWith(codes.AlreadyExists, "NODE_IN_USE")
		}
		noted := func() (n int) {
			for _, c := range d.Commands() {
				if note := c.GetNoteAgent(); note != nil {
					n++
					if note.GetInstance() != "another" || !strings.Contains(note.GetReason(), note.GetId()) {
						t.Errorf("noted: %v", note)
					}
				}
			}
			return n
		}
		for range 10 {
			ask("n")
			time.Sleep(time.Second)
		}
		if n := noted(); n != 1 {
			t.Errorf("noted %d times in ten seconds", n)
		}
		ask("m")
		if n := noted(); n != 2 {
			t.Errorf("another node's is noted: %d times in all, want 2", n)
		}
		time.Sleep(noteEvery)
		ask("n")
		if n := noted(); n != 3 {
			t.Errorf("noted %d times in all after another minute, want 3", n)
		}
	})
}

func TestAnAgentThatWasReplacedLosesItsSessionAndIsNotLetInAgain(t *testing.T) {
	inDesk(t, func(d *desk) {
		old := d.agent("n", "imap")
		old.set()
		d.Must(&storev1.Command{Command: &storev1.Command_ReplaceNode{ReplaceNode: &storev1.ReplaceNode{Id: "n", Force: true}}})
		old.failsWith(codes.FailedPrecondition, "NODE_REMOVED")
		d.open(d.hub, hello("n", "imap")).failsWith(codes.FailedPrecondition, "NODE_REMOVED")
		next := hello("n", "imap")
		next.Instance = "next"
		a := d.open(d.hub, next)
		a.welcomed()
		a.set()
		d.open(d.hub, hello("n", "imap")).failsWith(codes.FailedPrecondition, "NODE_REMOVED")
	})
}

func TestAnAgentThatIsRefusedForAnythingElseIsNotNoted(t *testing.T) {
	inDesk(t, func(d *desk) {
		d.Register("n", "imap")
		d.Remove("n")
		d.open(d.hub, hello("n", "imap")).failsWith(codes.FailedPrecondition, "NODE_REMOVED")
		for _, c := range d.Commands() {
			if c.GetNoteAgent() != nil {
				t.Errorf("noted: %v", c)
			}
		}
	})
}
