package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"roster/cmd/internal/connect"
	"roster/cmd/internal/output"
	"roster/cmd/internal/view"
	v1 "roster/proto/roster/v1"
)

// nodeWrite is what verbs that change a node share.
type nodeWrite struct {
	writeFlags
	expected expected
}

func (n *nodeWrite) addTo(cmd *cobra.Command) {
	n.writeFlags.addTo(cmd)
	n.expected.addTo(cmd, "expected-generation", "refuse where the node's set has another `generation`")
}

// told prints the answer to a write: a sentence, or the response.
func (sh *shell) told(response proto.Message, format string, a ...any) error {
	return sh.print(response, func(w io.Writer, _ view.Look) error {
		_, err := fmt.Fprintf(w, format+"\n", a...)
		return err
	})
}

func newNodeCordon(sh *shell, cordoned bool) *cobra.Command {
	var write nodeWrite
	var reason string
	cmd := &cobra.Command{
		Use:               "cordon NODE",
		Short:             "Let a node get nothing new",
		Long:              "Let a node get nothing new. It keeps its seat and what it serves.",
		Args:              arguments(1, 1),
		ValidArgsFunction: sh.completeNode,
	}
	done := "%s is cordoned: it gets nothing new and keeps what it serves."
	if cordoned {
		cmd.Flags().StringVar(&reason, "reason", "", "`why`, for people")
	} else {
		cmd.Use, cmd.Short, cmd.Long = "uncordon NODE", "End a node's cordon", ""
		done = "%s is no longer cordoned."
	}
	write.addTo(cmd)
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, args []string) error {
		response, err := call(ctx, sh, v1.NewNodeServiceClient(link).CordonNode, &v1.CordonNodeRequest{
			RequestId: write.id(link), Id: args[0], ExpectedGeneration: write.expected.get(cmd), Cordoned: cordoned, Reason: reason,
		})
		if err != nil {
			return write.outcome(err)
		}
		return sh.told(response, done, args[0])
	})
	return cmd
}

func newNodeUpdate(sh *shell) *cobra.Command {
	var write nodeWrite
	var region, zone string
	var capacity uint32
	var labels, remove []string
	cmd := &cobra.Command{
		Use:   "update NODE",
		Short: "Set what the operator says of a node",
		Long: `Set what the operator says of a node. It wins over what the node's agent claims;
both are shown by node get. An empty --region or --zone, and --capacity 0, take
the operator's value back: then the agent's claim counts again.`,
		Example:           "  roster node update node-3 --zone a2 --label egress=yes --remove-label old",
		Args:              arguments(1, 1),
		ValidArgsFunction: sh.completeNode,
	}
	cmd.Flags().StringVar(&region, "region", "", "its `region`; empty takes it back")
	cmd.Flags().StringVar(&zone, "zone", "", "its `zone`; empty takes it back")
	cmd.Flags().Uint32Var(&capacity, "capacity", 0, "its relative `capacity`, a weight; 100 is usual, 0 takes it back")
	cmd.Flags().StringArrayVar(&labels, "label", nil, "set a label, `key=value`; repeat for more")
	cmd.Flags().StringArrayVar(&remove, "remove-label", nil, "take away a label that an operator set, by its `key`; repeat for more")
	write.addTo(cmd)
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, args []string) error {
		if !given(cmd, "region", "zone", "capacity", "label", "remove-label") {
			return errors.New("nothing to set: name --region, --zone, --capacity, --label or --remove-label")
		}
		set, err := parseLabels(labels, remove)
		if err != nil {
			return err
		}
		request := &v1.UpdateNodeRequest{
			RequestId: write.id(link), Id: args[0], ExpectedGeneration: write.expected.get(cmd),
			SetLabels: set, RemoveLabels: remove,
		}
		if cmd.Flags().Changed("region") {
			request.Region = &region
		}
		if cmd.Flags().Changed("zone") {
			request.Zone = &zone
		}
		if cmd.Flags().Changed("capacity") {
			request.Capacity = &capacity
		}
		response, err := call(ctx, sh, v1.NewNodeServiceClient(link).UpdateNode, request)
		if err != nil {
			return write.outcome(err)
		}
		done := args[0] + " is updated."
		if back := takenBack(request); len(back) > 0 {
			done += fmt.Sprintf("\nThe operator's %s taken back: the agent's claim counts again.", were(back))
		}
		return sh.told(response, "%s", done)
	})
	return cmd
}

// takenBack are the values for which an update ends what an operator had said.
func takenBack(request *v1.UpdateNodeRequest) (back []string) {
	if request.Region != nil && request.GetRegion() == "" {
		back = append(back, "region")
	}
	if request.Zone != nil && request.GetZone() == "" {
		back = append(back, "zone")
	}
	if request.Capacity != nil && request.GetCapacity() == 0 {
		back = append(back, "capacity")
	}
	return back
}

// were is words with the verb that their number asks for.
func were(words []string) string {
	if len(words) == 1 {
		return words[0] + " was"
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1] + " were"
}

// given says whether any of the flags was given.
func given(cmd *cobra.Command, names ...string) bool {
	return slices.ContainsFunc(names, cmd.Flags().Changed)
}

// parseLabels reads key=value, each key once.
func parseLabels(set, remove []string) (map[string]string, error) {
	labels := map[string]string{}
	var faults []error
	for _, text := range set {
		key, value, ok := strings.Cut(text, "=")
		switch _, twice := labels[key]; {
		case !ok || key == "":
			faults = append(faults, fmt.Errorf("label %q is not key=value", text))
		case twice:
			faults = append(faults, fmt.Errorf("label %q is set twice", key))
		}
		labels[key] = value
	}
	for _, key := range remove {
		if _, both := labels[key]; both {
			faults = append(faults, fmt.Errorf("label %q is set and removed at once", key))
		}
	}
	return labels, errors.Join(faults...)
}

func newNodeRemove(sh *shell) *cobra.Command {
	var write nodeWrite
	var force bool
	cmd := &cobra.Command{
		Use:   "remove NODE",
		Short: "Forget a node",
		Long: `Forget a node that is down and has no assignments; with --force any node. What
runs on it is never stopped. The same agent is not let in again; a new data
folder makes a new one.

--force is the one exception to the rule that no command takes a service below
its floor: a node that is forgotten counts for nothing from then on. What that
costs is said before the question and in the answer.`,
		Args:              arguments(1, 1),
		ValidArgsFunction: sh.completeNode,
	}
	cmd.Flags().BoolVar(&force, "force", false, "even if it is not down, still has assignments, or a floor needs it")
	write.addYesTo(cmd)
	write.addTo(cmd)
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, args []string) error {
		var cost []string
		if force {
			cost = sh.costOfRemoval(ctx, link, args[0])
		}
		if !write.yes {
			for _, sentence := range cost {
				sh.say("%s", sentence)
			}
		}
		if err := write.confirm(ctx, sh, fmt.Sprintf("Forget node %s for good?", args[0]), "--yes removes it without asking"); err != nil {
			return err
		}
		response, err := call(ctx, sh, v1.NewNodeServiceClient(link).RemoveNode, &v1.RemoveNodeRequest{
			RequestId: write.id(link), Id: args[0], ExpectedGeneration: write.expected.get(cmd), Force: force,
		})
		if err != nil {
			return write.outcome(err)
		}
		if sh.format != output.Table {
			for _, sentence := range cost {
				sh.say("%s", sentence)
			}
			cost = nil
		}
		return sh.told(response, "%s", strings.Join(append([]string{args[0] + " is removed. What runs on it was not touched."}, cost...), "\n"))
	})
	return cmd
}
