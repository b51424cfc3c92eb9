package rpc

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	v1 "roster/proto/roster/v1"

	"roster/server/internal/fixture"
)

const (
	onlyIMAP = "name: one\npools:\n  - {name: mail, services: [imap], count: 1}\n"
	// On a node where jmap restarts imap, it cannot be had without a gap.
	withJMAP = "name: two\npools:\n  - {name: mail, services: [imap, jmap], count: 1}\n"
	promises = "name: safe\npools:\n  - {name: mail, services: [imap], count: 1}\nsurvives: {nodes: 1}\n"
)

// together is a cluster of one node, which serves imap and restarts it with jmap.
func together(t *testing.T) *live {
	t.Helper()
	l := serve(t)
	claims := fixture.Claims("imap", "jmap")
	for _, s := range claims.GetServices() {
		s.ChangeMode, s.RestartGroup = v1.ChangeMode_CHANGE_MODE_RESTART, "store"
	}
	l.log.RegisterAs("n-1", fixture.Instance("n-1"), claims)
	l.log.Apply(onlyIMAP)
	l.serves("imap", "mail", "n-1")
	l.settle()
	return l
}

func (l *live) apply(request *v1.ApplyTopologyRequest, file string) (*v1.ApplyTopologyResponse, error) {
	l.t.Helper()
	if request.RequestId == "" {
		request.RequestId = l.RequestID()
	}
	request.Source, request.FileName = []byte(file), "mail.yaml"
	return l.topologies().ApplyTopology(l.t.Context(), request)
}

func TestAFloorThatCannotBeKeptOnTheWayNeedsAWord(t *testing.T) {
	l := together(t)
	shown, err := l.topologies().PlanTopology(t.Context(), &v1.PlanTopologyRequest{Source: []byte(withJMAP)})
	l.must(err)
	plan := shown.GetPlan()
	if plan.GetGapless() || len(plan.GetGaps()) == 0 || !slices.Contains(plan.GetNeeds(), "accept_gap") {
		t.Fatalf("the plan says nothing of it: %v", plan)
	}
	index := l.log.Machine.State().Topology().GetRevision()
	_, err = l.apply(&v1.ApplyTopologyRequest{}, withJMAP)
	l.refuse(err, want{codes.FailedPrecondition, "NEEDS_ACCEPT_GAP", "imap"})
	l.refuse(err, want{codes.FailedPrecondition, "NEEDS_ACCEPT_GAP", "--accept-gap"})
	if got := l.log.Machine.State().Topology().GetRevision(); got != index {
		t.Errorf("it was refused, and revision %d is in force", got)
	}
	request := &v1.ApplyTopologyRequest{AcceptGap: true}
	done, err := l.apply(request, withJMAP)
	l.must(err)
	if order := l.log.Machine.State().RolloutOrder(); !order.GetAcceptGap() || !done.GetChanged() {
		t.Errorf("accepted: %v, the order is %v", done, order)
	}
	if got := l.rollout(); !got.GetAcceptGap() {
		t.Errorf("the rollout does not say so: %v", got)
	}
	// The reply was lost; by now another file is in force, and this one would be
	// refused for other reasons.
	l.log.Apply(onlyIMAP)
	l.log.Register("n-2", "imap")
	l.log.Remove("n-1")
	again, err := l.apply(request, withJMAP)
	if err != nil || again.GetRevision() != done.GetRevision() || again.GetIndex() != done.GetIndex() {
		t.Errorf("sent again: %v, %v; it was %v", again, err, done)
	}
}

func TestARollbackIsAskedTheSame(t *testing.T) {
	l := together(t)
	l.log.Apply(withJMAP)
	l.log.Apply("# again\n" + onlyIMAP)
	back := func(revision uint64, accept bool) error {
		_, err := l.topologies().RollbackTopology(t.Context(), &v1.RollbackTopologyRequest{RequestId: l.RequestID(), Revision: revision, AcceptGap: accept})
		return err
	}
	l.refuse(back(2, false), want{codes.FailedPrecondition, "NEEDS_ACCEPT_GAP", "imap"})
	if got := l.log.Machine.State().Topology().GetRevision(); got != 3 {
		t.Errorf("it was refused, and revision %d is in force", got)
	}
	l.must(back(2, true))
	if state := l.log.Machine.State(); state.Topology().GetRollbackOf() != 2 || !state.RolloutOrder().GetAcceptGap() {
		t.Errorf("accepted: %v, the order is %v", state.Topology(), state.RolloutOrder())
	}
	l.refuse(back(40, true), want{codes.NotFound, "REVISION_NOT_KEPT", "roster topology history"})
}

