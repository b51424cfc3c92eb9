package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"roster/cmd/internal/connect"
	"roster/cmd/internal/view"
	v1 "roster/proto/roster/v1"
)

// thinking bounds a question that members work on for longer than a call takes.
const thinking = 5 * time.Minute

// think makes a call that may take long.
func think[Request, Response any](ctx context.Context, sh *shell, ask func(context.Context, Request) (Response, error), request Request) (Response, error) {
	ctx, cancel := sh.connect.Long(ctx, thinking)
	defer cancel()
	return ask(ctx, request)
}

// failKinds are what a loss begins with.
var failKinds = []string{"node:", "zone:", "region:", "member:"}

func newSimulate(sh *shell) *cobra.Command {
	var paper offline
	var wide bool
	request := &v1.SimulateRequest{}
	cmd := &cobra.Command{
		Use:   "simulate --fail LOSS[,LOSS…] [-f FILE] [--nodes FILE]",
		Short: "Show move by move what would follow from a loss",
		Long: `Show move by move what would follow from the loss of nodes, a zone, a region or
members, all at once: what is ready at once, what Roster starts where and when,
what is ready then. Nothing is changed.

It is about the cluster as it is, or as it would be with -f FILE. With --nodes it
asks no cluster: nodes of a file (or so many made up) serve what -f says.`,
		Example: `  roster simulate --fail node-3,zone:a1
  roster simulate --fail region:b --return
  roster simulate --fail member:m2 --fail node:node-3
  roster simulate --fail node-3 --nodes nodes.yaml -f mail.yaml`,
		Args: arguments(0, 0),
	}
	paper.addTo(cmd, "as if this topology `file` were in force; - reads the input")
	paper.addFromTo(cmd)
	cmd.Flags().StringSliceVar(&request.Fail, "fail", nil, "what is lost: NODE, `kind:name` with node, zone, region, member; more with commas")
	must(cmd.RegisterFlagCompletionFunc("fail", sh.completeFail))
	cmd.Flags().BoolVar(&request.WithReturn, "return", false, "and what follows when all of it comes back")
	cmd.Flags().BoolVar(&wide, "wide", false, "tell the steps, the deadline and the way back of every move")
	cmd.Flags().BoolVar(&request.Stale, "stale", false, "read the answering member's own state, perhaps old")

	live := func(ctx context.Context, link *connect.Link) (response *v1.SimulateResponse, err error) {
		if paper.file != "" {
			if request.FileName, request.Source, err = readSource(sh.in, paper.file); err != nil {
				return nil, err
			}
		}
		return think(ctx, sh, func(ctx context.Context, r *v1.SimulateRequest) (*v1.SimulateResponse, error) {
			return v1.NewWhatIfServiceClient(link).Simulate(ctx, r)
		}, request)
	}
	onPaper := func() (*v1.SimulateResponse, error) {
		c, _, err := paper.settled(sh)
		if err != nil {
			return nil, err
		}
		return c.Simulate(request.GetFail(), request.GetWithReturn())
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkFail(request.GetFail()); err != nil {
			return err
		}
		response, err := answered(sh, cmd, &paper, live, onPaper)
		if err != nil {
			return unsupported(err)
		}
		return sh.print(response, func(w io.Writer, look view.Look) error { return view.Simulate(w, look, response, wide) })
	}
	return cmd
}

// checkFail refuses what is no loss, before anybody is asked.
func checkFail(fail []string) error {
	if len(fail) == 0 {
		return errors.New("what fails is missing: say it with --fail, as --fail node-3,zone:a1")
	}
	for _, what := range fail {
		kind, name, found := strings.Cut(what, ":")
		switch {
		case what == "":
			return errors.New("--fail has an empty loss: write NODE, node:NODE, zone:ZONE, region:REGION or member:MEMBER, with commas between")
		case found && name == "":
			return errors.New("--fail " + what + " names nothing: write it as " + kind + ":NAME")
		case found && !slices.Contains(failKinds, kind+":"):
			return errors.New("--fail " + what + ": a loss is a node, zone, region or member, not a " + kind + "\n  write NODE, node:NODE, zone:ZONE, region:REGION or member:MEMBER")
		}
	}
	return nil
}

// unsupported explains a member that is older than the question.
func unsupported(err error) error {
	if status.Code(err) == codes.Unimplemented {
		return errors.New("the member that answered is too old to know this: upgrade it, or ask another with --member")
	}
	return err
}
