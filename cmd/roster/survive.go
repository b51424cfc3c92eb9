package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"roster/cmd/internal/connect"
	"roster/cmd/internal/exit"
	"roster/cmd/internal/terminal"
	"roster/cmd/internal/view"
	"roster/fsm/whatif"
	v1 "roster/proto/roster/v1"
)

func newSurvive(sh *shell) *cobra.Command {
	var paper offline
	var detailed bool
	request := &v1.SurviveRequest{}
	cmd := &cobra.Command{
		Use:   "survive [-f FILE] [--nodes FILE]",
		Short: "Look at every loss: what would be ready at once, and after failover",
		Long: `Look at every loss of a node, two nodes, a zone, a region, and members: how many
ready nodes each service would have at once, and after failover and replace_after.
A loss is fatal at once if a service has none ready; it is fatal if a service
stays under its floor after failover. Each of those has a mend. Nothing is changed.

It is about the cluster as it is, or as it would be with -f FILE. With --nodes it
asks no cluster: nodes of a file (or so many made up) serve what -f says.

With --detailed-exitcode it exits with 2 where a loss is fatal that the topology
promises to survive.`,
		Example: `  roster survive
  roster survive --nodes nodes.yaml -f mail.yaml -o json
  roster survive -f new.yaml --no-pairs --detailed-exitcode`,
		Args: arguments(0, 0),
	}
	paper.addTo(cmd, "as if this topology `file` were in force; - reads the input")
	paper.addFromTo(cmd)
	cmd.Flags().BoolVar(&request.WithoutPairs, "no-pairs", false, "leave pairs of nodes out")
	cmd.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit with 2 where a promise of survives is not kept")
	cmd.Flags().BoolVar(&request.Stale, "stale", false, "read the answering member's own state, perhaps old")

	live := func(ctx context.Context, link *connect.Link) (response *v1.SurviveResponse, err error) {
		if paper.file != "" {
			if request.FileName, request.Source, err = readSource(sh.in, paper.file); err != nil {
				return nil, err
			}
		}
		return think(ctx, sh, func(ctx context.Context, r *v1.SurviveRequest) (*v1.SurviveResponse, error) {
			return v1.NewWhatIfServiceClient(link).Survive(ctx, r)
		}, request)
	}
	onPaper := func() (*v1.SurviveResponse, error) {
		ctx := cmd.Context()
		c, _, err := paper.settled(sh)
		if err != nil {
			return nil, err
		}
		progress, done := sh.lossProgress("losses looked at")
		defer done()
		response := c.Survive(whatif.SurviveOptions{
			Pairs: !request.GetWithoutPairs(), Progress: progress, Stop: func() bool { return ctx.Err() != nil },
		})
		return response, ctx.Err()
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		response, err := answered(sh, cmd, &paper, live, onPaper)
		if err != nil {
			return unsupported(err)
		}
		if err := sh.print(response, func(w io.Writer, look view.Look) error { return view.Survive(w, look, response) }); err != nil {
			return err
		}
		if detailed && len(response.GetUnkept()) > 0 {
			return exit.Quiet(exit.Changes)
		}
		return nil
	}
	return cmd
}

// lossProgress tells a person at a terminal how far long work is, in one line that is
// taken away at the end; elsewhere nobody is told.
func (sh *shell) lossProgress(what string) (told func(done, all int), end func()) {
	if !terminal.Is(sh.err) {
		return nil, func() {}
	}
	var last time.Time
	shown := false
	told = func(done, all int) {
		if now := time.Now(); now.Sub(last) > 100*time.Millisecond {
			last, shown = now, true
			fmt.Fprintf(sh.err, "\r\x1b[K%d of %d %s", done, all, what)
		}
	}
	return told, func() {
		if shown {
			fmt.Fprint(sh.err, "\r\x1b[K")
		}
	}
}
