package rebalance

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/fsm/rollout"
)

func (w *world) freeze(scope string, lasts time.Duration) {
	w.t.Helper()
	w.Must(&storev1.Command{Command: &storev1.Command_CreateFreeze{CreateFreeze: &storev1.CreateFreeze{
		Freeze: &v1.Freeze{Id: "f-" + scope[:3], Scope: scope, Reason: "test"}, Within: durationpb.New(lasts),
	}}})
}

func (w *world) drain(id string, drained bool) {
	w.t.Helper()
	w.Must(&storev1.Command{Command: &storev1.Command_DrainNode{DrainNode: &storev1.DrainNode{Id: id, Drained: drained, Reason: "test"}}})
}

func TestAFreezeOutlastsANodesDeathAndEndsByItself(t *testing.T) {
	inEachLead(t, example(t, "service-specific"), func(w *world, change func()) {
		both := carriers(w)
		w.freeze("all", 10*time.Minute)
		frozen := time.Now()
		w.kill(both...)
		change()
		w.quiet("everything is frozen", 9*time.Minute)
		change()
		// Nothing happens in the state but that the time passes.
		w.must("webdav is borrowed once the freeze is over", 2*time.Minute, w.whole)
		if late := time.Since(frozen) - 10*time.Minute; late < 0 || late > 5*time.Second {
			t.Errorf("%s after the freeze ended", late)
		}
		if n := len(w.Machine.State().Freezes()); n != 0 {
			t.Errorf("%d freezes are kept though their time has passed", n)
		}
	})
}

func TestAFreezeOfOneServiceLeavesTheOthersAlone(t *testing.T) {
	inWorld(t, example(t, "paired"), func(w *world) {
		w.freeze("service:webdav", time.Hour)
		w.kill(carriers(w)...)
		w.run(10 * time.Minute)
		if n := w.count(0, v1.Action_ACTION_START, func(m *v1.Move) bool { return m.GetService() == "webdav" && m.GetBorrowed() }); n != 0 {
			t.Errorf("webdav was started %d times elsewhere", n)
		}
		mail := w.serving("smtp-inbound")
		w.kill(mail...)
		w.run(30 * time.Second)
		if w.answering()["smtp-inbound"] == 0 {
			t.Errorf("smtp-inbound is not served anywhere\n%s", w.story())
		}
	})
}

func TestADrainGoesOnUnderTheNextLeaderAndIsCancelled(t *testing.T) {
	inEachLead(t, spare, func(w *world, change func()) {
		lost := w.serving("imap")[0]
		w.drain(lost, true)
		w.run(300 * time.Millisecond)
		change()
		w.must("it serves nothing", 5*time.Minute, func() bool { return len(w.Machine.State().Node(lost).GetAssignments()) == 0 })
		if got := w.answering()["imap"]; got != 3 {
			t.Errorf("%d nodes serve imap", got)
		}
		w.quiet("it is drained", time.Minute)
		w.drain(lost, false)
		change()
		w.run(5 * time.Minute)
		w.quiet("it may serve again", 10*time.Minute)
		if got := len(w.serving("imap")); got != 3 {
			t.Errorf("%d nodes serve imap", got)
		}
	})
}

func TestADrainThatIsCalledOffInTheMiddleLeavesThePoolWhole(t *testing.T) {
	inEachLead(t, spare, func(w *world, change func()) {
		for _, draining := range []bool{false, true} {
			lost := w.serving("jmap")[0]
			w.drain(lost, true)
			if draining {
				w.must("it drains", time.Minute, func() bool {
					return slices.ContainsFunc(w.Machine.State().Node(lost).GetAssignments(), func(a *v1.Assignment) bool { return a.GetWanted() == v1.Wanted_WANTED_DRAINING })
				})
			}
			change()
			w.drain(lost, false)
			w.run(10 * time.Minute)
			w.quiet("it was called off", 10*time.Minute)
			if got := w.answering(); got["jmap"] != 3 || got["webdav"] != 3 {
				t.Errorf("%v answer", got)
			}
		}
	})
}

const approve = `name: approve
pools:
  - {name: imap,   services: [imap],   count: 2}
  - {name: webdav, services: [webdav], count: 2}
  - {name: rest,   services: [jmap, smtp], count: 6}
policy: {repair: approve, rebalance: approve}
`

func (w *world) proposed(cause v1.Cause) *v1.ProposedPlan {
	for _, p := range fsm.Proposed(w.Machine.State(), time.Now()) {
		if p.GetCause() == cause {
			return p
		}
	}
	return nil
}