func TestAPromiseThatWouldNotBeTrueIsRefused(t *testing.T) {
	l := together(t)
	shown, err := l.topologies().PlanTopology(t.Context(), &v1.PlanTopologyRequest{Source: []byte(promises)})
	l.must(err)
	if len(shown.GetPlan().GetUnkept()) == 0 {
		t.Fatalf("the plan says nothing of it: %v", shown.GetPlan())
	}
	_, err = l.apply(&v1.ApplyTopologyRequest{AcceptGap: true, AcceptShortage: true, AllowStop: true}, promises)
	l.refuse(err, want{codes.FailedPrecondition, "SURVIVES", strings.TrimRight(shown.GetPlan().GetUnkept()[0], ".")})
	l.log.Register("n-2", "imap")
	l.log.Register("n-3", "imap")
	_, err = l.apply(&v1.ApplyTopologyRequest{}, strings.Replace(promises, "count: 1", "count: 2", 1))
	l.must(err)
}

// Nobody is there yet who could be lost, or too few.
func TestBeforeTheFirstNodeRegistersAnythingMayBePromised(t *testing.T) {
	l := serve(t)
	_, err := l.apply(&v1.ApplyTopologyRequest{}, promises)
	l.must(err)
}

func TestAShortageIsRefusedBeforeItIsWritten(t *testing.T) {
	l := together(t)
	written := len(l.log.Commands())
	const four = "name: four\npools:\n  - {name: mail, services: [imap], count: 4}\n"
	_, err := l.apply(&v1.ApplyTopologyRequest{}, four)
	l.refuse(err, want{codes.FailedPrecondition, "SHORTAGE", "--accept-shortage"})
	l.refuse(err, want{codes.FailedPrecondition, "SHORTAGE", "mail"})
	if n := len(l.log.Commands()); n != written {
		t.Errorf("%d commands were written", n-written)
	}
	_, err = l.apply(&v1.ApplyTopologyRequest{AcceptShortage: true}, four)
	l.must(err)
}

func TestAConflictIsNamedWithTheLinesOfTheFile(t *testing.T) {
	plan := &v1.Plan{
		Shortages: []*v1.Shortage{{Reason: "pool imap gets 1 of 3."}},
		Conflicts: []*v1.Conflict{
			{Reason: "3 are asked for, and 1 node is in zone a1.", Rules: []*v1.Rule{
				{Path: "pools.imap.count", Line: 4, Text: "3 nodes"}, {Path: "pools.imap.where", Line: 5, Text: "zone a1"}, {Text: "n-2 is drained"},
			}},
		},
	}
	want := "3 are asked for, and 1 node is in zone a1 (mail.yaml:4: pools.imap.count: 3 nodes; mail.yaml:5: pools.imap.where: zone a1; n-2 is drained)"
	if got := shortageSentence("mail.yaml", plan); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	plan.Conflicts = nil
	if got := shortageSentence("mail.yaml", plan); got != "pool imap gets 1 of 3" {
		t.Errorf("%s", got)
	}
}

// What was decided on another state is told so: the plan of that state is gone.
func TestWhatIsOutdatedIsSaidToBeThatFirst(t *testing.T) {
	l := together(t)
	other := uint64(7)
	_, err := l.apply(&v1.ApplyTopologyRequest{ExpectedRevision: &other}, withJMAP)
	l.refuse(err, want{codes.Aborted, "STALE_REVISION", "plan again"})
	_, err = l.apply(&v1.ApplyTopologyRequest{Basis: "0123"}, withJMAP)
	l.refuse(err, want{codes.Aborted, "STALE_BASIS", "plan again"})
	// The file in force, once more, asks for nothing.
	done, err := l.apply(&v1.ApplyTopologyRequest{}, onlyIMAP)
	if err != nil || done.GetChanged() {
		t.Errorf("%v, %v", done, err)
	}
}
