package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"roster/cmd/internal/connect"
	"roster/cmd/internal/view"
	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
)

func newExplain(sh *shell) *cobra.Command {
	var paper offline
	request := &v1.ExplainRequest{}
	cmd := &cobra.Command{
		Use:   "explain SERVICE NODE",
		Short: "Say why a service is on a node, or why it is not",
		Long: `Say why a service is on a node, or why it is not, from the planner's own values:
which pool wants it there, why this node, and for each other pool with the service
why the node is no member of it.

It is about the cluster as it is, or as it would be with -f FILE. With --nodes it
asks no cluster: nodes of a file (or so many made up) serve what -f says.`,
		Example: `  roster explain imap node-3
  roster explain webdav node-9 --nodes nodes.yaml -f mail.yaml`,
		Args: arguments(2, 2),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			switch len(args) {
			case 0:
				return topology.KnownServices(), cobra.ShellCompDirectiveNoFileComp
			case 1:
				return sh.completeNode(cmd, nil, typed)
			default:
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
		},
	}
	paper.addTo(cmd, "as if this topology `file` were in force; - reads the input")
	paper.addFromTo(cmd)
	cmd.Flags().BoolVar(&request.Stale, "stale", false, "read the answering member's own state, perhaps old")

	live := func(ctx context.Context, link *connect.Link) (response *v1.ExplainResponse, err error) {
		if paper.file != "" {
			if request.FileName, request.Source, err = readSource(sh.in, paper.file); err != nil {
				return nil, err
			}
		}
		return call(ctx, sh, v1.NewWhatIfServiceClient(link).Explain, request)
	}
	onPaper := func() (*v1.ExplainResponse, error) {
		c, _, err := paper.settled(sh)
		if err != nil {
			return nil, err
		}
		return c.Explain(request.GetService(), request.GetNode())
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		request.Service, request.Node = args[0], args[1]
		response, err := answered(sh, cmd, &paper, live, onPaper)
		if err != nil {
			return unsupported(err)
		}
		return sh.print(response, func(w io.Writer, look view.Look) error {
			return view.Explain(w, look, args[0], args[1], response)
		})
	}
	return cmd
}
