package session

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/server/internal/fixture"
)

func (d *desk) freeze(id, scope string) {
	d.Must(&storev1.Command{Command: &storev1.Command_CreateFreeze{CreateFreeze: &storev1.CreateFreeze{Freeze: &v1.Freeze{
		Id: id, Scope: scope, Expires: timestamppb.New(time.Now().Add(time.Hour)), Reason: "test",
	}}}})
}

func TestAnAgentIsToldAtOnceThatTheOperatorKeepsRosterOffItsNode(t *testing.T) {
	inDesk(t, func(d *desk) {
		a, other := d.agent("n", "imap"), d.agent("other", "imap")
		first := a.set()
		other.set()
		if first.GetHandsOff() {
			t.Errorf("first: %v", first)
		}
		began := time.Now()
		d.freeze("f-1", "node:n")
		if got := a.set(); !got.GetHandsOff() || got.GetGeneration() != first.GetGeneration() {
			t.Errorf("frozen: %v", got)
		}
		d.Must(&storev1.Command{Command: &storev1.Command_DeleteFreezes{DeleteFreezes: &storev1.DeleteFreezes{Id: "f-1"}}})
		if got := a.set(); got.GetHandsOff() {
			t.Errorf("after it was ended: %v", got)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %s", took)
		}
	})
	inDesk(t, func(d *desk) {
		// No other freeze reaches agents.
		d.Register("other", "imap")
		a := d.agent("n", "imap")
		a.set()
		d.freeze("f-1", "all")
		d.freeze("f-2", "node:other")
		if got := a.heard(); len(got) != 0 {
			t.Errorf("told of what is not for it: %v", got)
		}
	})
}

func TestAnAgentThatObservesIsToldSoAndWhenItMayAct(t *testing.T) {
	inDesk(t, func(d *desk) {
		h := hello("n", "imap")
		h.Claims = fixture.Claims("imap")
		h.Claims.Mode = v1.AgentMode_AGENT_MODE_OBSERVE
		a := d.open(d.hub, h)
		a.welcomed()
		if got := a.set(); !got.GetObserve() {
			t.Errorf("first: %v", got)
		}
		d.Must(&storev1.Command{Command: &storev1.Command_ActivateNode{ActivateNode: &storev1.ActivateNode{Id: "n"}}})
		if got := a.set(); got.GetObserve() {
			t.Errorf("activated: %v", got)
		}
	})
}

// After a restore the state may lack what an agent serves: a set sent before it
// has told would stop that.
func TestNobodyIsToldAnythingBeforeItHasToldWhatItServesSinceARestore(t *testing.T) {
	inDesk(t, func(d *desk) {
		a := d.agent("n", "imap")
		before := a.set()
		d.Must(&storev1.Command{Command: &storev1.Command_RaiseEpoch{RaiseEpoch: &storev1.RaiseEpoch{Epoch: 9, Reason: "restored"}}})
		// Nor is one that comes anew.
		late := hello("n", "imap")
		late.Epoch, late.Generation = before.GetEpoch(), before.GetGeneration()
		b := d.open(d.hub, late)
		b.welcomed()
		for name, agent := range map[string]*agent{"that was here": a, "that came anew": b} {
			for _, m := range agent.heard() {
				if m.GetSet() != nil {
					t.Errorf("the agent %s was sent %v", name, m)
				}
			}
		}
		b.beat(before.GetGeneration(), serving("imap"))
		got := b.set()
		if got.GetEpoch() != 9 || len(got.GetAssignments()) != 1 || got.GetAssignments()[0].GetService() != "imap" {
			t.Errorf("once it has told: %v", got)
		}
	})
}
