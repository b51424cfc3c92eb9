// Package clidoc owns the reference of the command line as a page: it reads a
// command tree and writes Markdown. It knows no verb. Pure; the same tree gives
// the same bytes.
package clidoc

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Markdown is the reference of a command tree, one section per command that does
// something, in the tree's order of names.
func Markdown(root *cobra.Command) []byte {
	// What cobra adds when it runs belongs to the reference as well.
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()

	var out strings.Builder
	fmt.Fprintf(&out, "# Command line\n\n")
	fmt.Fprintf(&out, "This page is made from the program itself; `go test ./cmd/roster -run CLIReference -update` makes it anew.\n\n")
	prose(&out, root.Long)
	out.WriteString("| command | what it does |\n|---|---|\n")
	walk(root, func(cmd *cobra.Command) {
		fmt.Fprintf(&out, "| [`%s`](#%s) | %s |\n", cmd.CommandPath(), anchor(cmd.CommandPath()), cmd.Short)
	})
	out.WriteString("\n## Flags of every command\n\n")
	flags(&out, root.PersistentFlags())
	walk(root, func(cmd *cobra.Command) { section(&out, cmd) })
	return []byte(strings.TrimRight(out.String(), "\n") + "\n")
}

// walk visits every command below that does something of its own.
func walk(cmd *cobra.Command, visit func(*cobra.Command)) {
	for _, below := range cmd.Commands() {
		if below.Hidden || below.Name() == "help" {
			continue
		}
		if !below.HasSubCommands() || below.HasLocalFlags() {
			visit(below)
		}
		walk(below, visit)
	}
}

func section(out *strings.Builder, cmd *cobra.Command) {
	fmt.Fprintf(out, "\n## %s\n\n", cmd.CommandPath())
	long := cmd.Long
	if long == "" {
		long = cmd.Short + "."
	}
	prose(out, long)
	fmt.Fprintf(out, "    %s\n\n", strings.TrimSuffix(cmd.UseLine(), " [flags]"))
	if cmd.Example != "" {
		out.WriteString("For example:\n\n")
		for _, line := range strings.Split(strings.Trim(cmd.Example, "\n"), "\n") {
			out.WriteString("    " + strings.TrimPrefix(line, "  ") + "\n")
		}
		out.WriteByte('\n')
	}
	flags(out, cmd.LocalNonPersistentFlags())
}

// prose writes a command's text; lines that are indented stay as they are.
func prose(out *strings.Builder, text string) {
	out.WriteString(strings.TrimSpace(text) + "\n\n")
}

func flags(out *strings.Builder, set *pflag.FlagSet) {
	var rows []string
	set.VisitAll(func(flag *pflag.Flag) {
		if flag.Hidden || flag.Name == "help" {
			return
		}
		rows = append(rows, row(flag))
	})
	if len(rows) == 0 {
		return
	}
	out.WriteString("| flag | meaning |\n|---|---|\n" + strings.Join(rows, ""))
}

func row(flag *pflag.Flag) string {
	value, usage := pflag.UnquoteUsage(flag)
	name := "--" + flag.Name
	if flag.Shorthand != "" {
		name = "-" + flag.Shorthand + ", " + name
	}
	if value != "" {
		name += " " + strings.ToUpper(value)
	}
	if shown(flag.DefValue) && !strings.Contains(usage, "default") {
		usage += " (default " + flag.DefValue + ")"
	}
	return fmt.Sprintf("| `%s` | %s |\n", name, strings.ReplaceAll(usage, "|", "\\|"))
}

// shown says whether a default is worth telling.
func shown(value string) bool {
	switch value {
	case "", "0", "0s", "false", "[]":
		return false
	default:
		return true
	}
}

var unwanted = regexp.MustCompile(`[^a-z0-9 -]`)

// anchor is how Markdown readers name a heading.
func anchor(heading string) string {
	return strings.ReplaceAll(unwanted.ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}
