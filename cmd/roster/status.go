package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"roster/cmd/internal/connect"
	"roster/cmd/internal/exit"
	"roster/cmd/internal/output"
	"roster/cmd/internal/screen"
	"roster/cmd/internal/view"
	"roster/cmd/internal/word"
	v1 "roster/proto/roster/v1"
)

func newStatus(sh *shell) *cobra.Command {
	var check, watch, stale bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the cluster at a glance",
		Long: `Show the cluster at a glance: its first word (OK · DEGRADED, floors kept ·
HOLDING · FROZEN · FLOOR BROKEN · NO QUORUM, nodes serve on), what is the
matter and what is waited for, then services, nodes and members.

Where there is no leader it shows what the answering member knew last, says so,
and exits with 4. --check has the exit codes of monitoring instead: 0 ok ·
1 degraded, holding or frozen · 2 a floor is broken, or no quorum · 3 no member
could be asked.`,
		Args: arguments(0, 0),
	}
	cmd.Flags().BoolVar(&check, "check", false, "print the first line alone and exit as monitoring wants it")
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "draw it anew until Ctrl-C; with -o json, an object per line and change")
	cmd.Flags().BoolVar(&stale, "stale", false, "read the answering member's own state, perhaps old")
	exclude(cmd, "check", "watch")

	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, _ []string) error {
		read := statusOf(sh, link, stale)
		switch {
		case check:
			return checkStatus(ctx, sh, read)
		case watch && sh.format == output.YAML:
			return errors.New("--watch prints tables or JSON, not YAML\n  use -o json, or leave --watch out")
		case watch:
			return watchStatus(ctx, sh, link, read)
		}
		s, err := read(ctx)
		if err != nil {
			return err
		}
		if err := sh.showStatus(s); err != nil {
			return err
		}
		if s.GetState() == v1.StatusState_STATUS_STATE_NO_QUORUM {
			return exit.Quiet(exit.NoLeader)
		}
		return nil
	})
	return cmd
}

// showStatus prints a status in the form that was asked for.
func (sh *shell) showStatus(s *v1.Status) error {
	return sh.print(s, func(w io.Writer, look view.Look) error { return view.Status(w, look, s) })
}

// statusOf reads status over the link, each time anew.
func statusOf(sh *shell, link *connect.Link, stale bool) func(context.Context) (*v1.Status, error) {
	cluster := v1.NewClusterServiceClient(link)
	return func(ctx context.Context) (*v1.Status, error) {
		ctx, cancel := sh.connect.Call(ctx)
		defer cancel()
		response, err := cluster.GetStatus(ctx, &v1.GetStatusRequest{Stale: stale})
		return response.GetStatus(), err
	}
}

// The exit codes of monitoring plugins.
const (
	checkOK       = 0
	checkWarning  = 1
	checkCritical = 2
	checkUnknown  = 3
)

func checkStatus(ctx context.Context, sh *shell, read func(context.Context) (*v1.Status, error)) error {
	s, err := read(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		if sh.format == output.Table {
			// Monitoring shows the output, whatever else is said.
			if _, err := fmt.Fprintln(sh.out, "UNKNOWN · status could not be read"); err != nil {
				return err
			}
		}
		return exit.With(checkUnknown, fmt.Errorf("UNKNOWN, status could not be read: %w", err))
	}
	headline := func(w io.Writer, look view.Look) error {
		_, err := fmt.Fprintln(w, view.Headline(look, s))
		return err
	}
	if err := sh.print(s, headline); err != nil {
		return err
	}
	switch s.GetState() {
	case v1.StatusState_STATUS_STATE_OK:
		return nil
	case v1.StatusState_STATUS_STATE_DEGRADED, v1.StatusState_STATUS_STATE_HOLDING, v1.StatusState_STATUS_STATE_FROZEN:
		return exit.Quiet(checkWarning)
	case v1.StatusState_STATUS_STATE_FLOOR_BROKEN, v1.StatusState_STATUS_STATE_NO_QUORUM:
		return exit.Quiet(checkCritical)
	default:
		return exit.With(checkUnknown, fmt.Errorf("the member answered with state %q, which this version of roster does not know", word.Of(s.GetState())))
	}
}

// watchInterval is how often a watched status is read anew.
const watchInterval = time.Second

// watchStatus draws the status until the context ends.
func watchStatus(ctx context.Context, sh *shell, link *connect.Link, read func(context.Context) (*v1.Status, error)) error {
	ctx, cancel := sh.connect.Long(ctx, 0)
	defer cancel()
	live := screen.New(sh.out)
	defer func() { _ = live.Close() }() // only the cursor is at stake
	events := v1.NewEventServiceClient(link)

	var frame screen.Frame
	var printed *v1.Status
	for {
		s, err := read(ctx)
		frame.Trouble = ""
		switch {
		case ctx.Err() != nil:
			return ended(ctx.Err())
		case err != nil:
			frame.Trouble = exit.Sentence(err)
		default:
			frame.Status = s
		}
		if sh.format == output.JSON {
			printed, err = printChanged(sh, s, printed)
		} else {
			if listed, err := call(ctx, sh, events.ListEvents, &v1.ListEventsRequest{Limit: 10, Stale: true}); err == nil {
				frame.Events = listed.GetEvents()
			}
			err = live.Draw(frame)
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ended(ctx.Err())
		case <-time.After(watchInterval):
		}
	}
}

// printChanged prints a status as a line of JSON where it differs from the one
// that was printed last, and returns the one that is now.
func printChanged(sh *shell, s, printed *v1.Status) (*v1.Status, error) {
	if s == nil {
		return printed, nil
	}
	same := proto.CloneOf(s)
	same.Time, same.Index = nil, 0
	if proto.Equal(same, printed) {
		return printed, nil
	}
	return same, output.Line(sh.out, s)
}

// ended is how a watch ends: Ctrl-C is no error, a deadline is one.
func ended(cause error) error {
	if errors.Is(cause, context.Canceled) {
		return nil
	}
	return exit.Quiet(exit.Deadline)
}
