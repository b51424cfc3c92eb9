package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"roster/cmd/internal/connect"
	"roster/cmd/internal/exit"
	"roster/cmd/internal/view"
	v1 "roster/proto/roster/v1"
)

func newTopologyPlan(sh *shell) *cobra.Command {
	var path string
	var detailed bool
	request := &v1.PlanTopologyRequest{}
	cmd := &cobra.Command{
		Use:   "plan [-f FILE | --revision N]",
		Short: "Show what applying a topology would do",
		Long: `Show what applying a topology would do now: what starts, drains and stops, in
which waves and why. It is the real planner on the real state; nothing is
changed. Without a file it plans the topology in force.

With --detailed-exitcode it exits with 2 where there is something to change.`,
		Example: "  roster topology plan -f mail.yaml\n  roster topology plan --revision 3",
		Args:    arguments(0, 0),
	}
	addFileFlag(cmd, &path, "topology `file`; - reads the input")
	cmd.Flags().Uint64Var(&request.Revision, "revision", 0, "plan this kept `revision` instead of a file")
	cmd.Flags().BoolVar(&request.Stale, "stale", false, "read the answering member's own state, perhaps old")
	cmd.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit with 2 where there is something to change")
	exclude(cmd, "file", "revision")

	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, _ []string) error {
		if path != "" {
			var err error
			if request.FileName, request.Source, err = readSource(sh.in, path); err != nil {
				return err
			}
		}
		response, err := call(ctx, sh, v1.NewTopologyServiceClient(link).PlanTopology, request)
		if err != nil {
			return err
		}
		if err := sh.print(response, func(w io.Writer, look view.Look) error { return view.Plan(w, look, response) }); err != nil {
			return err
		}
		if detailed && (len(response.GetChanges()) > 0 || len(response.GetPlan().GetWaves()) > 0) {
			return exit.Quiet(exit.Changes)
		}
		return nil
	})
	return cmd
}
