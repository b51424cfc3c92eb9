package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	"roster/cmd/internal/connect"
	"roster/cmd/internal/exit"
	"roster/cmd/internal/follow"
	"roster/cmd/internal/screen"
	"roster/cmd/internal/view"
	v1 "roster/proto/roster/v1"
)

// drainBound is how long --wait waits where no flag says otherwise: longer than
// the longest usual drain, that of smtp-outbound.
const drainBound = time.Hour

func newNodeDrain(sh *shell) *cobra.Command {
	var write nodeWrite
	var deadline time.Duration
	var reason string
	var wait bool
	cmd := &cobra.Command{
		Use:   "drain NODE",
		Short: "Empty a node: its seat is given away, its services move",
		Long: `Empty a node, for maintenance or for good. Its seat is given away: replacements
start first, then its services end their sessions and stop. No service goes below
its floor for it, whatever the deadline. The node stays drained until "roster node
undrain", which also calls a drain off that is not finished.

--wait shows what is still there and what it waits for, until the node is empty,
and exits with 3 where the deadline passes first. Ctrl-C ends the waiting, not the
drain.`,
		Example:           `  roster node drain node-3 --deadline 30m --reason "new disk" --wait && ssh node-3 poweroff`,
		Args:              arguments(1, 1),
		ValidArgsFunction: sh.completeNode,
	}
	cmd.Flags().DurationVar(&deadline, "deadline", 0, "how long it may take, a `time` as 30m, where the services' own drains are longer")
	cmd.Flags().StringVar(&reason, "reason", "", "`why`, for people")
	cmd.Flags().BoolVarP(&wait, "wait", "w", false, "wait until it is empty, at most --timeout, else --deadline, else 1h")
	write.addTo(cmd)
	validate := func() error {
		if deadline < 0 || deadline == 0 && cmd.Flags().Changed("deadline") {
			return errors.New("--deadline is no time: say it as 30m, or leave it out")
		}
		return nil
	}
	cmd.RunE = sh.checked(validate, func(ctx context.Context, link *connect.Link, args []string) error {
		request := &v1.DrainNodeRequest{
			RequestId: write.id(link), Id: args[0], ExpectedGeneration: write.expected.get(cmd), Reason: reason,
		}
		bound := drainBound
		if deadline > 0 {
			request.Deadline, bound = durationpb.New(deadline), deadline
		}
		response, err := call(ctx, sh, v1.NewNodeServiceClient(link).DrainNode, request)
		if err != nil {
			return write.outcome(err)
		}
		if err := sh.told(response, "%s drains: replacements start first, then its services end their sessions and stop.", args[0]); err != nil || !wait {
			return err
		}
		return sh.followDrain(ctx, link, args[0], bound)
	})
	return cmd
}

// followDrain draws the drain of a node until it is empty.
func (sh *shell) followDrain(ctx context.Context, link *connect.Link, id string, bound time.Duration) error {
	ctx, cancel := sh.connect.Long(ctx, bound)
	defer cancel()
	nodes, status := v1.NewNodeServiceClient(link), statusOf(sh, link, false)
	read := func(ctx context.Context) (*v1.Node, *v1.Status, error) {
		response, err := call(ctx, sh, nodes.GetNode, &v1.GetNodeRequest{Id: id})
		if err != nil {
			return nil, nil, err
		}
		s, err := status(ctx)
		return response.GetNode(), s, err
	}
	// The answer is on the output; what is on its way is told beside it.
	live := screen.New(sh.err)
	defer func() { _ = live.Close() }() // only the cursor is at stake
	var drawing error
	node, err := follow.Drained(ctx, id, read, func(s *v1.Status, left []string, trouble error) {
		frame := screen.Frame{Status: s}
		for _, sentence := range left {
			frame.Notes = append(frame.Notes, id+": "+sentence)
		}
		if trouble != nil {
			frame.Trouble = exit.Sentence(trouble)
		}
		drawing = errors.Join(drawing, live.Draw(frame))
	})
	if err := errors.Join(err, drawing); err != nil {
		return err
	}
	if err := live.Close(); err != nil {
		return err
	}
	sh.say("%s is drained: Roster has nothing on it any more.", id)
	for _, r := range node.GetReports() {
		if view.Runs(r) {
			sh.say("%s still answers there: %s", r.GetService(), leftAlone(r))
		}
	}
	return nil
}

func leftAlone(r *v1.ServiceReport) string {
	if r.GetDetail() != "" {
		return r.GetDetail()
	}
	return "it is no longer assigned, and its agent leaves it alone; `roster node get` shows it"
}

func newNodeUndrain(sh *shell) *cobra.Command {
	var write nodeWrite
	cmd := &cobra.Command{
		Use:   "undrain NODE",
		Short: "Let a drained node serve again, or call its drain off",
		Long: `Let a drained node serve again. A drain that is not finished is called off: what
still drains serves again, and the node keeps its seat; what came for it leaves
once all is well. A node that is empty already gets a seat where the topology has
one for it.`,
		Args:              arguments(1, 1),
		ValidArgsFunction: sh.completeNode,
	}
	write.addTo(cmd)
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, args []string) error {
		response, err := call(ctx, sh, v1.NewNodeServiceClient(link).UndrainNode, &v1.UndrainNodeRequest{
			RequestId: write.id(link), Id: args[0], ExpectedGeneration: write.expected.get(cmd),
		})
		if err != nil {
			return write.outcome(err)
		}
		return sh.told(response, "%s is no longer drained.", args[0])
	})
	return cmd
}
