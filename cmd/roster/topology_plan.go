package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"roster/cmd/internal/connect"
	"roster/cmd/internal/exit"
	"roster/cmd/internal/output"
	"roster/cmd/internal/view"
	v1 "roster/proto/roster/v1"
)

func newTopologyPlan(sh *shell) *cobra.Command {
	var paper offline
	var detailed, wide bool
	request := &v1.PlanTopologyRequest{}
	cmd := &cobra.Command{
		Use:   "plan [-f FILE | --revision N] [--nodes FILE [--from FILE]]",
		Short: "Show what applying a topology would do",
		Long: `Show what applying a topology would do now: what starts, drains and stops, in
which waves and why, and what each wave leaves ready. It is the real planner on
the real state; nothing is changed. Without a file it plans the topology in force.

A wave lists what it starts (+), drains or calls back (~, +) and stops (-), and
apart what changes hands without a service being touched (=): "+ borrow" is a start
that stands in for others and fills no seat, "= reseat" a service that fills
another seat, "= unseat" one that fills none any more and is on loan from then on.

With --nodes it asks no cluster: the plan is for the nodes of a file (or so many
made up), which serve nothing yet, or what --from says.

With --detailed-exitcode it exits with 2 where there is something to change.`,
		Example: `  roster topology plan -f mail.yaml
  roster topology plan --revision 3
  roster topology plan -f new.yaml --nodes nodes.yaml --from old.yaml -o json`,
		Args: arguments(0, 0),
	}
	paper.addTo(cmd, "topology `file`; - reads the input")
	paper.addFromTo(cmd)
	cmd.Flags().Uint64Var(&request.Revision, "revision", 0, "plan this kept `revision` instead of a file")
	cmd.Flags().BoolVar(&request.Stale, "stale", false, "read the answering member's own state, perhaps old")
	cmd.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit with 2 where there is something to change")
	cmd.Flags().BoolVar(&wide, "wide", false, "tell the steps, the deadline and the way back of every move")
	exclude(cmd, "file", "revision")

	live := func(ctx context.Context, link *connect.Link) (*v1.PlanTopologyResponse, error) {
		if paper.file != "" {
			var err error
			if request.FileName, request.Source, err = readSource(sh.in, paper.file); err != nil {
				return nil, err
			}
		}
		return call(ctx, sh, v1.NewTopologyServiceClient(link).PlanTopology, request)
	}
	onPaper := func() (*v1.PlanTopologyResponse, error) {
		if paper.file == "" {
			return nil, errNoFile
		}
		p, err := paper.read(sh)
		if err != nil {
			return nil, err
		}
		return p.plan()
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		response, err := answered(sh, cmd, &paper, live, onPaper)
		if err != nil {
			return err
		}
		if err := sh.showPlan(response, wide); err != nil {
			return err
		}
		if detailed && (len(response.GetChanges()) > 0 || len(response.GetPlan().GetWaves()) > 0) {
			return exit.Quiet(exit.Changes)
		}
		return nil
	}
	return cmd
}

// showPlan prints a plan: for scripts as one document that has the plan's own
// fields at its top.
func (sh *shell) showPlan(response *v1.PlanTopologyResponse, wide bool) error {
	table := func(w io.Writer, look view.Look) error {
		if wide {
			return view.WidePlan(w, look, response)
		}
		return view.Plan(w, look, response)
	}
	return output.PrintDocument(sh.out, sh.format, func() error { return table(sh.out, sh.look()) }, response.GetPlan(), response)
}

// answered asks the members, or works the answer out where the cluster is on
// paper.
func answered[Response any](sh *shell, cmd *cobra.Command, paper *offline,
	live func(context.Context, *connect.Link) (Response, error), onPaper func() (Response, error),
) (response Response, err error) {
	if err := paper.validate(cmd); err != nil {
		return response, err
	}
	if paper.asked(cmd) {
		return onPaper()
	}
	link, err := sh.connect.Open()
	if err != nil {
		return response, err
	}
	defer link.Close()
	return live(cmd.Context(), link)
}
