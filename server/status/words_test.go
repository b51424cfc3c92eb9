package status

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/server/internal/fixture"
)

const (
	holding = v1.StatusState_STATUS_STATE_HOLDING
	frozen  = v1.StatusState_STATUS_STATE_FROZEN
)

func freeze(log *fixture.Log, id, scope string, lasts time.Duration) {
	log.Must(&storev1.Command{Command: &storev1.Command_CreateFreeze{CreateFreeze: &storev1.CreateFreeze{
		Freeze: &v1.Freeze{Id: id, Scope: scope, Reason: "storage is moved."}, Within: durationpb.New(lasts),
	}}})
}

func hold(log *fixture.Log, slow bool) {
	log.Must(&storev1.Command{Command: &storev1.Command_SetNodeStates{SetNodeStates: &storev1.SetNodeStates{
		Hold: &storev1.HoldChange{Hold: &v1.Hold{
			Reason: "4 of 10 nodes in 2 zones fell silent at once", Silent: []string{"n-1", "n-2"}, SilentCount: 2, Registered: 5, Slow: slow,
		}},
	}}})
}

func drain(log *fixture.Log, id string, within time.Duration) {
	c := &storev1.DrainNode{Id: id, Drained: true, Reason: "new kernel"}
	if within > 0 {
		c.Within = durationpb.New(within)
	}
	log.Must(&storev1.Command{Command: &storev1.Command_DrainNode{DrainNode: c}})
}

func report(log *fixture.Log, id string, change func(*storev1.ReportNode)) {
	n := log.Machine.State().Node(id)
	r := &storev1.ReportNode{Id: id, Instance: n.GetInstance(), ReportedGeneration: n.GetGeneration(), Reports: fixture.Reports(n)}
	change(r)
	log.Must(&storev1.Command{Command: &storev1.Command_ReportNode{ReportNode: r}})
}

func TestEachFirstWordIsTheDesigns(t *testing.T) {
	words := []string{"UNKNOWN", "OK", "DEGRADED, floors kept", "HOLDING", "FROZEN", "FLOOR BROKEN", "NO QUORUM, nodes serve on"}
	if len(words) != len(v1.StatusState_name) {
		t.Fatalf("%d words for %d states", len(words), len(v1.StatusState_name))
	}
	for i, want := range words {
		if got := Word(v1.StatusState(i)); got != want {
			t.Errorf("state %d is %q, not %q", i, got, want)
		}
	}
}

// Each step adds something worse; nothing that comes later hides it.
func TestTheWorstWordWinsInTheOrderOfTheDesign(t *testing.T) {
	leader := "m1"
	log := serving(t)
	for _, step := range []struct {
		do   func()
		want v1.StatusState
	}{
		{func() {}, ok},
		{func() { log.Apply(strings.Replace(written, "count: 2", "count: 3", 1)) }, degraded},
		{func() { hold(log, false) }, holding},
		{func() { freeze(log, "f-1", "zone:a1", time.Hour) }, frozen},
		{func() { log.SetState("n-1", v1.NodeState_NODE_STATE_DOWN) }, broken},
		{func() { leader = "" }, noQuorum},
	} {
		step.do()
		if s := Compute(Input{State: log.Machine.State(), Now: time.Now(), Leader: leader, AnsweredBy: "m1"}); s.GetState() != step.want {
			t.Errorf("%v, want %v:\n%s", s.GetState(), step.want, strings.Join(s.GetSentences(), "\n"))
		}
	}
}

