package main

import (
	"context"

	"github.com/spf13/cobra"

	"roster/cmd/internal/connect"
	"roster/cmd/internal/word"
	v1 "roster/proto/roster/v1"
)

func newNodeHandsOff(sh *shell) *cobra.Command {
	var with frost
	cmd := &cobra.Command{
		Use:   "hands-off NODE --for TIME --reason TEXT",
		Short: "Let nothing be done on a node for a while",
		Long: `Let nothing be done on a node for a while: a freeze of scope node:NODE. Nothing
is moved to it or from it, and its agent starts and stops nothing, not even what
ends by itself.`,
		Example:           `  roster node hands-off node-3 --for 2h --reason "debugging dovecot"`,
		Args:              arguments(1, 1),
		ValidArgsFunction: sh.completeNode,
	}
	with.addTo(cmd)
	cmd.RunE = sh.checked(with.validate, func(ctx context.Context, link *connect.Link, args []string) error {
		response, err := with.create(ctx, sh, link, "node:"+args[0])
		if err != nil {
			return err
		}
		return sh.told(response, "Hands are off %s until %s. `roster node hands-on %[1]s` ends it.", args[0], word.Time(response.GetFreeze().GetExpires()))
	})
	return cmd
}

func newNodeHandsOn(sh *shell) *cobra.Command {
	var write writeFlags
	cmd := &cobra.Command{
		Use:               "hands-on NODE",
		Short:             "End a node's hands-off",
		Args:              arguments(1, 1),
		ValidArgsFunction: sh.completeNode,
	}
	write.addTo(cmd)
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, args []string) error {
		response, err := call(ctx, sh, v1.NewGuardServiceClient(link).DeleteFreeze, &v1.DeleteFreezeRequest{
			RequestId: write.id(link), Scope: "node:" + args[0],
		})
		if err != nil {
			return write.outcome(err)
		}
		return sh.told(response, "Hands are on %s again.", args[0])
	})
	return cmd
}
