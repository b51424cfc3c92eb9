package main

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"roster/cmd/internal/exit"
	"roster/cmd/internal/fakemember"
	"roster/cmd/internal/output"
)

// verbs are all commands that do something, as their words.
func verbs(cmd *cobra.Command) (all [][]string) {
	for _, below := range cmd.Commands() {
		all = append(all, verbs(below)...)
	}
	// A group alone shows its help.
	if cmd.HasParent() && cmd.Runnable() && !cmd.HasSubCommands() && cmd.Name() != "help" {
		all = append(all, strings.Fields(cmd.CommandPath())[1:])
	}
	return all
}

func TestEveryVerbRefusesWrongUsageBeforeAnybodyIsAsked(t *testing.T) {
	member := fakemember.Start(t)
	member.Healthy()
	run := func(args ...string) error {
		var out bytes.Buffer
		sh := &shell{in: strings.NewReader(""), out: &out, err: io.Discard, format: output.Table}
		root := newRoot(sh)
		root.SetArgs(append(slices.Clone(args), "--member", member.Address))
		err := root.ExecuteContext(t.Context())
		if err != nil && out.Len() > 0 {
			t.Errorf("roster %s fails and prints %q", strings.Join(args, " "), out.String())
		}
		return err
	}
	all := verbs(newRoot(newShell()))
	if len(all) < 40 {
		t.Fatalf("only %d verbs were found", len(all))
	}
	for _, verb := range all {
		for name, args := range map[string][]string{
			"a flag that there is not":   append(slices.Clone(verb), "--no-such-flag"),
			"a form that there is not":   append(slices.Clone(verb), "--output", "xml"),
			"a time that is none":        append(slices.Clone(verb), "--timeout", "soon"),
			"more arguments than it can": append(slices.Clone(verb), slices.Repeat([]string{"x"}, 1001)...),
		} {
			if verb[0] == "completion" && strings.HasPrefix(name, "more") {
				continue // the library's own
			}
			err := run(args...)
			if exit.Code(err) != exit.Failed || exit.Sentence(err) == "" {
				t.Errorf("roster %s with %s: exit code %d, %q", strings.Join(verb, " "), name, exit.Code(err), exit.Sentence(err))
			}
		}
	}
	if calls := member.AllCalls(); len(calls) > 0 {
		t.Errorf("a member was asked: %v", calls)
	}
}
