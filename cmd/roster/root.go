package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"roster/cmd/internal/output"
)

// newRoot is the command tree.
func newRoot(sh *shell) *cobra.Command {
	root := group("roster", "The control plane of a mail cluster",
		`Roster decides which node serves which mail protocol, keeps that decision in a
Raft group, and makes it true again when nodes fail, when load grows and when
the operator changes their mind.

Exit codes: 0 done · 1 error or wrong usage · 2 with --detailed-exitcode: there
is something to change, or a promise is not kept; ok-to-stop: no · 3 the deadline
passed · 4 the members have no leader.`,
		newStatus(sh), newTopology(sh), newNode(sh), newAssignment(sh), newEndpoint(sh), newEvent(sh), newMember(sh),
		newRollout(sh), newSimulate(sh), newSurvive(sh), newExplain(sh),
		newPlan(sh), newFreeze(sh), newUnfreeze(sh), newFreezes(sh), newHold(sh),
		newDev(sh), newServer(sh),
		newAgent(sh), newInit(sh), newJoin(sh), newCerts(sh), newVersion(sh),
	)
	root.SilenceErrors = true
	root.SilenceUsage = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w\n  `%s --help` lists the flags", err, cmd.CommandPath())
	})
	root.SetIn(sh.in)
	root.SetOut(sh.out)
	root.SetErr(sh.err)

	flags := root.PersistentFlags()
	sh.connect.AddTo(flags)
	flags.VarP(&sh.format, "output", "o", "`form` of the answer: table, json, yaml")
	must(root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(output.Formats(), cobra.ShellCompDirectiveNoFileComp)))
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		return sh.connect.FromEnvironment(flags)
	}
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

		SuggestionsMinimumDistance: 2,
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

// arguments wants this many arguments and says which where they are not there.
func arguments(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && len(args) <= most {
			return nil
		}
		what := "it takes no arguments"
		switch {
		case len(args) < least:
			what = fmt.Sprintf("it needs %d, there are %d", least, len(args))
		case most > 0:
			what = fmt.Sprintf("it takes at most %d, there are %d", most, len(args))
		}
		return fmt.Errorf("wrong number of arguments: %s\n  usage: %s", what, cmd.UseLine())
	}
}

// exclude refuses flags that exclude each other.
func exclude(cmd *cobra.Command, names ...string) {
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if before != nil {
			if err := before(cmd, args); err != nil {
				return err
			}
		}
		var given []string
		for _, name := range names {
			if cmd.Flags().Changed(name) {
				given = append(given, "--"+name)
			}
		}
		if len(given) > 1 {
			return fmt.Errorf("%s exclude each other: leave one out", strings.Join(given, " and "))
		}
		return nil
	}
}

// must stops the program where its own command tree is wrong.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
