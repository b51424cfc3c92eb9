package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"roster/cmd/internal/connect"
	"roster/cmd/internal/view"
	v1 "roster/proto/roster/v1"
)

func newPlan(sh *shell) *cobra.Command {
	return group("plan", "Show and decide what Roster would do by itself",
		`Where policy.repair or policy.rebalance is approve, Roster shows what it would do
and waits; where it is off, it shows it alone. What an operator orders (apply,
rollback, drain, undrain) needs no approval.`,
		newPlanList(sh), newPlanShow(sh), newPlanApprove(sh), newPlanReject(sh))
}

func newPlanList(sh *shell) *cobra.Command {
	request := &v1.ListPlansRequest{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List what is proposed, and what was decided last",
		Args:  arguments(0, 0),
	}
	cmd.Flags().BoolVar(&request.Stale, "stale", false, "read the answering member's own state, perhaps old")
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, _ []string) error {
		response, err := call(ctx, sh, v1.NewPlanServiceClient(link).ListPlans, request)
		if err != nil {
			return err
		}
		return sh.print(response, func(w io.Writer, look view.Look) error {
			return view.ProposedPlans(w, look, response.GetPlans())
		})
	})
	return cmd
}

func newPlanShow(sh *shell) *cobra.Command {
	request := &v1.GetPlanRequest{}
	cmd := &cobra.Command{
		Use:               "show ID",
		Short:             "Show a proposed plan: every move with its reason",
		Args:              arguments(1, 1),
		ValidArgsFunction: sh.completePlan,
	}
	cmd.Flags().BoolVar(&request.Stale, "stale", false, "read the answering member's own state, perhaps old")
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, args []string) error {
		request.Id = args[0]
		response, err := call(ctx, sh, v1.NewPlanServiceClient(link).GetPlan, request)
		if err != nil {
			return planGone(err)
		}
		return sh.print(response, func(w io.Writer, look view.Look) error {
			return view.ProposedPlan(w, look, response.GetPlan())
		})
	})
	return cmd
}
