package placement

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "roster/proto/roster/v1"
)

func TestAServiceIsLost(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) *timestamppb.Timestamp { return timestamppb.New(now.Add(-d)) }
	policy := &v1.Policy{DownAfter: durationpb.New(10 * time.Second), ReplaceAfter: durationpb.New(5 * time.Minute)}
	asked := func(since time.Duration, state v1.ServiceState, reported time.Duration) func(n *v1.Node) {
		return func(n *v1.Node) {
			n.Assignments = []*v1.Assignment{{Service: "imap", Wanted: v1.Wanted_WANTED_SERVING, Since: ago(since)}}
			if state != v1.ServiceState_SERVICE_STATE_UNSPECIFIED {
				n.Reports = []*v1.ServiceReport{{Service: "imap", State: state, Since: ago(reported)}}
			}
		}
	}
	const (
		none     = v1.ServiceState_SERVICE_STATE_UNSPECIFIED
		starting = v1.ServiceState_SERVICE_STATE_STARTING
		serving  = v1.ServiceState_SERVICE_STATE_SERVING
		failing  = v1.ServiceState_SERVICE_STATE_FAILING
	)
	// It was ready until unready ago, and its agent says it starts, or fails, since
	// a second.
	relapsed := func(state v1.ServiceState, unready, restarted, returned time.Duration) func(n *v1.Node) {
		return func(n *v1.Node) {
			asked(time.Hour, state, time.Second)(n)
			n.Assignments[0].UnreadySince = ago(unready)
			if restarted > 0 {
				n.Assignments[0].RestartedAt = ago(restarted)
			}
			if returned > 0 {
				n.ReturnedAt = ago(returned)
			}
		}
	}
	for name, row := range map[string]struct {
		change     func(n *v1.Node)
		lost, gone bool
	}{
		"nothing is asked of it":            {func(*v1.Node) {}, false, false},
		"it serves":                         {asked(time.Hour, serving, time.Hour), false, false},
		"it just began":                     {asked(59*time.Second, none, 0), false, false},
		"it did not become ready":           {asked(60*time.Second, none, 0), true, false},
		"nor for long":                      {asked(5*time.Minute, none, 0), true, true},
		"it restarts":                       {asked(time.Hour, starting, 59*time.Second), false, false},
		"it restarts for too long":          {asked(time.Hour, starting, 60*time.Second), true, false},
		"it fails":                          {asked(time.Hour, failing, 9*time.Second), false, false},
		"it fails on":                       {asked(time.Hour, failing, 10*time.Second), true, false},
		"it fails for long":                 {asked(time.Hour, failing, 299*time.Second), true, false},
		"it fails for too long":             {asked(time.Hour, failing, 300*time.Second), true, true},
		"it crashed":                        {relapsed(starting, 9*time.Second, 0, 0), false, false},
		"it crashes again and again":        {relapsed(starting, 10*time.Second, 0, 0), true, false},
		"it crashes, and fails at times":    {relapsed(failing, 10*time.Second, 0, 0), true, false},
		"it crashes for too long":           {relapsed(starting, 5*time.Minute, 0, 0), true, true},
		"it crashes and is not reported":    {relapsed(none, 10*time.Second, 0, 0), true, false},
		"it was restarted with its group":   {relapsed(starting, 59*time.Second, 59*time.Second, 0), false, false},
		"it was restarted, to no end":       {relapsed(starting, 60*time.Second, 60*time.Second, 0), true, false},
		"it was restarted while it crashed": {relapsed(starting, 70*time.Second, 59*time.Second, 0), false, false},
		"it was restarted well before":      {relapsed(starting, 9*time.Second, 65*time.Second, 0), false, false},
		"it was restarted long before":      {relapsed(starting, 10*time.Second, time.Minute, 0), true, false},
		"it was restarted, and fails": {func(n *v1.Node) {
			relapsed(failing, 20*time.Second, 20*time.Second, 0)(n)
			n.Reports[0].Since = ago(10 * time.Second)
		}, true, false},
		"its node came back":                   {relapsed(starting, 59*time.Second, 0, 59*time.Second), false, false},
		"its node came back, and that was all": {relapsed(starting, 60*time.Second, 0, 60*time.Second), true, false},
		"an old failure, asked anew":           {asked(9*time.Second, failing, time.Hour), false, false},
		"a clock that is ahead":                {asked(time.Hour, failing, -time.Hour), true, true},
		"it drains": {func(n *v1.Node) {
			n.Assignments = []*v1.Assignment{{Service: "imap", Wanted: v1.Wanted_WANTED_DRAINING}}
		}, false, false},
		"its node is suspect":         {func(n *v1.Node) { n.State = v1.NodeState_NODE_STATE_SUSPECT }, false, false},
		"its node is down":            {func(n *v1.Node) { n.State, n.StateSince = v1.NodeState_NODE_STATE_DOWN, ago(299*time.Second) }, true, false},
		"its node is down for long":   {func(n *v1.Node) { n.State, n.StateSince = v1.NodeState_NODE_STATE_DOWN, ago(300*time.Second) }, true, true},
		"nobody knows since when":     {func(n *v1.Node) { n.State = v1.NodeState_NODE_STATE_DOWN }, true, false},
		"its node is drained":         {func(n *v1.Node) { n.Settings.Drain = &v1.NodeDrain{} }, true, true},
		"its node is cordoned":        {func(n *v1.Node) { n.Settings.Cordoned = true }, false, false},
		"it serves on a drained node": {func(n *v1.Node) { asked(time.Hour, serving, time.Hour)(n); n.Settings.Drain = &v1.NodeDrain{} }, true, true},
	} {
		n := newNode("node-1", "a", "a1")
		row.change(n)
		if got := Lost(n, "imap", policy, now); got != row.lost {
			t.Errorf("%s: lost is %v", name, got)
		}
		if got := SeatGone(n, []string{"imap"}, policy, now); got != row.gone {
			t.Errorf("%s: the seat is gone: %v", name, got)
		}
		if SeatGone(n, []string{"jmap"}, policy, now) && n.State == v1.NodeState_NODE_STATE_UP && n.Settings.Drain == nil {
			t.Errorf("%s: a seat that has nothing to do with it is gone", name)
		}
	}
}

