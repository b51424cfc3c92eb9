package main

import (
	"context"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"roster/cmd/internal/connect"
	"roster/cmd/internal/view"
	v1 "roster/proto/roster/v1"
)

func newAssignment(sh *shell) *cobra.Command {
	return group("assignment", "Read which node is wanted to serve what", "", newAssignmentList(sh))
}

func newAssignmentList(sh *shell) *cobra.Command {
	request := &v1.ListAssignmentsRequest{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List which node is wanted to serve what, and why",
		Args:  arguments(0, 0),
	}
	cmd.Flags().StringVar(&request.Node, "node", "", "only this `node`")
	cmd.Flags().StringVar(&request.Service, "service", "", "only this `service`")
	cmd.Flags().BoolVar(&request.Stale, "stale", false, "read the answering member's own state, perhaps old")
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, _ []string) error {
		response, err := call(ctx, sh, v1.NewAssignmentServiceClient(link).ListAssignments, request)
		if err != nil {
			return err
		}
		if request.GetService() != "" && !assigned(response.GetNodes()) {
			if err := sh.knownService(ctx, link, request.GetService()); err != nil {
				return err
			}
		}
		return sh.print(response, func(w io.Writer, look view.Look) error {
			return view.Assignments(w, look, response.GetNodes())
		})
	})
	return cmd
}

// assigned says whether anything is.
func assigned(nodes []*v1.NodeAssignments) bool {
	return slices.ContainsFunc(nodes, func(n *v1.NodeAssignments) bool { return len(n.GetAssignments()) > 0 })
}
