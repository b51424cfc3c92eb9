package main

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"roster/cmd/internal/connect"
	"roster/cmd/internal/exit"
	"roster/cmd/internal/view"
	v1 "roster/proto/roster/v1"
)

func newNodeOKToStop(sh *shell) *cobra.Command {
	request := &v1.CheckStopRequest{}
	cmd := &cobra.Command{
		Use:   "ok-to-stop [NODE…] [--with-member MEMBER]",
		Short: "Say whether nodes may be stopped now, all at once",
		Long: `Say whether these nodes may be stopped now, all at once, without a service falling
below its floor and without the members losing their quorum. Members that run on
the nodes' hosts are counted by themselves; --with-member names others.

It exits with 0 for yes and with 2 for no. It changes nothing: a node that was
fine to stop may be needed a moment later. "roster node drain" makes room first.`,
		Example:           "  roster node ok-to-stop node-3 && ssh node-3 reboot",
		Args:              arguments(0, 1000),
		ValidArgsFunction: sh.completeNodes,
	}
	cmd.Flags().StringArrayVar(&request.Members, "with-member", nil, "a `member` that stops too, by its name or id; repeat for more")
	cmd.Flags().BoolVar(&request.Stale, "stale", false, "read the answering member's own state, perhaps old")
	must(cmd.RegisterFlagCompletionFunc("with-member", func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		return sh.completeMember(cmd, nil, typed)
	}))
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, args []string) error {
		if len(args) == 0 && len(request.GetMembers()) == 0 {
			return errors.New("what would stop is missing: name nodes, or members with --with-member")
		}
		request.Nodes = slices.Compact(slices.Sorted(slices.Values(args)))
		response, err := call(ctx, sh, v1.NewNodeServiceClient(link).CheckStop, request)
		if err != nil {
			return err
		}
		err = sh.print(response, func(w io.Writer, look view.Look) error {
			return view.StopCheck(w, look, append(slices.Clone(request.GetNodes()), request.GetMembers()...), response)
		})
		if err == nil && !response.GetOk() {
			return exit.Quiet(exit.Changes)
		}
		return err
	})
	return cmd
}
