package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"roster/cmd/internal/connect"
	"roster/cmd/internal/output"
	"roster/cmd/internal/view"
	v1 "roster/proto/roster/v1"
)

func newEvent(sh *shell) *cobra.Command {
	return group("event", "Read what happened, by whom and why", "", newEventList(sh), newEventWatch(sh))
}

func newEventList(sh *shell) *cobra.Command {
	request := &v1.ListEventsRequest{}
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List what happened, oldest first",
		Example: "  roster event list --limit 20 --kind node.",
		Args:    arguments(0, 0),
	}
	cmd.Flags().Uint64Var(&request.AfterIndex, "after", 0, "events after this `index`; 0: from the oldest that is kept")
	cmd.Flags().Uint32Var(&request.Limit, "limit", 0, "at most so many, the newest (default 1000)")
	cmd.Flags().StringVar(&request.Node, "node", "", "only of this `node`")
	cmd.Flags().StringVar(&request.Kind, "kind", "", "only kinds that `begin` so, as node.")
	cmd.Flags().BoolVar(&request.Stale, "stale", false, "read the answering member's own state, perhaps old")
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, _ []string) error {
		response, err := call(ctx, sh, v1.NewEventServiceClient(link).ListEvents, request)
		if err != nil {
			return err
		}
		if request.GetKind() != "" && len(response.GetEvents()) == 0 {
			if err := knownKind(request.GetKind()); err != nil {
				return err
			}
		}
		return sh.print(response, func(w io.Writer, look view.Look) error {
			return view.Events(w, look, response.GetEvents())
		})
	})
	return cmd
}

func newEventWatch(sh *shell) *cobra.Command {
	request := &v1.WatchEventsRequest{}
	var after uint64
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Print each event as it happens, until Ctrl-C",
		Long: `Print each event as it happens, until Ctrl-C. With -o json each is an object on
a line of its own. Where the connection breaks it goes on with another member,
and no event is left out or told twice. Without --after it begins now.`,
		Args: arguments(0, 0),
	}
	cmd.Flags().Uint64Var(&after, "after", 0, "begin with the events after this `index`; 0: the oldest that is kept")
	cmd.Flags().StringVar(&request.Node, "node", "", "only of this `node`")
	cmd.Flags().StringVar(&request.Kind, "kind", "", "only kinds that `begin` so, as node.")
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, _ []string) error {
		if sh.format == output.YAML {
			return fmt.Errorf("a watch prints tables or JSON, not YAML\n  use -o json")
		}
		if err := knownKind(request.GetKind()); err != nil {
			return err
		}
		ctx, cancel := sh.connect.Long(ctx, 0)
		defer cancel()
		request.AfterIndex = after
		if !cmd.Flags().Changed("after") {
			now, err := call(ctx, sh, v1.NewEventServiceClient(link).ListEvents, &v1.ListEventsRequest{Limit: 1})
			if err != nil {
				return err
			}
			request.AfterIndex = now.GetIndex()
		}
		err := link.WatchEvents(ctx, request, func(response *v1.WatchEventsResponse) error {
			return sh.tellEvents(response.GetEvents())
		})
		if ctx.Err() != nil {
			return ended(ctx.Err())
		}
		return err
	})
	return cmd
}

// tellEvents prints events of a watch, one a line.
func (sh *shell) tellEvents(events []*v1.Event) error {
	if sh.format != output.JSON {
		return view.Events(sh.out, sh.look(), events)
	}
	for _, event := range events {
		if err := output.Line(sh.out, event); err != nil {
			return err
		}
	}
	return nil
}
