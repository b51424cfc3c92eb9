package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"roster/cmd/internal/connect"
	"roster/cmd/internal/mermaid"
	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
)

// choice is a flag that takes one of a few words.
type choice struct {
	value string
	words []string
}

func (c *choice) String() string { return c.value }
func (c *choice) Type() string   { return "form" }
func (c *choice) Set(text string) error {
	if !slices.Contains(c.words, text) {
		return fmt.Errorf("it is one of %s", strings.Join(c.words, ", "))
	}
	c.value = text
	return nil
}

// exported is what there is to export: the file, and who serves what.
type exported struct {
	name   string
	source []byte
	nodes  []*v1.NodeStatus
}

func newTopologyExport(sh *shell) *cobra.Command {
	var paper offline
	form := choice{value: "yaml", words: []string{"yaml", "mermaid"}}
	by := choice{value: string(mermaid.Role), words: []string{string(mermaid.Role), string(mermaid.Region)}}
	cmd := &cobra.Command{
		Use:   "export [-o yaml|mermaid] [-f FILE --nodes FILE]",
		Short: "Write the topology as a file, or draw it",
		Long: `Write the topology in force as a file (yaml), or draw who serves what as
documentation of mail servers does (mermaid): nodes grouped by role, which is
their pool, or by region, with arrows to the services. Many nodes that do the same
are one box. The drawing shows what is wanted now; with --nodes it asks no cluster
and shows what the nodes of a file (or so many made up) would serve.`,
		Example: `  roster topology export -o mermaid --by region > cluster.mmd
  roster topology export -o mermaid --nodes nodes.yaml -f mail.yaml`,
		Args: arguments(0, 0),
	}
	paper.addTo(cmd, "with --nodes: the topology `file`; - reads the input")
	paper.addFromTo(cmd)
	cmd.Flags().VarP(&form, "output", "o", "`form`: yaml, mermaid")
	must(cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(form.words, cobra.ShellCompDirectiveNoFileComp)))
	cmd.Flags().Var(&by, "by", "what a drawing groups nodes by: `role` or region")
	must(cmd.RegisterFlagCompletionFunc("by", cobra.FixedCompletions(by.words, cobra.ShellCompDirectiveNoFileComp)))
	stale := cmd.Flags().Bool("stale", false, "read the answering member's own state, perhaps old")

	live := func(ctx context.Context, link *connect.Link) (*exported, error) {
		return exportLive(ctx, sh, link, *stale)
	}
	onPaper := func() (*exported, error) { return paper.export(sh) }
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case !paper.asked(cmd) && paper.file != "":
			return errors.New("-f draws a file for nodes on paper, and there is no --nodes\n  add --nodes FILE, or leave -f out to export what is in force")
		case form.value == "yaml" && cmd.Flags().Changed("by"):
			return errors.New("--by is for drawings: add -o mermaid, or leave it out")
		}
		what, err := answered(sh, cmd, &paper, live, onPaper)
		if err != nil {
			return err
		}
		text := string(what.source)
		if form.value == "mermaid" {
			text = mermaid.Draw(what.name, what.nodes, mermaid.By(by.value))
		}
		if !strings.HasSuffix(text, "\n") {
			text += "\n"
		}
		if _, err := fmt.Fprint(sh.out, text); err != nil {
			return fmt.Errorf("write the topology: %w", err)
		}
		return nil
	}
	return cmd
}

// exportLive is the topology in force and who is wanted to serve what.
func exportLive(ctx context.Context, sh *shell, link *connect.Link, stale bool) (*exported, error) {
	force, err := call(ctx, sh, v1.NewTopologyServiceClient(link).GetTopology, &v1.GetTopologyRequest{Stale: stale})
	if err != nil {
		return nil, err
	}
	s, err := statusOf(sh, link, stale)(ctx)
	if err != nil {
		return nil, err
	}
	return &exported{name: s.GetTopology().GetName(), source: force.GetRevision().GetSource(), nodes: s.GetNodes()}, nil
}

// export is the topology of a file and who would serve what.
func (o *offline) export(sh *shell) (*exported, error) {
	c, p, err := o.settled(sh)
	if err != nil {
		return nil, err
	}
	what := &exported{name: p.wanted.GetName(), source: topology.Format(p.wanted)}
	for _, n := range c.Nodes {
		line := &v1.NodeStatus{Id: n.GetId(), Region: n.GetRegion(), Zone: n.GetZone(), State: n.GetState()}
		for _, a := range n.GetAssignments() {
			if a.GetWanted() != v1.Wanted_WANTED_SERVING {
				continue
			}
			line.Services = append(line.Services, a.GetService())
			if a.GetBorrowed() {
				line.Borrowed = append(line.Borrowed, a.GetService())
			} else if !slices.Contains(line.Pools, a.GetPool()) {
				line.Pools = append(line.Pools, a.GetPool())
			}
		}
		slices.Sort(line.Services)
		slices.Sort(line.Pools)
		what.nodes = append(what.nodes, line)
	}
	return what, nil
}
