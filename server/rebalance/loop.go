// Package rebalance owns the leader's loop: observe, place, roll out, propose.
// It decides nothing itself: placement says who should serve what, rollout says
// which steps are safe now and permitted, the guard says when to doubt oneself,
// and the state machine refuses what is no longer true. It keeps nothing between
// passes but what saves work, so a new leader goes on where the old one stopped.
// It runs in one goroutine while its member leads.
package rebalance

import (
	"context"
	"log/slog"
	"strings"
	"time"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/fsm/placement"
	"roster/server/session"
)

// Proposer writes a command of the loop, on this member alone: a command that
// the member decided as the leader must not be written by the leader after it.
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
	// Quiet is how long no node must have registered before the first placement
	// is made without those that may still come. Default 5 s.
	Quiet time.Duration
	// Now is the time that a command gets: what records say is compared with it.
	// Who is heard goes by this process's own clock. Nil: time.Now.
	Now func() time.Time
	// Timings win over the topology's policy (roster dev).
	Timings Timings
	Logger  *slog.Logger
}

const (
	defaultDown     = 10 * time.Second
	proposalTimeout = 10 * time.Second
	// overslept is how late a pass must come, in ticks, before the loop takes
	// itself for having stood still.
	overslept = 4
)

// Loop is the leader's loop.
type Loop struct {
	cfg Config

	// The state that the last pass began with, or one that differs in nothing
	// that a pass looks at.
	seen *fsm.State
	// The placement made last: of which state, or one that differs in nothing that
	// it looks at, and of what time had decided by then.
	placed   *fsm.State
	restless []*v1.Node
	verdict  uint64
	target   *placement.Target
	// The last step of that placement had nothing to do.
	done bool
	// What could not be placed, so that it is logged once.
	unplaced string
	// Moves that are not made, so that each is logged once.
	held map[heldMove]bool
	// The state of which it was said last that it has settled.
	settled *fsm.State
	force   inForce
	// Since when waves wait for nodes that come back, and when that was seen last.
	returns, returnsSeen time.Time

	states, waves, freezes, settles, canaries brake
}

// New makes a loop that does nothing yet.
func New(cfg Config) *Loop {
	if cfg.Tick == 0 {
		cfg.Tick = 500 * time.Millisecond
	}
	if cfg.Quiet == 0 {
		cfg.Quiet = quiet
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
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
	last := time.Now()
	for ctx.Err() == nil {
		changed := l.cfg.Machine.Changed()
		l.seen = l.cfg.Machine.State()
		began := time.Now()
		if late := began.Sub(last); late > overslept*l.cfg.Tick {
			l.cfg.Logger.Warn("this member stood still; nobody is blamed for the silence", "for", late)
			view.Overslept(late, began)
		}
		last = began
		l.mark(ctx, view)
		l.expire(ctx)
		l.pass(ctx, view)
		// A busy cluster changes all the time: leave the processor to others for
		// as long as the pass took.
		if !sleep(ctx, min(time.Since(began), l.cfg.Tick)) {
			break
		}
		l.wait(ctx, changed, tick.C)
	}
	return ctx.Err()
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
		l.cfg.Logger.Warn("part of a proposal refused", "node", part.GetNode(), "service", part.GetService(), "reason", part.GetMessage())
	}
	return result.GetChanged()
}

// sleep says whether ctx goes on after a time.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// actionWord is an action for people: stop, not ACTION_STOP.
func actionWord(a v1.Action) string {
	return strings.ToLower(strings.TrimPrefix(a.String(), "ACTION_"))
}
