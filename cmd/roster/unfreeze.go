package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"roster/cmd/internal/connect"
	"roster/cmd/internal/view"
	"roster/cmd/internal/word"
	v1 "roster/proto/roster/v1"
)

func newUnfreeze(sh *shell) *cobra.Command {
	var write writeFlags
	var scope string
	var every bool
	cmd := &cobra.Command{
		Use:   "unfreeze [ID | --scope SCOPE | --all]",
		Short: "End freezes before their time",
		Long: `End one freeze by its id, every freeze of exactly one scope, or all of them. What
was kept from moving meanwhile moves then.`,
		Example:           "  roster freezes\n  roster unfreeze --scope zone:a1",
		Args:              arguments(0, 1),
		ValidArgsFunction: sh.completeFreeze,
	}
	cmd.Flags().StringVar(&scope, "scope", "", "every freeze of this `scope`, as all or node:ID")
	cmd.Flags().BoolVar(&every, "all", false, "every freeze there is, of whatever scope")
	write.addTo(cmd)
	exclude(cmd, "scope", "all")
	exclude(cmd, "request-id", "all")
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, args []string) error {
		if len(args) == 1 && (scope != "" || every) {
			return errors.New("an id and --scope or --all exclude each other: leave one out")
		}
		if every {
			return sh.unfreezeAll(ctx, link)
		}
		request := &v1.DeleteFreezeRequest{Scope: scope}
		switch {
		case len(args) == 1 && isScope(args[0]):
			return fmt.Errorf("%q is a scope, not an id\n  use --scope %[1]s", args[0])
		case len(args) == 1:
			request.Id = args[0]
		case scope == "":
			return errors.New("which freeze to end is missing: name its id, --scope SCOPE or --all\n  `roster freezes` lists them")
		}
		request.RequestId = write.id(link)
		response, err := call(ctx, sh, v1.NewGuardServiceClient(link).DeleteFreeze, request)
		if err != nil {
			return write.outcome(err)
		}
		return sh.told(response, "%s ended.", word.Count(response.GetEnded(), "freeze"))
	})
	return cmd
}

func isScope(text string) bool {
	return slices.ContainsFunc(scopes, func(begin string) bool {
		return text == begin || strings.HasSuffix(begin, ":") && strings.HasPrefix(text, begin)
	})
}

// unfreezeAll ends every freeze; one that ended meanwhile is as good as ended.
func (sh *shell) unfreezeAll(ctx context.Context, link *connect.Link) error {
	guard := v1.NewGuardServiceClient(link)
	now, err := call(ctx, sh, guard.GetGuard, &v1.GetGuardRequest{})
	if err != nil {
		return err
	}
	total := &v1.DeleteFreezeResponse{Index: now.GetIndex()}
	for _, f := range now.GetFreezes() {
		response, err := call(ctx, sh, guard.DeleteFreeze, &v1.DeleteFreezeRequest{RequestId: link.RequestID(), Id: f.GetId()})
		switch {
		case status.Code(err) == codes.NotFound:
		case err != nil:
			return fmt.Errorf("end the freeze of %s: %w", f.GetScope(), err)
		default:
			total.Index, total.Ended = response.GetIndex(), total.GetEnded()+response.GetEnded()
		}
	}
	if total.GetEnded() == 0 {
		return sh.told(total, "Nothing was frozen.")
	}
	return sh.told(total, "%s ended.", word.Count(total.GetEnded(), "freeze"))
}

func newFreezes(sh *shell) *cobra.Command {
	request := &v1.GetGuardRequest{}
	cmd := &cobra.Command{
		Use:   "freezes",
		Short: "List what is frozen, until when, by whom and why",
		Args:  arguments(0, 0),
	}
	cmd.Flags().BoolVar(&request.Stale, "stale", false, "read the answering member's own state, perhaps old")
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, _ []string) error {
		response, err := call(ctx, sh, v1.NewGuardServiceClient(link).GetGuard, request)
		if err != nil {
			return err
		}
		return sh.print(response, func(w io.Writer, look view.Look) error {
			return view.Freezes(w, look, response.GetFreezes())
		})
	})
	return cmd
}