func (w *world) decide(p *v1.ProposedPlan, rejected bool) {
	w.t.Helper()
	moves := rollout.PlanMoves(p.GetPlan())
	w.Must(&storev1.Command{Command: &storev1.Command_DecidePlan{DecidePlan: &storev1.DecidePlan{Approval: &v1.Approval{
		Id: p.GetId(), Cause: p.GetCause(), Rejected: rejected, Moves: moves,
	}}}})
}

// said is what a plan's or a history's moves are, without their words.
func said(moves []*v1.Move) (lines []string) {
	for _, m := range moves {
		lines = append(lines, actionWord(m.GetAction())+" "+m.GetService()+" "+m.GetNode()+" "+m.GetPool())
	}
	slices.Sort(lines)
	return lines
}

func planned(p *v1.ProposedPlan) []*v1.Move { return rollout.PlanMoves(p.GetPlan()) }

func (w *world) made(since int) (moves []*v1.Move) {
	for _, h := range w.history[since:] {
		moves = append(moves, h.move)
	}
	return moves
}

// Under approve nothing moves; what is shown is what auto does, and approval
// does it.
func TestWhereRepairWaitsForApprovalThePlanShownIsWhatAutoDoes(t *testing.T) {
	var auto []string
	inWorld(t, approve[:len(approve)-len("policy: {repair: approve, rebalance: approve}\n")], func(w *world) {
		since := len(w.history)
		w.kill(carriers(w)...)
		w.run(2 * time.Minute)
		auto = said(w.made(since))
	})
	if len(auto) == 0 {
		t.Fatal("auto does nothing: the test shows nothing")
	}
	inEachLead(t, approve, func(w *world, change func()) {
		since := len(w.history)
		w.kill(carriers(w)...)
		w.run(5 * time.Second)
		change()
		w.quiet("repair waits for approval", time.Minute)
		plan := w.proposed(v1.Cause_CAUSE_REPAIR)
		if got := said(planned(plan)); !slices.Equal(got, auto) {
			t.Fatalf("the plan is %v, auto does %v", got, auto)
		}
		w.decide(plan, true)
		w.quiet("the plan was rejected", time.Minute)
		w.decide(plan, false)
		change()
		w.must("webdav answers", time.Minute, w.whole)
		w.run(time.Minute)
		if got := said(w.made(since)); !slices.Equal(got, auto) {
			t.Errorf("after approval %v was done, auto does %v", got, auto)
		}
	})
}

func TestTheOperatorsOrderNeedsNoApprovalAndIsSettledWhenItIsDone(t *testing.T) {
	inEachLead(t, approve, func(w *world, change func()) {
		if w.Machine.State().RolloutOrder().GetOpen() {
			t.Error("the first placement is done, and the order is still open")
		}
		lost := w.serving("imap")[0]
		w.drain(lost, true)
		w.run(200 * time.Millisecond)
		change()
		w.must("it serves nothing", 10*time.Minute, func() bool { return len(w.Machine.State().Node(lost).GetAssignments()) == 0 })
		w.must("the order is settled", time.Minute, func() bool { return !w.Machine.State().RolloutOrder().GetOpen() })
	})
}

func TestAnOrderThatAFreezeKeepsBackIsNotSettled(t *testing.T) {
	inEachLead(t, spare, func(w *world, change func()) {
		w.freeze("all", 10*time.Minute)
		w.drain(w.serving("imap")[0], true)
		change()
		w.quiet("all is frozen", 5*time.Minute)
		if !w.Machine.State().RolloutOrder().GetOpen() {
			t.Error("the order was settled though nothing of it is done")
		}
		w.must("the order is done and settled", 20*time.Minute, func() bool { return !w.Machine.State().RolloutOrder().GetOpen() })
	})
}

func TestAnIdleClusterOfManyNodesIsNotPlacedAgainAndAgain(t *testing.T) {
	inWorld(t, example(t, "mixed"), func(w *world) {
		w.run(2 * time.Minute)
		l := New(Config{Machine: w.Machine, Proposer: w, Caller: "roster://test/member/m1"})
		state := w.Machine.State()
		if !l.place(state, time.Now()) {
			t.Fatal("nothing is placed")
		}
		first := l.target
		w.Must(&storev1.Command{Command: &storev1.Command_UpdateNode{UpdateNode: &storev1.UpdateNode{Id: "node-1", SetLabels: map[string]string{"bench": "1"}}}})
		if l.place(w.Machine.State(), time.Now().Add(time.Hour)); l.target != first {
			t.Error("placed again, though nothing that counts has changed")
		}
		w.SetState("node-1", v1.NodeState_NODE_STATE_DOWN)
		l.place(w.Machine.State(), time.Now())
		down := l.target
		if down == first {
			t.Error("not placed again after a node went down")
		}
		if l.place(w.Machine.State(), time.Now().Add(time.Second)); l.target != down {
			t.Error("placed again a second later")
		}
		if l.place(w.Machine.State(), time.Now().Add(6*time.Minute)); l.target == down {
			t.Error("not placed again though replace_after has passed")
		}
	})
}

