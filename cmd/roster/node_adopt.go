package main

import (
	"context"

	"github.com/spf13/cobra"

	"roster/cmd/internal/connect"
	v1 "roster/proto/roster/v1"
)

func newNodeAdopt(sh *shell) *cobra.Command {
	var write nodeWrite
	cmd := &cobra.Command{
		Use:   "adopt NODE",
		Short: "Let an agent that is ahead of the cluster follow it again",
		Long: `Let an agent that is ahead follow the cluster again. After a restored backup an
agent may hold a newer set than the cluster knows; it serves on and follows
nothing older, until the operator says that the cluster's set is the one to
follow. "roster node get" shows both.`,
		Args:              arguments(1, 1),
		ValidArgsFunction: sh.completeNode,
	}
	write.addTo(cmd)
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, args []string) error {
		response, err := call(ctx, sh, v1.NewNodeServiceClient(link).AdoptNode, &v1.AdoptNodeRequest{
			RequestId: write.id(link), Id: args[0], ExpectedGeneration: write.expected.get(cmd),
		})
		if err != nil {
			return write.outcome(err)
		}
		return sh.told(response, "%s follows the cluster again, from generation %d on.", args[0], response.GetGeneration())
	})
	return cmd
}
