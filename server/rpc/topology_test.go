package rpc

import (
	"context"
	"log/slog"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	v1 "roster/proto/roster/v1"

	"roster/client"
	"roster/fsm/topology"
	"roster/server/internal/fixture"
)

const three = "name: three\npools:\n  - {name: imap, services: [imap], count: 3}\n"

func TestAPlanOnAnEmptyClusterNeedsAFileAndShowsTheShortage(t *testing.T) {
	log := fixture.New(t)
	service := &Topology{Machine: log.Machine}
	_, err := service.PlanTopology(t.Context(), &v1.PlanTopologyRequest{Stale: true})
	if client.Reason(err) != "NO_TOPOLOGY" {
		t.Errorf("without a file: %v", err)
	}
	_, err = service.PlanTopology(t.Context(), &v1.PlanTopologyRequest{Stale: true, Revision: 4})
	if status.Code(err) != codes.NotFound {
		t.Errorf("of a revision that is none: %v", err)
	}
	_, err = service.DiffTopology(t.Context(), &v1.DiffTopologyRequest{Stale: true, FromRevision: 1})
	if status.Code(err) != codes.NotFound {
		t.Errorf("differences from a revision that is none: %v", err)
	}
	diff, err := service.DiffTopology(t.Context(), &v1.DiffTopologyRequest{Stale: true, Source: []byte(three)})
	if err != nil || len(diff.GetChanges()) == 0 {
		t.Errorf("differences from nothing: %v, %v", diff, err)
	}
	log.Register("n-1", "imap")
	answer, err := service.PlanTopology(t.Context(), &v1.PlanTopologyRequest{Stale: true, Source: []byte(three), FileName: "t.yaml"})
	if err != nil {
		t.Fatalf("a plan with a shortage is shown, not refused: %v", err)
	}
	if len(answer.GetPlan().GetShortages()) == 0 || answer.GetPlan().GetSummary().GetStarts() != 1 {
		t.Errorf("plan: %v", answer.GetPlan())
	}
	planned, err := topology.Parse("t.yaml", []byte(three))
	if err != nil {
		t.Fatal(err)
	}
	if answer.GetPlan().GetRevision() != 0 || answer.GetPlan().GetBasis() != log.Machine.State().Basis(planned) {
		t.Errorf("the plan relies on revision %d, basis %q", answer.GetPlan().GetRevision(), answer.GetPlan().GetBasis())
	}
}

func TestAPlanOfTheTopologyInForceIsWhatTheLoopWouldDo(t *testing.T) {
	log := fixture.New(t)
	for _, id := range []string{"n-1", "n-2", "n-3"} {
		log.Register(id, "imap")
	}
	log.Apply(three)
	service := &Topology{Machine: log.Machine}
	answer, err := service.PlanTopology(t.Context(), &v1.PlanTopologyRequest{Stale: true})
	if err != nil || answer.GetPlan().GetSummary().GetStarts() != 3 || len(answer.GetChanges()) != 0 {
		t.Errorf("before anything was done: %v, %v", answer, err)
	}
	for _, id := range []string{"n-1", "n-2", "n-3"} {
		log.Move(id, v1.Action_ACTION_START, "imap", "test", "imap")
		log.Obey(id)
	}
	answer, err = service.PlanTopology(t.Context(), &v1.PlanTopologyRequest{Stale: true})
	if err != nil || len(answer.GetPlan().GetWaves()) != 0 {
		t.Errorf("when all is done: %v, %v", answer, err)
	}
}

func TestAHandlerThatPanicsIsAnErrorAndNotTheEndOfTheMember(t *testing.T) {
	call := func(handler grpc.UnaryHandler) error {
		_, err := catchUnary(slog.New(slog.DiscardHandler))(t.Context(), nil, &grpc.UnaryServerInfo{}, handler)
		return err
	}
	err := call(func(context.Context, any) (any, error) { panic("oh") })
	if status.Code(err) != codes.Internal || client.Reason(err) != "INTERNAL" {
		t.Errorf("%v", err)
	}
	if err := call(func(context.Context, any) (any, error) { return nil, nil }); err != nil {
		t.Errorf("no panic: %v", err)
	}
}

func TestAPlanSaysWhatItsApplyNeeds(t *testing.T) {
	log := fixture.New(t)
	for _, id := range []string{"n-1", "n-2", "n-3"} {
		log.Register(id, "imap", "jmap")
	}
	const both = "name: both\npools:\n  - {name: imap, services: [imap], count: 2}\n  - {name: jmap, services: [jmap], count: 1}\n"
	log.Apply(both)
	service := &Topology{Machine: log.Machine}
	for _, c := range []struct {
		file  string
		needs []string
	}{
		{both, nil},
		{both + "# a comment\n", nil},
		{"name: two\npools:\n  - {name: imap, services: [imap], count: 3}\n", []string{"allow_stop"}},
		{"name: four\npools:\n  - {name: imap, services: [imap], count: 3}\n  - {name: jmap, services: [jmap], count: 1}\n", []string{"accept_shortage"}},
		{"name: both\npools:\n  - {name: imap, services: [imap], count: 4}\n", []string{"accept_shortage", "allow_stop"}},
	} {
		answer, err := service.PlanTopology(t.Context(), &v1.PlanTopologyRequest{Stale: true, Source: []byte(c.file)})
		if err != nil || !slices.Equal(answer.GetPlan().GetNeeds(), c.needs) {
			t.Errorf("the plan of\n%sneeds %v, not %v (%v)", c.file, answer.GetPlan().GetNeeds(), c.needs, err)
		}
	}
	answer, err := service.PlanTopology(t.Context(), &v1.PlanTopologyRequest{Stale: true})
	if err != nil || len(answer.GetPlan().GetNeeds()) != 0 {
		t.Errorf("the topology in force needs %v (%v)", answer.GetPlan().GetNeeds(), err)
	}
}
