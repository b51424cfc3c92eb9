package follow

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"roster/cmd/internal/exit"
	"roster/cmd/internal/view"
	v1 "roster/proto/roster/v1"
)

// ErrUndrained means that somebody called the drain off.
var ErrUndrained = errors.New("the drain was called off")

// ErrLeft means that nobody waits any more, while the drain goes on.
var ErrLeft = errors.New("nobody waits for the drain any more")

// lingering is how often a service that is no longer assigned may still be seen
// serving until it is taken for one that Roster leaves alone.
const lingering = 20

// ReadNode reads a node and the status around it once.
type ReadNode func(ctx context.Context) (*v1.Node, *v1.Status, error)

// SeeNode is shown what is left each time, or why it could not be read.
type SeeNode func(s *v1.Status, left []string, trouble error)

// Drained waits until nothing that Roster put there is left on a node that is
// drained, and returns the node then. Where the context ends first, the drain
// goes on: a deadline gives an error with exit.Deadline and what is left, a
// context that was cancelled one that is ErrLeft.
func Drained(ctx context.Context, id string, read ReadNode, see SeeNode) (*v1.Node, error) {
	var left []string
	var shown *v1.Status
	for lingered := 0; ; {
		node, s, err := read(ctx)
		switch {
		case err == nil:
			left, shown = view.Left(node, s), s
			see(s, left, nil)
			if node.GetSettings().GetDrain() == nil {
				return node, fmt.Errorf("%s serves again: %w", id, ErrUndrained)
			}
			if gone(node) || noLonger(node) && lingered >= lingering {
				return node, nil
			}
			if noLonger(node) {
				lingered++
			} else {
				lingered = 0
			}
		case ctx.Err() != nil:
		case passing(err):
			see(shown, left, err)
		default:
			return nil, fmt.Errorf("read %s: %w", id, err)
		}
		select {
		case <-ctx.Done():
			return nil, undrained(ctx.Err(), id, left)
		case <-time.After(Interval):
		}
	}
}

// noLonger says whether nothing is assigned to a node and its agent knows.
func noLonger(node *v1.Node) bool {
	if len(node.GetAssignments()) > 0 {
		return false
	}
	return node.GetState() == v1.NodeState_NODE_STATE_DOWN || node.GetReportedGeneration() >= node.GetGeneration()
}

// gone says whether nothing runs there any more, as far as can be known.
func gone(node *v1.Node) bool {
	if !noLonger(node) {
		return false
	}
	if node.GetState() == v1.NodeState_NODE_STATE_DOWN {
		return true
	}
	for _, r := range node.GetReports() {
		if view.Runs(r) {
			return false
		}
	}
	return true
}

func undrained(cause error, id string, left []string) error {
	still := ""
	if len(left) > 0 {
		still = "\n  " + strings.Join(left, "\n  ")
	}
	calledOff := fmt.Sprintf("\n  the drain goes on: `roster node drain %s --wait` waits for it again, `roster node undrain %[1]s` calls it off", id)
	if errors.Is(cause, context.DeadlineExceeded) {
		return exit.With(exit.Deadline, fmt.Errorf("the deadline passed and %s is not empty%s%s", id, still, calledOff))
	}
	return fmt.Errorf("%w%s%s", ErrLeft, still, calledOff)
}
