package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"roster/cmd/internal/output"
	"roster/fsm/topology"
)

func newTopologyPreset(sh *shell) *cobra.Command {
	var nodes string
	cmd := &cobra.Command{
		Use:   "preset MODEL --nodes N|FILE",
		Short: "Write a topology of one of the five models, for your nodes",
		Long: `Write a topology of one of the five models, sized for so many nodes or for the
nodes of a file: unified, service-specific, weighted, paired, geographic. It goes
to the output; no cluster is asked. Each pool gets a node at least; where there
are too few, it says how many are needed.

A number stands for nodes that can run everything, over three regions a, b and c
as those of "roster dev". With a file the pools fit what its nodes can run, and
the geographic model has a mix for each of its regions.`,
		Example: `  roster topology preset weighted --nodes 10 > mail.yaml
  roster topology preset geographic --nodes nodes.yaml`,
		Args:      arguments(1, 1),
		ValidArgs: topology.Models(),
		ValidArgsFunction: func(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			fit := slices.DeleteFunc(topology.Models(), func(m string) bool { return !strings.HasPrefix(m, typed) })
			return fit, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
		},
	}
	cmd.Flags().StringVar(&nodes, "nodes", "", "how many nodes, or the `file` that lists them")
	must(cmd.MarkFlagFilename("nodes", "yaml", "yml"))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o := offline{nodes: nodes}
		switch {
		case !cmd.Flags().Changed("nodes"):
			return errors.New("the nodes are missing: say how many, as --nodes 10, or name a file that lists them")
		default:
			if err := o.validate(cmd); err != nil {
				return err
			}
		}
		if !slices.Contains(topology.Models(), args[0]) {
			_, err := topology.Preset(args[0], nil)
			return err
		}
		on, madeUp, err := readNodes(sh.in, nodes)
		if err != nil {
			return err
		}
		source, err := topology.PresetSource(args[0], on, madeUp)
		if err != nil {
			return err
		}
		if sh.format == output.JSON {
			top, err := topology.Preset(args[0], on)
			if err != nil {
				return err
			}
			return output.Print(sh.out, output.JSON, top, nil)
		}
		if _, err := sh.out.Write(source); err != nil {
			return fmt.Errorf("write the topology: %w", err)
		}
		return nil
	}
	return cmd
}