func TestWhatIsTheMatterIsToldWithItsMend(t *testing.T) {
	observing := func(l *fixture.Log) {
		claims := fixture.Claims("imap")
		claims.Mode = v1.AgentMode_AGENT_MODE_OBSERVE
		l.RegisterAs("n-3", fixture.Instance("n-3"), claims)
	}
	for _, c := range []struct {
		name  string
		do    func(*fixture.Log)
		after time.Duration
		want  v1.StatusState
		first string // the first sentence begins so
		says  []string
		row   func(*v1.NodeStatus) bool // of n-1
	}{
		{
			"everything is frozen", func(l *fixture.Log) { freeze(l, "f-1", "all", 2*time.Hour) }, 10 * time.Minute, frozen,
			"Frozen: all until 02:00:00 UTC, in 1h50m by ann: storage is moved.",
			[]string{"`roster unfreeze f-1` ends the freeze of all."}, func(n *v1.NodeStatus) bool { return !n.GetHandsOff() },
		},
		{
			"the older freeze is first", func(l *fixture.Log) {
				freeze(l, "f-2", "pool:imap", 26*time.Hour)
				time.Sleep(time.Second)
				freeze(l, "f-1", "all", time.Hour)
			}, 0, frozen, "Frozen: pool:imap until 2000-01-02 02:00:00 UTC, in 25h59m59s", []string{"Frozen: all"}, nil,
		},
		{"a freeze whose time has passed", func(l *fixture.Log) { freeze(l, "f-1", "all", time.Hour) }, time.Hour, ok, "", nil, nil},
		{
			"hands off one node", func(l *fixture.Log) { freeze(l, "f-1", "node:n-1", time.Hour) }, 0, frozen, "Frozen: node:n-1",
			nil, (*v1.NodeStatus).GetHandsOff,
		},
		{
			"it holds", func(l *fixture.Log) { hold(l, false) }, time.Minute, holding,
			"Holding since 00:00:00 UTC: 4 of 10 nodes in 2 zones fell silent at once.",
			[]string{
				"2 of 5 nodes are silent: n-1, n-2.", "Only moves that restore a floor are made.", "fewer than 15 % of the nodes", "exactly one zone or region",
				"from 00:15:00 UTC on one repair", "`roster hold end --for 1h --reason TEXT`",
			}, nil,
		},
		{
			"it holds for long", func(l *fixture.Log) { hold(l, true) }, time.Minute, holding, "Holding since",
			[]string{"hold_max has passed: one repair of each pool is made at a time."}, nil,
		},
		{
			"a node is drained", func(l *fixture.Log) { drain(l, "n-1", 10*time.Minute) }, time.Minute, degraded, "",
			[]string{"Drained: n-1, since 00:00:00 UTC by ann: new kernel. It still serves imap. It should be empty at 00:10:00 UTC, in 9m.", "`roster node undrain n-1`"},
			func(n *v1.NodeStatus) bool { return n.GetDrained() && !n.GetCordoned() },
		},
		{
			"a drain takes too long", func(l *fixture.Log) { drain(l, "n-1", time.Minute) }, time.Hour, degraded, "",
			[]string{"It should have been empty at 00:01:00 UTC; floors are kept all the same."}, nil,
		},
		{
			"a drained node is empty", func(l *fixture.Log) {
				l.Register("n-3", "imap")
				drain(l, "n-3", 0)
			}, 0, ok, "", []string{"Drained: n-3, since 00:00:00 UTC by ann: new kernel. It serves nothing and may be stopped."}, nil,
		},
		{
			"an agent is ahead", func(l *fixture.Log) {
				report(l, "n-1", func(r *storev1.ReportNode) { r.Ahead = &v1.SetVersion{Epoch: 4, Generation: 77} })
			}, 0, degraded, "n-1 is ahead: its agent holds set 77 of epoch 4", []string{"`roster node adopt n-1`"}, nil,
		},
		{
			"a host is frozen by its own file", func(l *fixture.Log) {
				report(l, "n-1", func(r *storev1.ReportNode) { r.Frozen = "disk is copied" })
			}, 0, degraded, "n-1 is frozen on its host: disk is copied. Its agent touches nothing.",
			[]string{"Remove the freeze file on n-1"}, (*v1.NodeStatus).GetHandsOff,
		},
		{
			"a node observes", observing, 0, ok, "Observing: n-3. It is counted for what it serves; nothing is changed there.",
			[]string{"`roster node activate n-3`"}, func(n *v1.NodeStatus) bool { return n.GetMode() != v1.AgentMode_AGENT_MODE_OBSERVE },
		},
		{
			"the cluster was restored", func(l *fixture.Log) {
				l.Must(&storev1.Command{Command: &storev1.Command_RaiseEpoch{RaiseEpoch: &storev1.RaiseEpoch{Epoch: 9, Reason: "restored"}}})
			}, 0, degraded, "Not heard since the cluster was restored: n-1, n-2. What they really serve is", nil, nil,
		},
		{
			"a node is down, and its seat is at stake", func(l *fixture.Log) {
				l.Register("n-3", "jmap") // cannot take it
				l.SetState("n-1", v1.NodeState_NODE_STATE_DOWN)
			}, 48 * time.Second, broken, "Down: n-1.",
			[]string{"The seat of n-1 in pool imap goes to another node at 00:05:00 UTC, in 4m12s, unless it comes back; it stays open where no node is free for it.", "roster node remove --force n-1"}, nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := serving(t)
				c.do(log)
				time.Sleep(c.after)
				s := of(log.Machine.State())
				all := strings.Join(s.GetSentences(), "\n")
				if s.GetState() != c.want {
					t.Errorf("%v, want %v", s.GetState(), c.want)
				}
				if !strings.HasPrefix(all, c.first) {
					t.Errorf("it does not begin with %q", c.first)
				}
				for _, want := range c.says {
					if !strings.Contains(all, want) {
						t.Errorf("nothing says %q", want)
					}
				}
				if c.row != nil && !c.row(s.GetNodes()[0]) {
					t.Errorf("the row of n-1: %v", s.GetNodes()[0])
				}
				if t.Failed() {
					t.Log("\n" + all)
				}
			})
		})
	}
}

