package main

import (
	"context"

	"github.com/spf13/cobra"

	"roster/cmd/internal/connect"
	v1 "roster/proto/roster/v1"
)

func newNodeActivate(sh *shell) *cobra.Command {
	var write nodeWrite
	var observe, allowStop bool
	cmd := &cobra.Command{
		Use:   "activate NODE",
		Short: "Let an agent that observes act",
		Long: `Hand a node over to Roster: its agent, which only observed, takes over what runs,
without a restart, and follows its set from then on. With --observe it goes back
to observing: it touches nothing any more, and what runs goes on.

It is refused where something serves there that the topology has no seat for:
Roster would stop that.`,
		Args:              arguments(1, 1),
		ValidArgsFunction: sh.completeNode,
	}
	cmd.Flags().BoolVar(&observe, "observe", false, "take the node back: its agent only observes again")
	cmd.Flags().BoolVar(&allowStop, "allow-stop", false, "even if something serves there that has no seat, and will be stopped")
	write.addTo(cmd)
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, args []string) error {
		response, err := call(ctx, sh, v1.NewNodeServiceClient(link).ActivateNode, &v1.ActivateNodeRequest{
			RequestId: write.id(link), Id: args[0], ExpectedGeneration: write.expected.get(cmd), Observe: observe, AllowStop: allowStop,
		})
		if err != nil {
			return write.outcome(err)
		}
		if observe {
			return sh.told(response, "%s observes: its agent touches nothing, what runs goes on.", args[0])
		}
		return sh.told(response, "%s acts: its agent takes over what runs, without a restart.", args[0])
	})
	return cmd
}
