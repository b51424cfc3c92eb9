package rpc

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/server/internal/fixture"
)

func TestADrainEndsByTheLeadersTimeAndIsTheSameWhenItIsSentAgain(t *testing.T) {
	l := serve(t)
	l.log.Register("n-1", "imap")
	l.log.Ahead(time.Hour) // the leader's clock
	request := &v1.DrainNodeRequest{RequestId: l.RequestID(), Id: "n-1", Deadline: durationpb.New(10 * time.Minute), Reason: "kernel"}
	first, err := l.nodes().DrainNode(t.Context(), request)
	l.must(err)
	drain := l.node("n-1").GetSettings().GetDrain()
	if drain.GetReason() != "kernel" || drain.GetBy() == "" {
		t.Errorf("recorded is %v", drain)
	}
	if got := drain.GetDeadline().AsTime().Sub(drain.GetSince().AsTime()); got != 10*time.Minute {
		t.Errorf("it ends %s after the leader's time", got)
	}
	l.log.Ahead(2 * time.Hour)
	again, err := l.nodes().DrainNode(t.Context(), request)
	if err != nil || again.GetIndex() != first.GetIndex() || !proto.Equal(l.node("n-1").GetSettings().GetDrain(), drain) {
		t.Errorf("sent again: %v, %v; it was %v", again, err, first)
	}
	_, err = l.nodes().UndrainNode(t.Context(), &v1.UndrainNodeRequest{RequestId: l.RequestID(), Id: "n-1"})
	if l.must(err); l.node("n-1").GetSettings().GetDrain() != nil {
		t.Error("called off, and still drained")
	}
}

func TestAnObservingNodeIsHandedOverAndTakenBack(t *testing.T) {
	l := serve(t)
	claims := fixture.Claims("imap")
	claims.Mode = v1.AgentMode_AGENT_MODE_OBSERVE
	l.log.RegisterAs("n-1", fixture.Instance("n-1"), claims)
	for _, observe := range []bool{false, true} {
		answer, err := l.nodes().ActivateNode(t.Context(), &v1.ActivateNodeRequest{RequestId: l.RequestID(), Id: "n-1", Observe: observe})
		l.must(err)
		n := l.node("n-1")
		if (n.GetMode() == v1.AgentMode_AGENT_MODE_OBSERVE) != observe || answer.GetGeneration() != n.GetGeneration() {
			t.Errorf("observe %v: mode %v, generation %d, answered %d", observe, n.GetMode(), n.GetGeneration(), answer.GetGeneration())
		}
	}
}

func TestAnAgentThatIsAheadIsAdopted(t *testing.T) {
	l := serve(t)
	l.log.Register("n-1", "imap")
	n := l.node("n-1")
	l.log.Must(&storev1.Command{Command: &storev1.Command_ReportNode{ReportNode: &storev1.ReportNode{
		Id: "n-1", Instance: n.GetInstance(), ReportedGeneration: 40, Ahead: &v1.SetVersion{Epoch: 9, Generation: 40},
	}}})
	answer, err := l.nodes().AdoptNode(t.Context(), &v1.AdoptNodeRequest{RequestId: l.RequestID(), Id: "n-1"})
	l.must(err)
	if n := l.node("n-1"); n.GetAhead() != nil || n.GetGeneration() <= 40 || answer.GetGeneration() != n.GetGeneration() {
		t.Errorf("after it was adopted: %v, answered %v", n, answer)
	}
}

func TestAnAgentIsReplacedAndOnlyByForceWhileItIsUp(t *testing.T) {
	l := serve(t)
	l.log.Register("n-1", "imap")
	replace := func(force bool) error {
		_, err := l.nodes().ReplaceNode(t.Context(), &v1.ReplaceNodeRequest{RequestId: l.RequestID(), Id: "n-1", Force: force})
		return err
	}
	l.stays(func() { l.refuse(replace(false), want{codes.FailedPrecondition, "NODE_IN_USE", "--force"}) })
	l.must(replace(true))
	if l.log.Machine.State().Removed("n-1") == nil {
		t.Error("the old instance may come back")
	}
}

func TestBadInputOnTheVerbsOfNodesChangesNothingAndNamesTheMend(t *testing.T) {
	l := serve(t)
	l.log.Register("n-1", "imap")
	wrong := uint64(99)
	nodes, ctx := l.nodes(), t.Context()
	missing, unknown, stale := want{codes.InvalidArgument, "INVALID", "roster node list"}, want{codes.NotFound, "NO_SUCH_NODE", "roster node list"}, want{codes.Aborted, "STALE_GENERATION", ""}
	for _, c := range []struct {
		name string
		call func(requestID, id string, expected *uint64) error
	}{
		{"drain", func(r, id string, e *uint64) error {
			_, err := nodes.DrainNode(ctx, &v1.DrainNodeRequest{RequestId: r, Id: id, ExpectedGeneration: e})
			return err
		}},
		{"undrain", func(r, id string, e *uint64) error {
			_, err := nodes.UndrainNode(ctx, &v1.UndrainNodeRequest{RequestId: r, Id: id, ExpectedGeneration: e})
			return err
		}},
		{"activate", func(r, id string, e *uint64) error {
			_, err := nodes.ActivateNode(ctx, &v1.ActivateNodeRequest{RequestId: r, Id: id, ExpectedGeneration: e})
			return err
		}},
		{"adopt", func(r, id string, e *uint64) error {
			_, err := nodes.AdoptNode(ctx, &v1.AdoptNodeRequest{RequestId: r, Id: id, ExpectedGeneration: e})
			return err
		}},
		{"replace", func(r, id string, e *uint64) error {
			_, err := nodes.ReplaceNode(ctx, &v1.ReplaceNodeRequest{RequestId: r, Id: id, ExpectedGeneration: e})
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l.stays(func() {
				l.refuse(c.call(l.RequestID(), "", nil), missing)
				l.refuse(c.call("", "n-1", nil), want{codes.InvalidArgument, "INVALID", "request_id"})
				l.refuse(c.call("seven", "n-1", nil), want{codes.InvalidArgument, "REQUEST_ID_INVALID", "UUID"})
				l.refuse(c.call(l.RequestID(), "n-9", nil), unknown)
				l.refuse(c.call(l.RequestID(), "n-1", &wrong), stale)
			})
		})
	}
	l.stays(func() {
		for _, d := range []time.Duration{-time.Hour, 0, time.Millisecond, 31 * 24 * time.Hour} {
			_, err := nodes.DrainNode(ctx, &v1.DrainNodeRequest{RequestId: l.RequestID(), Id: "n-1", Deadline: durationpb.New(d)})
			l.refuse(err, want{codes.InvalidArgument, "INVALID", "from 1 second to 30 days"})
		}
		_, err := nodes.DrainNode(ctx, &v1.DrainNodeRequest{RequestId: l.RequestID(), Id: "n-1", Deadline: &durationpb.Duration{Seconds: 1, Nanos: -5}})
		l.refuse(err, want{codes.InvalidArgument, "INVALID", "from 1 second"})
		_, err = nodes.AdoptNode(ctx, &v1.AdoptNodeRequest{RequestId: l.RequestID(), Id: "n-1"})
		l.refuse(err, want{codes.FailedPrecondition, "NOT_AHEAD", "follows already"})
		_, err = nodes.ActivateNode(ctx, &v1.ActivateNodeRequest{RequestId: l.RequestID(), Id: "n-1", Observe: true})
		l.refuse(err, want{codes.FailedPrecondition, "ACTS", "hands-off"})
	})
}
