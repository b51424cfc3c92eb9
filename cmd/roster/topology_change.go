package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"roster/client"
	"roster/cmd/internal/connect"
	"roster/cmd/internal/exit"
	"roster/cmd/internal/follow"
	"roster/cmd/internal/screen"
	"roster/cmd/internal/view"
	"roster/fsm"
	v1 "roster/proto/roster/v1"
)

// waitBound is how long --wait waits where --timeout does not say.
const waitBound = 10 * time.Minute

// topologyChange is what apply and rollback share: plan, show, ask, change,
// wait.
type topologyChange struct {
	writeFlags
	sh             *shell
	basis          string
	allowStop      bool
	acceptShortage bool
	acceptGap      bool
	wide           bool
	wait           bool
	expected       expected

	// plan is the plan to show.
	plan *v1.PlanTopologyRequest
	// apply makes the change and returns the revision that is then in force.
	apply func(ctx context.Context, basis string) (uint64, error)
}

func (c *topologyChange) addTo(cmd *cobra.Command) {
	c.writeFlags.addTo(cmd)
	c.addYesTo(cmd)
	cmd.Flags().StringVar(&c.basis, "plan", "", "do not ask: apply the plan with this `basis`, refused where anything it relied on changed")
	cmd.Flags().BoolVar(&c.allowStop, "allow-stop", false, "let it remove a service or stop more than 20 % of the assignments")
	cmd.Flags().BoolVar(&c.acceptShortage, "accept-shortage", false, "accept what today's nodes cannot fill")
	cmd.Flags().BoolVar(&c.acceptGap, "accept-gap", false, "accept that floors are broken on the way, where the plan says that they cannot be kept")
	cmd.Flags().BoolVar(&c.wide, "wide", false, "tell the steps, the deadline and the way back of every move")
	cmd.Flags().BoolVarP(&c.wait, "wait", "w", false, "wait until the cluster has settled on it, at most --timeout (default 10m)")
	c.expected.addTo(cmd, "expected-revision", "refuse where the `revision` in force is another; 0: none")
	exclude(cmd, "yes", "plan")
}

// run shows the plan and asks, unless there is no need to, then changes and
// waits.
func (c *topologyChange) run(ctx context.Context, link *connect.Link) error {
	revision, err := c.change(ctx, link)
	if err != nil {
		return err
	}
	if !c.wait {
		return nil
	}
	return c.sh.follow(ctx, link, revision)
}

func (c *topologyChange) change(ctx context.Context, link *connect.Link) (uint64, error) {
	if c.basis != "" {
		revision, err := c.apply(ctx, c.basis)
		return revision, c.outcome(err)
	}
	for {
		planned, err := call(ctx, c.sh, v1.NewTopologyServiceClient(link).PlanTopology, c.plan)
		if err != nil {
			return 0, err
		}
		show := view.Plan
		if c.wide {
			show = view.WidePlan
		}
		if err := show(c.sh.people(), lookOf(c.sh.people()), planned); err != nil {
			return 0, err
		}
		if c.yes {
			revision, err := c.apply(ctx, "")
			return revision, c.outcome(err)
		}
		if unkept := planned.GetPlan().GetUnkept(); len(unkept) > 0 {
			return 0, fmt.Errorf("nothing was changed: it would not keep what it promises: %s", strings.Join(unkept, "\n  "))
		}
		if err := c.refuseNeeds(planned.GetPlan().GetNeeds()); err != nil {
			return 0, err
		}
		if err := c.confirm(ctx, c.sh, "Apply this?", noTerminal(planned.GetPlan().GetBasis())); err != nil {
			return 0, err
		}
		// The basis is part of the request: one that is repeated has the same.
		c.again = " --plan " + planned.GetPlan().GetBasis()
		revision, err := c.apply(ctx, planned.GetPlan().GetBasis())
		if status.Code(err) != codes.Aborted || client.Reason(err) == "STALE_REVISION" {
			return revision, c.outcome(err)
		}
		// What the plan relied on changed while it was being read. The refused
		// request keeps its id, a new plan is a new request.
		c.sh.say("%s\nThis is the plan now:\n", exit.Sentence(err))
		c.requestID = ""
	}
}

// refuseNeeds ends before the question where the answer would be a refusal.
func (c *topologyChange) refuseNeeds(needs []string) error {
	var flags, why []string
	for _, need := range needs {
		if need == fsm.NeedAllowStop && c.allowStop || need == fsm.NeedAcceptShortage && c.acceptShortage || need == view.NeedAcceptGap && c.acceptGap {
			continue
		}
		flags, why = append(flags, view.NeedFlag(need)), append(why, view.NeedWhy(need))
	}
	if len(flags) == 0 {
		return nil
	}
	return fmt.Errorf("nothing was changed: %s\n  if that is meant, run it again with %s", strings.Join(why, "; "), strings.Join(flags, " "))
}

// noTerminal says how to go on where nobody can be asked.
func noTerminal(basis string) string {
	return fmt.Sprintf("--yes applies it to the cluster as it is then; --plan %s applies exactly this plan or nothing", basis)
}

// done tells what was done, once.
func (c *topologyChange) done(response proto.Message, sentence string) error {
	return c.sh.print(response, func(w io.Writer, _ view.Look) error {
		_, err := fmt.Fprintln(w, sentence)
		return err
	})
}

// follow draws the cluster until it has settled.
func (sh *shell) follow(ctx context.Context, link *connect.Link, revision uint64) error {
	ctx, cancel := sh.connect.Long(ctx, waitBound)
	defer cancel()
	// Answers are on the output; what is on its way is told beside it.
	live := screen.New(sh.err)
	defer func() { _ = live.Close() }() // only the cursor is at stake
	var drawing error
	settled, err := follow.Settled(ctx, revision, statusOf(sh, link, false), func(s *v1.Status, trouble error) {
		frame := screen.Frame{Status: s}
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
	sh.say("Settled on revision %d.", settled.GetTopology().GetRevision())
	return nil
}