// Or a rollout would go on waiting for what placement has given up.
func TestWhatWasReadyIsAwaitedUntilItIsLost(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	policy := &v1.Policy{DownAfter: durationpb.New(10 * time.Second), ReplaceAfter: durationpb.New(5 * time.Minute)}
	for _, restarted := range []time.Duration{0, time.Second, 30 * time.Second, 2 * time.Minute} {
		for after := time.Duration(0); after < 2*time.Minute; after += time.Second {
			n := newNode("node-1", "a", "a1")
			a := &v1.Assignment{
				Service: "imap", Wanted: v1.Wanted_WANTED_SERVING, Since: timestamppb.New(now.Add(-time.Hour)),
				UnreadySince: timestamppb.New(now.Add(-after)), RestartedAt: timestamppb.New(now.Add(-restarted)),
			}
			n.Assignments = []*v1.Assignment{a}
			n.Reports = []*v1.ServiceReport{{Service: "imap", State: v1.ServiceState_SERVICE_STATE_STARTING, Since: timestamppb.New(now)}}
			if Awaited(n, a, policy, now) == Lost(n, "imap", policy, now) {
				t.Fatalf("%s after it was ready, restarted %s ago: lost is %v, and so is awaited", after, restarted, Lost(n, "imap", policy, now))
			}
		}
	}
}

func TestANodeThatCameBackIsReliedOnAfterAWhileThatDoubles(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for flaps, want := range map[uint32]time.Duration{
		0: time.Minute, 1: time.Minute, 2: 2 * time.Minute, 3: 4 * time.Minute, 6: 32 * time.Minute, 7: time.Hour, 8: time.Hour, 4000000000: time.Hour,
	} {
		n := newNode("node-1", "a", "a1")
		policy := &v1.Policy{ReturnAfter: durationpb.New(time.Minute)}
		n.ReturnedAt, n.Flaps = timestamppb.New(now), flaps
		if Settled(n, policy, now.Add(want-1)) || !Settled(n, policy, now.Add(want)) {
			t.Errorf("after %d times it is not %s", flaps, want)
		}
		n.State = v1.NodeState_NODE_STATE_DOWN
		if Settled(n, policy, now.Add(want)) {
			t.Error("a node that is down is relied on")
		}
	}
	n := newNode("node-1", "a", "a1")
	if !Settled(n, &v1.Policy{ReturnAfter: durationpb.New(time.Minute)}, now) {
		t.Error("a node that was never away is not relied on")
	}
	// What the operator wants longer than an hour is never shortened.
	n.ReturnedAt, n.Flaps = timestamppb.New(now), 3
	if Settled(n, &v1.Policy{ReturnAfter: durationpb.New(2 * time.Hour)}, now.Add(2*time.Hour-1)) {
		t.Error("two hours became one")
	}
}

func TestAServiceThatFailedIsBarredForAWhileThatDoubles(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for failures, want := range map[uint32]time.Duration{0: 5 * time.Minute, 1: 5 * time.Minute, 2: 10 * time.Minute, 4: 40 * time.Minute, 5: time.Hour, 99: time.Hour} {
		n := newNode("node-1", "a", "a1")
		n.Troubles = []*v1.Trouble{{Service: "imap", Failures: failures, Last: timestamppb.New(now)}}
		until, before := Barred(n, "imap", now.Add(want-1))
		if _, after := Barred(n, "imap", now.Add(want)); !before || after || !until.Equal(now.Add(want)) {
			t.Errorf("after %d failures it is barred until %s, want %s", failures, until, want)
		}
		if _, barred := Barred(n, "jmap", now); barred {
			t.Error("another service is barred")
		}
	}
}
