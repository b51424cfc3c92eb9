package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	"roster/cmd/internal/connect"
	"roster/cmd/internal/view"
	"roster/cmd/internal/word"
	v1 "roster/proto/roster/v1"
)

func newHold(sh *shell) *cobra.Command {
	return group("hold", "Show or end Roster's doubt of itself",
		`Where many nodes fall silent at once, Roster doubts its own ears and holds: it
makes only moves that restore a floor.`,
		newHoldShow(sh), newHoldEnd(sh))
}

func newHoldShow(sh *shell) *cobra.Command {
	request := &v1.GetGuardRequest{}
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show whether Roster holds, since when and why",
		Args:  arguments(0, 0),
	}
	cmd.Flags().BoolVar(&request.Stale, "stale", false, "read the answering member's own state, perhaps old")
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, _ []string) error {
		response, err := call(ctx, sh, v1.NewGuardServiceClient(link).GetGuard, request)
		if err != nil {
			return err
		}
		return sh.print(response, func(w io.Writer, look view.Look) error { return view.Hold(w, look, response) })
	})
	return cmd
}

func newHoldEnd(sh *shell) *cobra.Command {
	var write writeFlags
	var lasts time.Duration
	var reason string
	cmd := &cobra.Command{
		Use:   "end --reason TEXT [--for TIME]",
		Short: "Say that the silence is real: end a hold, and let none begin for a while",
		Long: `Say that the silent nodes are really lost. A hold ends, none begins for a while,
and what they served is made up for on the others.`,
		Example: `  roster hold end --for 1h --reason "room 2 has no power"`,
		Args:    arguments(0, 0),
	}
	cmd.Flags().DurationVar(&lasts, "for", time.Hour, "how long none begins, a `time` of at most 24h")
	cmd.Flags().StringVar(&reason, "reason", "", "`why`, for whoever reads status")
	write.addTo(cmd)
	validate := func() error {
		var faults []error
		if lasts <= 0 {
			faults = append(faults, errors.New("--for is no time"))
		}
		if reason == "" {
			faults = append(faults, errors.New("the reason is missing: say it with --reason, for whoever reads status"))
		}
		return errors.Join(faults...)
	}
	cmd.RunE = sh.checked(validate, func(ctx context.Context, link *connect.Link, _ []string) error {
		response, err := call(ctx, sh, v1.NewGuardServiceClient(link).OverrideHold, &v1.OverrideHoldRequest{
			RequestId: write.id(link), For: durationpb.New(lasts), Reason: reason,
		})
		if err != nil {
			return write.outcome(err)
		}
		return sh.told(response, "Roster does not hold, and will not for %s.", word.Lasting(lasts))
	})
	return cmd
}