func TestAMoveThatIsNotMadeIsLoggedOnce(t *testing.T) {
	var log lines
	l := New(Config{Logger: log.logger()})
	held := []rollout.Held{{Move: &v1.Move{Node: "n", Service: "imap", Action: v1.Action_ACTION_START}, Why: "frozen"}}
	for range 5 {
		l.tellHeld(held)
	}
	if n := log.count("move is not made"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	l.tellHeld(nil)
	l.tellHeld(held)
	if n := log.count("move is not made"); n != 2 {
		t.Errorf("logged %d times in all after it came up again", n)
	}
}

// An approval is for the loss that it was asked about. What came to nothing is
// no leave for the next time.
func TestAnApprovalThatCameToNothingCountsForNoLaterLoss(t *testing.T) {
	inEachLead(t, approve, func(w *world, change func()) {
		both := carriers(w)
		w.kill(both...)
		w.run(30 * time.Second)
		plan := w.proposed(v1.Cause_CAUSE_REPAIR)
		if plan == nil {
			t.Fatal("nothing is proposed: the test shows nothing")
		}
		w.freeze("service:webdav", 5*time.Minute)
		w.decide(plan, false)
		w.run(time.Minute)
		if len(w.Machine.State().Approvals()) != 1 {
			t.Error("the approval is lost while a freeze keeps it back")
		}
		w.restore(both...)
		change()
		w.quiet("they are back before anything was done", time.Hour)
		if got := w.Machine.State().Approvals(); len(got) != 0 {
			t.Errorf("still approved: %v", got)
		}
		w.kill(both...)
		change()
		w.quiet("nobody approved that", 10*time.Minute)
	})
}

// A leader before had a clock that was ahead, so what is written is of a time to
// come: all that is waited for is waited for as long as ever.
func TestNothingTakesLongerWhereTheLogsTimeIsAhead(t *testing.T) {
	inWorld(t, spare, func(w *world) {
		w.ahead = time.Hour
		w.Ahead(w.ahead)
		lost := w.serving("imap")[0]
		w.kill(lost)
		w.must("it is down", time.Minute, func() bool { return w.state(lost) == isDown })
		down := time.Now()
		w.must("another node has the seat", 10*time.Minute, func() bool {
			return !slices.ContainsFunc(w.borrowed(), func(s string) bool { return s != lost+":imap" }) && w.answering()["imap"] == 3
		})
		if took := time.Since(down); took < 5*time.Minute {
			t.Errorf("the seat was given away after %s", took)
		}
		w.restore(lost)
		w.must("its surplus has ended", 5*time.Minute, func() bool { return len(w.Machine.State().Node(lost).GetAssignments()) == 0 })
		w.freeze("all", 10*time.Minute)
		w.run(9 * time.Minute)
		if len(w.Machine.State().Freezes()) == 0 {
			t.Error("the freeze ended before its time")
		}
		w.must("the freeze ends", 2*time.Minute, func() bool { return len(w.Machine.State().Freezes()) == 0 })
		w.kill(w.all()[:5]...)
		w.must("it holds", time.Minute, w.holds)
		w.must("it is slow", 16*time.Minute, func() bool { return w.Machine.State().Hold().GetSlow() })
	})
}

// What waits for approval is not what a freeze keeps back: an order that stayed
// open for it would let everything else pass unasked until the freeze ends.
func TestAFreezeOfSomethingElseKeepsNoOrderOpen(t *testing.T) {
	inEachLead(t, approve, func(w *world, change func()) {
		both, drained := carriers(w), w.serving("jmap")
		w.freeze("node:"+drained[len(drained)-1], 20*24*time.Hour)
		w.kill(both...)
		w.run(30 * time.Second)
		if w.proposed(v1.Cause_CAUSE_REPAIR) == nil {
			t.Fatal("nothing waits for approval: the test shows nothing")
		}
		w.drain(drained[0], true)
		change()
		w.must("it serves nothing", 10*time.Minute, func() bool { return len(w.Machine.State().Node(drained[0]).GetAssignments()) == 0 })
		w.must("the order is settled", time.Minute, func() bool { return !w.Machine.State().RolloutOrder().GetOpen() })
	})
}