func TestWhoDecidesARepairIsSaidWithTheSeat(t *testing.T) {
	for repair, want := range map[string]string{
		"auto":    "goes to another node at",
		"approve": "if it stays down and you approve it",
		`"off"`:   "policy.repair is off, so nobody does that",
	} {
		log := serving(t)
		log.Apply(written + "policy: {repair: " + repair + "}\n")
		log.SetState("n-1", v1.NodeState_NODE_STATE_DOWN)
		if all := strings.Join(of(log.Machine.State()).GetSentences(), "\n"); !strings.Contains(all, want) {
			t.Errorf("repair %s: nothing says %q:\n%s", repair, want, all)
		}
	}
}

// The leader's clock is ahead of the answering member's.
func TestWhatTheLeaderHasSeenPassIsPast(t *testing.T) {
	log := serving(t)
	freeze(log, "f-1", "all", time.Hour)
	log.Ahead(2 * time.Hour)
	log.Register("n-9", "jmap")
	if s := of(log.Machine.State()); len(s.GetFreezes()) != 0 || s.GetState() != ok {
		t.Errorf("%v: %v", s.GetState(), s.GetSentences())
	}
}

func TestAClusterIsSettledOnceNothingMovesAndNothingIsAboutTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := serving(t)
		check := func(what string, want bool) {
			t.Helper()
			if s := of(log.Machine.State()); s.GetSettled() != want {
				t.Errorf("%s: settled is %v:\n%s", what, s.GetSettled(), strings.Join(s.GetSentences(), "\n"))
			}
		}
		check("everything serves", true)
		hold(log, false)
		check("it holds, and nothing is to be done", true)
		freeze(log, "f-1", "all", time.Hour)
		check("it is frozen, and nothing is to be done", true)
		log.Apply(strings.Replace(written, "floor: 2", "floor: 1", 1))
		drain(log, "n-2", 0)
		check("a drain that a freeze keeps from beginning", false)
		log.Must(&storev1.Command{Command: &storev1.Command_DrainNode{DrainNode: &storev1.DrainNode{Id: "n-2"}}})
		check("the drain was called off", true)
		log.SetState("n-1", v1.NodeState_NODE_STATE_DOWN)
		check("a node is down, and its seat is at stake", false)
		time.Sleep(6 * time.Minute)
		check("a node is lost for good, and nobody can take its place", true)
		log.Apply(written)
		log.SetState("n-2", v1.NodeState_NODE_STATE_DOWN)
		time.Sleep(6 * time.Minute)
		check("a floor is broken, and nobody can mend it", false)
	})
}
