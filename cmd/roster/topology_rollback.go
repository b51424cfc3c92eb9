package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"roster/cmd/internal/connect"
	v1 "roster/proto/roster/v1"
)

func newTopologyRollback(sh *shell) *cobra.Command {
	change := &topologyChange{sh: sh}
	cmd := &cobra.Command{
		Use:   "rollback REVISION",
		Short: "Make an old revision's content the topology again",
		Long: `Make the content of a kept revision a new revision. It shows the plan and asks,
as apply does.`,
		Example: "  roster topology history\n  roster topology rollback 3 --wait",
		Args:    arguments(1, 1),
	}
	change.addTo(cmd)

	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, args []string) error {
		number, err := revision(args[0])
		if err != nil {
			return err
		}
		topology := v1.NewTopologyServiceClient(link)
		change.plan = &v1.PlanTopologyRequest{Revision: number}
		change.apply = func(ctx context.Context, basis string) (uint64, error) {
			response, err := call(ctx, sh, topology.RollbackTopology, &v1.RollbackTopologyRequest{
				RequestId: change.id(link), Revision: number,
				ExpectedRevision: change.expected.get(cmd), Basis: basis,
				AllowStop: change.allowStop, AcceptShortage: change.acceptShortage, AcceptGap: change.acceptGap,
			})
			if err != nil {
				return 0, err
			}
			return response.GetRevision(), change.done(response,
				fmt.Sprintf("Revision %d is in force, with the content of revision %d.", response.GetRevision(), number))
		}
		return change.run(ctx, link)
	})
	return cmd
}
