// Package rebalance owns the leader's loop: observe, place, roll out, propose.
// It decides nothing itself: placement says who should serve what, rollout says
// which steps are safe now, and the state machine refuses what is no longer
// true. It keeps nothing between passes, so a new leader goes on where the old
// one stopped. It runs in one goroutine while its member leads.
package rebalance

import (
	"context"
	"log/slog"
	"time"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/fsm/placement"
	"roster/fsm/rollout"
	"roster/server/session"
)

// Proposer writes a command of the loop.
type Proposer interface {
	Propose(ctx context.Context, caller, requestID string, command *storev1.Command) (*storev1.Result, error)
}

// Config sets a Loop up.
type Config struct {
	Machine  *fsm.Machine
	Proposer Proposer
	// Caller is the member's identity.
	Caller string
	// Tick is the longest time between two passes. Default 500 ms.
	Tick time.Duration
	// DownAfter, if not 0, wins over the topology's policy (roster dev).
	DownAfter time.Duration
	Logger    *slog.Logger
}

// quiet and patience bound how long the first placement waits for nodes: until
// none has registered for quiet, patience at most.
const (
	quiet           = 5 * time.Second
	patience        = 30 * time.Second
	defaultDown     = 10 * time.Second
	proposalTimeout = 10 * time.Second
)

// Loop is the leader's loop.
type Loop struct{ cfg Config }

// New makes a loop that does nothing yet.
func New(cfg Config) *Loop {
	if cfg.Tick == 0 {
		cfg.Tick = 500 * time.Millisecond
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Loop{cfg: cfg}
}

// Run works until ctx ends, which is when the lead is lost.
func (l *Loop) Run(ctx context.Context, view *session.Liveness) error {
	tick := time.NewTicker(l.cfg.Tick)
	defer tick.Stop()
	for {
		changed := l.cfg.Machine.Changed()
		acted := l.states(ctx, view)
		acted = l.pass(ctx, view) || acted
		if acted {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-tick.C:
		}
	}
}

// states proposes the transitions of liveness, all in one command.
func (l *Loop) states(ctx context.Context, view *session.Liveness) bool {
	state := l.cfg.Machine.State()
	changes := view.Transitions(state.Nodes(), l.downAfter(state), time.Now())
	if len(changes) == 0 {
		return false
	}
	for _, c := range changes {
		l.cfg.Logger.Info("node changes state", "node", c.GetId(), "state", c.GetState().String(), "reason", c.GetReason())
	}
	return l.propose(ctx, &storev1.Command{Command: &storev1.Command_SetNodeStates{
		SetNodeStates: &storev1.SetNodeStates{Changes: changes},
	}})
}

func (l *Loop) downAfter(state *fsm.State) time.Duration {
	if l.cfg.DownAfter != 0 {
		return l.cfg.DownAfter
	}
	if d := state.Effective().GetPolicy().GetDownAfter(); d != nil {
		return d.AsDuration()
	}
	return defaultDown
}

// pass proposes the next wave, if there is one.
func (l *Loop) pass(ctx context.Context, view *session.Liveness) bool {
	state := l.cfg.Machine.State()
	effective := state.Effective()
	if effective == nil {
		return false
	}
	now := time.Now()
	target, err := placement.Place(fsm.Placement(state, effective))
	if err != nil {
		l.cfg.Logger.Error("nothing can be placed", "rev", state.Topology().GetRevision(), "error", err)
		return false
	}
	if tooEarly(state, target, now) {
		return false
	}
	step := rollout.Next(fsm.Rollout(state, effective, target, now, func(node string) bool {
		return view.HeardRecently(node, now)
	}))
	if len(step.Moves) == 0 {
		return false
	}
	for _, m := range step.Moves {
		l.cfg.Logger.Info("move", "action", m.GetAction().String(), "service", m.GetService(), "node", m.GetNode(), "pool", m.GetPool(), "reason", m.GetReason())
	}
	return l.propose(ctx, &storev1.Command{Command: &storev1.Command_MoveAssignments{MoveAssignments: wave(state, step.Moves)}})
}

// tooEarly holds the first placement back while nodes still register, unless
// every size is filled already.
func tooEarly(state *fsm.State, target *placement.Target, now time.Time) bool {
	if len(target.Shortages) == 0 {
		return false
	}
	var first, last time.Time
	for _, n := range state.Nodes() {
		if len(n.GetAssignments()) > 0 {
			return false
		}
		at := n.GetRegisteredAt().AsTime()
		if first.IsZero() || at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
	}
	return now.Sub(last) < quiet && now.Sub(first) < patience
}

// wave names what the moves rely on: the nodes they touch, and every node that
// counts for the floor of a service that they lower.
func wave(state *fsm.State, moves []*v1.Move) *storev1.MoveAssignments {
	command := &storev1.MoveAssignments{TopologyRevision: state.Topology().GetRevision()}
	at := map[string]int{}
	lowered := map[string]bool{}
	for _, m := range moves {
		i, ok := at[m.GetNode()]
		if !ok {
			i = len(command.Nodes)
			at[m.GetNode()] = i
			command.Nodes = append(command.Nodes, &storev1.NodeMoves{Basis: basis(state.Node(m.GetNode()))})
		}
		command.Nodes[i].Moves = append(command.Nodes[i].Moves, m)
		if m.GetAction() == v1.Action_ACTION_DRAIN || m.GetAction() == v1.Action_ACTION_STOP {
			lowered[m.GetService()] = true
		}
	}
	for _, n := range state.Nodes() {
		if _, moved := at[n.GetId()]; moved {
			continue
		}
		for service := range lowered {
			if rollout.Ready(n, service) {
				command.Counted = append(command.Counted, basis(n))
				break
			}
		}
	}
	return command
}

func basis(n *v1.Node) *storev1.NodeBasis {
	return &storev1.NodeBasis{Node: n.GetId(), Generation: n.GetGeneration(), State: n.GetState()}
}

// propose writes a command, and says whether it changed anything.
func (l *Loop) propose(ctx context.Context, command *storev1.Command) bool {
	limited, cancel := context.WithTimeout(ctx, proposalTimeout)
	defer cancel()
	result, err := l.cfg.Proposer.Propose(limited, l.cfg.Caller, "", command)
	if err != nil {
		if ctx.Err() == nil {
			l.cfg.Logger.Warn("proposal not written", "error", err)
		}
		return false
	}
	if refusal := result.GetRefusal(); refusal != nil {
		l.cfg.Logger.Warn("proposal refused", "reason", refusal.GetMessage())
		return false
	}
	for _, part := range result.GetParts() {
		l.cfg.Logger.Warn("part of a wave refused", "node", part.GetNode(), "service", part.GetService(), "reason", part.GetMessage())
	}
	return result.GetChanged()
}
