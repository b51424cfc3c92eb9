package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"roster/cmd/internal/connect"
	"roster/cmd/internal/view"
	v1 "roster/proto/roster/v1"
)

func newNode(sh *shell) *cobra.Command {
	return group("node", "Read and change nodes",
		"A node is a mail host with one agent. It registers when its agent first connects.",
		newNodeList(sh), newNodeGet(sh),
		newNodeCordon(sh, true), newNodeCordon(sh, false), newNodeDrain(sh), newNodeUndrain(sh), newNodeHandsOff(sh), newNodeHandsOn(sh),
		newNodeOKToStop(sh), newNodeActivate(sh), newNodeAdopt(sh), newNodeReplace(sh), newNodeUpdate(sh), newNodeRemove(sh))
}

func newNodeList(sh *shell) *cobra.Command {
	request := &v1.ListNodesRequest{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List every node",
		Args:  arguments(0, 0),
	}
	cmd.Flags().BoolVar(&request.Stale, "stale", false, "read the answering member's own state, perhaps old")
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, _ []string) error {
		response, err := call(ctx, sh, v1.NewNodeServiceClient(link).ListNodes, request)
		if err != nil {
			return err
		}
		return sh.print(response, func(w io.Writer, look view.Look) error {
			return view.Nodes(w, look, response.GetNodes())
		})
	})
	return cmd
}

func newNodeGet(sh *shell) *cobra.Command {
	request := &v1.GetNodeRequest{}
	cmd := &cobra.Command{
		Use:               "get NODE",
		Short:             "Show everything that is known of a node",
		Args:              arguments(1, 1),
		ValidArgsFunction: sh.completeNode,
	}
	cmd.Flags().BoolVar(&request.Stale, "stale", false, "read the answering member's own state, perhaps old")
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, args []string) error {
		request.Id = args[0]
		response, err := call(ctx, sh, v1.NewNodeServiceClient(link).GetNode, request)
		if err != nil {
			return err
		}
		return sh.print(response, func(w io.Writer, look view.Look) error {
			return view.Node(w, look, response.GetNode())
		})
	})
	return cmd
}
