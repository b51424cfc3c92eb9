package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"roster/cmd/internal/connect"
	"roster/cmd/internal/exit"
	"roster/cmd/internal/view"
	v1 "roster/proto/roster/v1"
)

// planGone says how to go on where what is proposed now is another plan.
func planGone(err error) error {
	const mend = "`roster plan list`"
	gone := status.Code(err) == codes.NotFound || status.Code(err) == codes.Aborted
	if said := exit.Sentence(err); gone && !strings.Contains(said, mend) {
		return exit.With(exit.Code(err), fmt.Errorf("%s\n  %s lists what is proposed now", said, mend))
	}
	return err
}

func newPlanApprove(sh *shell) *cobra.Command {
	var write writeFlags
	var reason string
	cmd := &cobra.Command{
		Use:   "approve ID",
		Short: "Let Roster carry a proposed plan out",
		Long: `Let Roster carry a proposed plan out. It shows the plan and asks. The id names
exactly these moves: where the cluster has changed meanwhile, there is another
plan with another id, and this one is refused.`,
		Args:              arguments(1, 1),
		ValidArgsFunction: sh.completePlan,
	}
	cmd.Flags().StringVar(&reason, "reason", "", "`why`, for people")
	write.addYesTo(cmd)
	write.addTo(cmd)
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, args []string) error {
		plans := v1.NewPlanServiceClient(link)
		shown, err := call(ctx, sh, plans.GetPlan, &v1.GetPlanRequest{Id: args[0]})
		if err != nil {
			return planGone(err)
		}
		if err := view.ProposedPlan(sh.people(), lookOf(sh.people()), shown.GetPlan()); err != nil {
			return err
		}
		if err := write.confirm(ctx, sh, "Carry this out?", "--yes approves it without asking"); err != nil {
			return err
		}
		response, err := call(ctx, sh, plans.ApprovePlan, &v1.ApprovePlanRequest{RequestId: write.id(link), Id: args[0], Reason: reason})
		if err != nil {
			return planGone(write.outcome(err))
		}
		return sh.told(response, "Plan %s is approved: Roster carries it out.", args[0])
	})
	return cmd
}

func newPlanReject(sh *shell) *cobra.Command {
	var write writeFlags
	var reason string
	cmd := &cobra.Command{
		Use:   "reject ID",
		Short: "Say that a proposed plan is not wanted",
		Long: `Say that a proposed plan is not wanted. It is not proposed again as it is; where
the cluster changes, another one may be.`,
		Args:              arguments(1, 1),
		ValidArgsFunction: sh.completePlan,
	}
	cmd.Flags().StringVar(&reason, "reason", "", "`why`, for people")
	write.addTo(cmd)
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, args []string) error {
		response, err := call(ctx, sh, v1.NewPlanServiceClient(link).RejectPlan, &v1.RejectPlanRequest{
			RequestId: write.id(link), Id: args[0], Reason: reason,
		})
		if err != nil {
			return planGone(write.outcome(err))
		}
		return sh.told(response, "Plan %s is rejected: Roster does none of it.", args[0])
	})
	return cmd
}
