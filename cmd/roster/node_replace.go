package main

import (
	"context"

	"github.com/spf13/cobra"

	"roster/cmd/internal/connect"
	v1 "roster/proto/roster/v1"
)

func newNodeReplace(sh *shell) *cobra.Command {
	var write nodeWrite
	var force bool
	cmd := &cobra.Command{
		Use:   "replace NODE",
		Short: "Retire a node's agent, so that another one takes its place",
		Long: `Retire the agent that speaks for a node: the next one that comes with this id, from
a new data folder, is let in and takes over the seat; the old one is not let in
again. What the old one runs is never stopped by this.

It is refused while the old agent is up: --force retires it all the same.`,
		Args:              arguments(1, 1),
		ValidArgsFunction: sh.completeNode,
	}
	cmd.Flags().BoolVar(&force, "force", false, "even while its agent is up")
	write.addTo(cmd)
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, args []string) error {
		response, err := call(ctx, sh, v1.NewNodeServiceClient(link).ReplaceNode, &v1.ReplaceNodeRequest{
			RequestId: write.id(link), Id: args[0], ExpectedGeneration: write.expected.get(cmd), Force: force,
		})
		if err != nil {
			return write.outcome(err)
		}
		return sh.told(response, "The agent of %s is retired: start the new one with this id. What the old one runs was not touched.", args[0])
	})
	return cmd
}
