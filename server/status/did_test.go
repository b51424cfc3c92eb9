package status

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"roster/fsm/rollout"
	v1 "roster/proto/roster/v1"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func minutes(n int) *timestamppb.Timestamp {
	return timestamppb.New(noon.Add(time.Duration(n) * time.Minute))
}

// handMade is a node with services of one pool, all of which it reports.
func handMade(id, pool string, borrowed bool, services ...string) *v1.Node {
	n := &v1.Node{Id: id, State: v1.NodeState_NODE_STATE_UP, StateSince: minutes(-60)}
	for _, s := range services {
		n.Assignments = append(n.Assignments, &v1.Assignment{
			Service: s, Node: id, Pool: pool, Wanted: v1.Wanted_WANTED_SERVING, Borrowed: borrowed, Since: minutes(2), Reason: "its node is the nearest.",
		})
		n.Reports = append(n.Reports, &v1.ServiceReport{Service: s, State: v1.ServiceState_SERVICE_STATE_SERVING})
	}
	return n
}

func down(n *v1.Node) *v1.Node {
	n.State, n.StateSince = v1.NodeState_NODE_STATE_DOWN, minutes(0)
	return n
}

func reports(n *v1.Node, state v1.ServiceState) *v1.Node {
	for _, r := range n.Reports {
		r.State, r.Since = state, minutes(1)
	}
	return n
}

func told(n *v1.Node, reason string) *v1.Node {
	for _, a := range n.Assignments {
		a.Reason = reason
	}
	return n
}

func TestWhatStandsInIsToldWithWhomItStandsInFor(t *testing.T) {
	policy := &v1.Policy{DownAfter: durationpb.New(10 * time.Second), ReplaceAfter: durationpb.New(5 * time.Minute)}
	loaned := map[string]map[string]string{"node-7": {"webdav": "web", "jmap": "web"}}
	lent := func(services ...string) *v1.Node { return handMade("node-7", "web", true, services...) }
	for _, c := range []struct {
		name   string
		nodes  []*v1.Node
		loaned map[string]map[string]string
		want   string
	}{
		{"a loss", []*v1.Node{down(handMade("node-5", "web", false, "webdav")), lent("webdav")}, loaned, "node-7 serves webdav in place of node-5 since 12:02:00 UTC."},
		{"of two services", []*v1.Node{down(handMade("node-5", "web", false, "jmap", "webdav")), lent("jmap", "webdav")}, loaned, "node-7 serves jmap and webdav in place of node-5 since 12:02:00 UTC."},
		{"of two nodes", []*v1.Node{down(handMade("node-5", "web", false, "webdav")), down(handMade("node-6", "web", false, "webdav")), lent("webdav")}, loaned, "node-7 serves webdav since 12:02:00 UTC, for pool web, which lost node-5, node-6."},
		{
			"a service that fails", []*v1.Node{reports(handMade("node-5", "web", false, "webdav"), v1.ServiceState_SERVICE_STATE_FAILING), lent("webdav")}, loaned,
			"node-7 serves webdav in place of node-5 since 12:02:00 UTC.",
		},
		{"not ready yet", []*v1.Node{down(handMade("node-5", "web", false, "webdav")), reports(lent("webdav"), v1.ServiceState_SERVICE_STATE_STARTING)}, loaned, "node-7 was told to serve webdav in place of node-5 since 12:02:00 UTC."},
		{"a pool that is short", []*v1.Node{lent("webdav")}, loaned, "node-7 serves webdav since 12:02:00 UTC, for pool web: its node is the nearest."},
		{"a pool that is short, in the planner's own words", []*v1.Node{told(lent("webdav"), "stands in for pool web: node-5 is drained")}, loaned, "node-7 serves webdav since 12:02:00 UTC, for pool web: node-5 is drained."},
		{"to be given back", []*v1.Node{handMade("node-5", "web", false, "webdav"), lent("webdav")}, nil, "node-7 still serves webdav since 12:02:00 UTC, without a seat: pool web no longer needs it."},
		{"what was found after a restore", []*v1.Node{handMade("node-7", "", true, "imap")}, nil, "node-7 serves imap since 12:02:00 UTC, outside every pool: its node is the nearest."},
		{"a seat given away", []*v1.Node{down(handMade("node-5", "web", true, "webdav")), handMade("node-7", "web", false, "webdav")}, nil, "node-5 holds no seat of pool web any more: what it serves there is surplus when it comes back."},
		{"nothing is lost", []*v1.Node{handMade("node-5", "web", false, "webdav")}, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &teller{s: &v1.Status{}, in: Input{Now: noon.Add(10 * time.Minute)}, f: findings{now: noon.Add(10 * time.Minute), nodes: c.nodes, loaned: c.loaned, policy: policy}}
			w.f.short = map[string]bool{"web": strings.HasPrefix(c.name, "a pool that is short")}
			w.did()
			if got := strings.Join(w.said, "\n"); got != c.want {
				t.Errorf("said\n%s\nnot\n%s", got, c.want)
			}
		})
	}
}

func TestALossThatIsMadeUpForDegradesUntilItIsOnlyToBeGivenBack(t *testing.T) {
	n := handMade("node-7", "web", true, "webdav")
	for _, c := range []struct {
		lost *v1.Node
		want bool
	}{{down(handMade("node-5", "web", false, "webdav")), true}, {handMade("node-5", "web", false, "webdav"), false}} {
		f := findings{now: noon, nodes: []*v1.Node{n, c.lost}, loaned: map[string]map[string]string{"node-7": {"webdav": "web"}}}
		if f.standsIn(n) != c.want {
			t.Errorf("with node-5 %v: makes up for a loss: %v", c.lost.GetState(), !c.want)
		}
	}
}

