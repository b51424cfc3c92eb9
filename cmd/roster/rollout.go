package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"roster/cmd/internal/connect"
	"roster/cmd/internal/view"
	v1 "roster/proto/roster/v1"
)

func newRollout(sh *shell) *cobra.Command {
	return group("rollout", "Watch and steer the rollout in progress",
		`A rollout is what follows from the operator's last order: a topology applied, a
node drained. It goes in waves, and no wave takes a service below its floor. It can
wait between waves, go on, or walk back to what it began with.`,
		newRolloutStatus(sh), newRolloutPause(sh), newRolloutResume(sh), newRolloutAbort(sh))
}

func newRolloutStatus(sh *shell) *cobra.Command {
	request := &v1.GetRolloutRequest{}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how far the operator's last order is",
		Long: `Show how far the operator's last order is: its state, what is left, what it waits
for, who paused it, and until when its canary is watched.`,
		Args: arguments(0, 0),
	}
	cmd.Flags().BoolVar(&request.Stale, "stale", false, "read the answering member's own state, perhaps old")
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, _ []string) error {
		response, err := call(ctx, sh, v1.NewRolloutServiceClient(link).GetRollout, request)
		if err != nil {
			return unsupported(err)
		}
		return sh.print(response, func(w io.Writer, look view.Look) error { return view.Rollout(w, look, response.GetRollout()) })
	})
	return cmd
}

// steer is what every verb that steers a rollout takes.
type steer struct {
	writeFlags
	reason string
	wait   bool
}

func (s *steer) addTo(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.reason, "reason", "", "`why`, for people")
	s.writeFlags.addTo(cmd)
}

func (s *steer) addWaitTo(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&s.wait, "wait", "w", false, "wait until the cluster has settled, at most --timeout (default 10m)")
}

func newRolloutPause(sh *shell) *cobra.Command {
	var with steer
	cmd := &cobra.Command{
		Use:   "pause",
		Short: "Stop the rollout between waves",
		Long: `Stop the rollout between waves: what was begun is finished, nothing new is begun
until "roster rollout resume" or a new topology. Repair goes on meanwhile: a service
that falls under its floor is mended.`,
		Example: `  roster rollout pause --reason "look at imap first"`,
		Args:    arguments(0, 0),
	}
	with.addTo(cmd)
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, _ []string) error {
		response, err := call(ctx, sh, v1.NewRolloutServiceClient(link).PauseRollout,
			&v1.PauseRolloutRequest{RequestId: with.id(link), Reason: with.reason})
		if err != nil {
			return unsupported(with.outcome(err))
		}
		return sh.told(response, "The rollout is paused: what was begun is finished, nothing new is begun, repair goes on.\n`roster rollout resume` lets it go on, `roster rollout abort` walks it back.")
	})
	return cmd
}

func newRolloutResume(sh *shell) *cobra.Command {
	var with steer
	cmd := &cobra.Command{
		Use:     "resume",
		Short:   "Let a paused rollout go on",
		Example: "  roster rollout resume --wait",
		Args:    arguments(0, 0),
	}
	with.addTo(cmd)
	with.addWaitTo(cmd)
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, _ []string) error {
		rollout := v1.NewRolloutServiceClient(link)
		response, err := call(ctx, sh, rollout.ResumeRollout, &v1.ResumeRolloutRequest{RequestId: with.id(link), Reason: with.reason})
		if err != nil {
			return unsupported(with.outcome(err))
		}
		if err := sh.told(response, "The rollout goes on."); err != nil || !with.wait {
			return err
		}
		now, err := call(ctx, sh, rollout.GetRollout, &v1.GetRolloutRequest{})
		if err != nil {
			return fmt.Errorf("read the rollout: %w", err)
		}
		return sh.follow(ctx, link, now.GetRollout().GetRevision())
	})
	return cmd
}

func newRolloutAbort(sh *shell) *cobra.Command {
	var with steer
	cmd := &cobra.Command{
		Use:   "abort",
		Short: "Walk the rollout back to what it began with",
		Long: `Walk the rollout back to the topology and the seats that it began with, as a new
revision. It goes as every rollout does: starts before stops, and no service falls
below its floor. A paused rollout can be aborted; a drain is called off with
"roster node undrain".`,
		Example: `  roster rollout abort --reason "jmap is slow there" --wait`,
		Args:    arguments(0, 0),
	}
	with.addTo(cmd)
	with.addYesTo(cmd)
	with.addWaitTo(cmd)
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, _ []string) error {
		rollout := v1.NewRolloutServiceClient(link)
		if !with.yes {
			now, err := call(ctx, sh, rollout.GetRollout, &v1.GetRolloutRequest{})
			if err != nil {
				return unsupported(err)
			}
			if err := view.Rollout(sh.people(), lookOf(sh.people()), now.GetRollout()); err != nil {
				return err
			}
			if err := with.confirm(ctx, sh, "Walk it back?", "--yes walks it back without asking"); err != nil {
				return err
			}
		}
		response, err := call(ctx, sh, rollout.AbortRollout, &v1.AbortRolloutRequest{RequestId: with.id(link), Reason: with.reason})
		if err != nil {
			return unsupported(with.outcome(err))
		}
		if err := sh.told(response, "The rollout walks back: revision %d repeats what it began with.", response.GetRevision()); err != nil || !with.wait {
			return err
		}
		return sh.follow(ctx, link, response.GetRevision())
	})
	return cmd
}
