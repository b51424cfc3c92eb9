package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// newRoot is the command tree.
func newRoot(sh *shell) *cobra.Command {
	root := group("roster", "The control plane of a mail cluster",
		`Roster decides which node serves which mail protocol, keeps that decision in a
Raft group, and makes it true again when nodes fail, when load grows and when
the operator changes their mind.`,
		newVersion(sh),
	)
	root.SilenceErrors = true
	root.SilenceUsage = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w\n  `%s --help` lists the flags", err, cmd.CommandPath())
	})
	return root
}

// group is a command that only has others below it.
func group(use, short, long string, below ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Long:  long,
		Args:  knownVerb,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(below...)
	return cmd
}

// knownVerb refuses a verb that does not exist and names those that are near.
// Without it cobra shows the help of a group and calls that success.
func knownVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("unknown command %q for `%s`", args[0], cmd.CommandPath())
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += "\n  did you mean: " + strings.Join(near, ", ") + "?"
	}
	return fmt.Errorf("%s\n  `%s --help` lists the commands", text, cmd.CommandPath())
}
