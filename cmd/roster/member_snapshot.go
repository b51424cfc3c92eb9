package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"roster/cmd/internal/backup"
	"roster/cmd/internal/connect"
	"roster/cmd/internal/terminal"
	"roster/cmd/internal/view"
	v1 "roster/proto/roster/v1"
)

func newMemberSnapshot(sh *shell) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "snapshot [MEMBER]",
		Short: "Let a member write a snapshot of the state now",
		Long: `Let a member write a snapshot of the state to its data folder now, which shortens
its log. Without a name it is the member that answers.

"snapshot save FILE" makes a backup instead, "snapshot inspect FILE" reads one.`,
		Args:              arguments(0, 1),
		ValidArgsFunction: sh.completeMember,
	}
	cmd.AddCommand(newSnapshotSave(sh), newSnapshotInspect(sh))
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, args []string) error {
		cluster := v1.NewClusterServiceClient(link)
		if len(args) == 1 {
			member, err := sh.member(ctx, link, args[0])
			if err != nil {
				return err
			}
			one, err := link.On(member.GetAddress())
			if err != nil {
				return fmt.Errorf("reach member %s: %w", called(member), err)
			}
			cluster = v1.NewClusterServiceClient(one)
		}
		response, err := call(ctx, sh, cluster.SnapshotMember, &v1.SnapshotMemberRequest{})
		if err != nil {
			return err
		}
		return sh.told(response, "Snapshot of index %d written, %d bytes.", response.GetIndex(), response.GetSizeBytes())
	})
	return cmd
}

func newSnapshotSave(sh *shell) *cobra.Command {
	var replace bool
	request := &v1.SaveSnapshotRequest{}
	cmd := &cobra.Command{
		Use:   "save FILE",
		Short: "Save the cluster's state to a file, as a backup",
		Long: `Save the cluster's state to a file, as a backup: topologies with their history,
nodes, freezes, events. The file is there whole and verified, or not at all. No
private key and no mail is in it.`,
		Example: "  roster member snapshot save roster-$(date +%F).snapshot",
		Args:    arguments(1, 1),
	}
	cmd.Flags().BoolVar(&request.Stale, "stale", false, "save the answering member's own state, perhaps old; also without a leader")
	cmd.Flags().BoolVar(&replace, "replace", false, "replace a file of that name, once the new one is whole")
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, args []string) error {
		ctx, cancel := sh.connect.Long(ctx, waitBound)
		defer cancel()
		var stream interface {
			Recv() (*v1.SaveSnapshotResponse, error)
		}
		// The call is made once it is known that the file may be written.
		next := func() ([]byte, error) {
			if stream == nil {
				var err error
				if stream, err = v1.NewClusterServiceClient(link).SaveSnapshot(ctx, request); err != nil {
					return nil, err
				}
			}
			piece, err := stream.Recv()
			return piece.GetData(), err
		}
		summary, err := backup.Save(args[0], replace, next, sh.progress())
		if errors.Is(err, backup.ErrExists) {
			return fmt.Errorf("%w\n  --replace replaces it, once the new one is whole", err)
		}
		if err != nil {
			return err
		}
		return sh.print(summary, func(w io.Writer, look view.Look) error {
			if _, err := fmt.Fprintf(w, "%s has the state of index %d, %d bytes.\n\n", args[0], summary.GetIndex(), summary.GetSizeBytes()); err != nil {
				return err
			}
			return view.Snapshot(w, look, summary)
		})
	})
	return cmd
}

// progress tells on a terminal how much has come.
func (sh *shell) progress() func(uint64) {
	if !terminal.Is(sh.err) {
		return func(uint64) {}
	}
	return func(bytes uint64) { fmt.Fprintf(sh.err, "\r%.1f MiB\x1b[K\r", float64(bytes)/(1<<20)) }
}

func newSnapshotInspect(sh *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "inspect FILE",
		Short: "Say what a snapshot file has, and whether it is whole",
		Long: `Read a snapshot file as a member would, without any member: say what it has, and
whether it is whole.`,
		Args: arguments(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			summary, err := backup.Inspect(args[0])
			if err != nil {
				return err
			}
			return sh.print(summary, func(w io.Writer, look view.Look) error { return view.Snapshot(w, look, summary) })
		},
	}
}