func TestWhatIsKeptForANodeThatFlapsIsToldWithItsEnd(t *testing.T) {
	back := handMade("node-5", "web", false, "webdav")
	policy := &v1.Policy{ReturnAfter: durationpb.New(time.Minute)}
	for flaps, want := range map[uint32]string{
		1: "; it is kept until 12:04:00 UTC, in 30s, as node-5 came back at 12:03:00 UTC",
		3: "; it is kept until 12:07:00 UTC, in 3m30s, as node-5 came back at 12:03:00 UTC, 3 times lately",
		9: "; it is kept until 13:03:00 UTC, in 59m30s, as node-5 came back at 12:03:00 UTC, 9 times lately",
	} {
		back.ReturnedAt, back.Flaps = minutes(3), flaps
		now := minutes(3).AsTime().Add(30 * time.Second)
		lender := handMade("node-7", "web", true, "webdav")
		w := &teller{in: Input{Now: now}, f: findings{now: now, nodes: []*v1.Node{back, lender}, policy: policy}}
		if got := w.keptFor(loan{node: lender, pool: "web"}); got != want {
			t.Errorf("%d times: %q, not %q", flaps, got, want)
		}
	}
}

func TestARowTellsSeatsFromLoans(t *testing.T) {
	n := handMade("node-7", "imap", false, "imap")
	n.Assignments = append(n.Assignments, handMade("node-7", "web", true, "webdav").Assignments...)
	row := nodeRows([]*v1.Node{n}, nil)[0]
	if strings.Join(row.GetServices(), " ") != "imap webdav" || strings.Join(row.GetBorrowed(), " ") != "webdav" || strings.Join(row.GetPools(), " ") != "imap" {
		t.Errorf("%v", row)
	}
}

func TestPlansAskForAWordWithTheExactCommand(t *testing.T) {
	move := &v1.Plan{Waves: []*v1.Wave{{Moves: []*v1.Move{{Service: "imap"}}}}}
	for state, want := range map[v1.PlanState]string{
		v1.PlanState_PLAN_STATE_PENDING:  "A plan of repair waits for you (1 move): `roster plan show ab12`, then `roster plan approve ab12` or `roster plan reject ab12`.",
		v1.PlanState_PLAN_STATE_OFF:      "policy.repair is off: `roster plan show ab12` shows what would be done (1 move).",
		v1.PlanState_PLAN_STATE_APPROVED: "",
		v1.PlanState_PLAN_STATE_REJECTED: "",
	} {
		w := &teller{s: &v1.Status{
			Topology: &v1.StatusTopology{}, Plans: []*v1.ProposedPlan{{Id: "ab12", Cause: v1.Cause_CAUSE_REPAIR, State: state, Plan: move}},
		}}
		w.mend()
		if got := strings.Join(w.said, "\n"); got != want {
			t.Errorf("%v: said\n%s\nnot\n%s", state, got, want)
		}
	}
}

func TestAServiceThatFailedSomewhereIsToldUntilItMayBeTriedAgain(t *testing.T) {
	n := handMade("node-3", "imap", false)
	n.Troubles = []*v1.Trouble{{Service: "imap", Failures: 2, Last: minutes(0), Reason: "no greeting."}}
	for after, want := range map[int]string{
		4:  "imap is not placed on node-3 before 12:10:00 UTC, in 6m: it failed there twice: no greeting.",
		10: "",
	} {
		w := &teller{s: &v1.Status{}, in: Input{Now: minutes(after).AsTime()}, f: findings{nodes: []*v1.Node{n}}}
		w.waits()
		if got := strings.Join(w.said, "\n"); got != want {
			t.Errorf("after %d minutes: said\n%s\nnot\n%s", after, got, want)
		}
	}
}

func TestALongListIsCutWithANumber(t *testing.T) {
	w := &teller{}
	sayEach(w, make([]int, mostOfAKind+3), func(int) string { return "x" })
	if len(w.said) != mostOfAKind+1 || w.said[mostOfAKind] != "And 3 more like that." {
		t.Errorf("%q", w.said)
	}
}

func TestASpanIsWrittenWithoutWhatIsNought(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "1s", 59 * time.Second: "59s", time.Minute: "1m", 90 * time.Second: "1m30s", time.Hour: "1h", 90 * time.Minute: "1h30m",
		time.Hour + 5*time.Second: "1h0m5s", 10 * time.Minute: "10m", 20 * time.Hour: "20h", 1499 * time.Millisecond: "1s",
	} {
		if got := span(d); got != want {
			t.Errorf("%s is %q, not %q", d, got, want)
		}
	}
}

func TestANodeIsNotRecommendedForHandingOverWhereThatWouldStopWhatItServes(t *testing.T) {
	n := handMade("node-3", "imap", false, "imap")
	n.Mode = v1.AgentMode_AGENT_MODE_OBSERVE
	for _, c := range []struct {
		held []rollout.Held
		want string
	}{
		{nil, "`roster node activate node-3` hands it over to Roster; nothing there is restarted."},
		{
			[]rollout.Held{{Move: &v1.Move{Action: v1.Action_ACTION_DRAIN, Service: "imap", Node: "node-3"}, Why: "it observes"}},
			"node-3 serves what the topology has no seat for: put it into a pool before it is handed over, or Roster stops it.",
		},
	} {
		w := &teller{s: &v1.Status{Topology: &v1.StatusTopology{}}, f: findings{now: noon, nodes: []*v1.Node{n}, held: c.held}}
		w.mend()
		if got := strings.Join(w.said, "\n"); got != c.want {
			t.Errorf("said\n%s\nnot\n%s", got, c.want)
		}
	}
}
