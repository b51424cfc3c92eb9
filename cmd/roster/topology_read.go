package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"roster/cmd/internal/connect"
	"roster/cmd/internal/exit"
	"roster/cmd/internal/view"
	v1 "roster/proto/roster/v1"
)

func newTopologyGet(sh *shell) *cobra.Command {
	var defaults bool
	request := &v1.GetTopologyRequest{}
	cmd := &cobra.Command{
		Use:   "get",
		Short: "Print a topology as it was written",
		Long: `Print the topology in force, or a kept revision, as it was written. With
--defaults it is the effective one: every default filled in.`,
		Args: arguments(0, 0),
	}
	cmd.Flags().Uint64Var(&request.Revision, "revision", 0, "a kept `revision`; 0: the one in force")
	cmd.Flags().BoolVar(&defaults, "defaults", false, "print it with every default filled in")
	cmd.Flags().BoolVar(&request.Stale, "stale", false, "read the answering member's own state, perhaps old")

	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, _ []string) error {
		response, err := call(ctx, sh, v1.NewTopologyServiceClient(link).GetTopology, request)
		if err != nil {
			return err
		}
		return sh.print(response, func(w io.Writer, _ view.Look) error {
			source := response.GetRevision().GetSource()
			if defaults {
				source = response.GetEffectiveSource()
			}
			_, err := w.Write(source)
			if err == nil && len(source) > 0 && source[len(source)-1] != '\n' {
				_, err = fmt.Fprintln(w)
			}
			return err
		})
	})
	return cmd
}

func newTopologyHistory(sh *shell) *cobra.Command {
	request := &v1.ListTopologyRevisionsRequest{}
	cmd := &cobra.Command{
		Use:   "history",
		Short: "List the kept revisions, newest first",
		Args:  arguments(0, 0),
	}
	cmd.Flags().BoolVar(&request.Stale, "stale", false, "read the answering member's own state, perhaps old")
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, _ []string) error {
		response, err := call(ctx, sh, v1.NewTopologyServiceClient(link).ListTopologyRevisions, request)
		if err != nil {
			return err
		}
		return sh.print(response, func(w io.Writer, look view.Look) error {
			return view.Revisions(w, look, response.GetRevisions())
		})
	})
	return cmd
}

func newTopologyDiff(sh *shell) *cobra.Command {
	var path string
	var detailed bool
	request := &v1.DiffTopologyRequest{}
	cmd := &cobra.Command{
		Use:   "diff [FROM [TO]] [-f FILE]",
		Short: "Compare two revisions, or a revision and a file",
		Long: `Compare a revision (the one in force, if none is named) with another one or with
a file. With one revision it is compared with the one in force.

With --detailed-exitcode it exits with 2 where they differ.`,
		Example: "  roster topology diff 2 5\n  roster topology diff -f mail.yaml",
		Args:    arguments(0, 2),
	}
	addFileFlag(cmd, &path, "compare with this topology `file`; - reads the input")
	cmd.Flags().BoolVar(&request.Stale, "stale", false, "read the answering member's own state, perhaps old")
	cmd.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit with 2 where they differ")

	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, args []string) (err error) {
		switch {
		case path == "" && len(args) == 0:
			return fmt.Errorf("nothing to compare with\n  name a revision, two, or a file with -f")
		case path != "" && len(args) == 2:
			return fmt.Errorf("two revisions and a file are three sides\n  leave out -f, or the second revision")
		}
		for i, number := range []*uint64{&request.FromRevision, &request.ToRevision} {
			if i >= len(args) {
				break
			}
			if *number, err = revision(args[i]); err != nil {
				return err
			}
		}
		if path != "" {
			if request.FileName, request.Source, err = readSource(sh.in, path); err != nil {
				return err
			}
		}
		response, err := call(ctx, sh, v1.NewTopologyServiceClient(link).DiffTopology, request)
		if err != nil {
			return err
		}
		err = sh.print(response, func(w io.Writer, look view.Look) error {
			return view.Changes(w, look, response.GetChanges())
		})
		if err == nil && detailed && len(response.GetChanges()) > 0 {
			return exit.Quiet(exit.Changes)
		}
		return err
	})
	return cmd
}
