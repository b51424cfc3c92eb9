// Package outlook works out in the background what the cluster would survive as
// it is, and has it ready for whoever asks for status. It owns when that is
// looked at again; what a loss would leave is package whatif's to say. It must
// not know commands, callers or connections. Everything exported is safe for
// concurrent use.
package outlook

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/fsm/whatif"
)

// Config sets an Outlook up.
type Config struct {
	Machine *fsm.Machine
	// Cluster is a state as it is to be asked what if. Required.
	Cluster func(*fsm.State) *whatif.Cluster
	// Voters are the ids of the members with a vote; nil: none is known.
	Voters func() []string
	// Look is the question. nil: whatif.Cluster.Outlook.
	Look func(*whatif.Cluster) *v1.Survival
	// Quiet is how long nothing must have changed that decides the answer.
	// Default 5 s.
	Quiet  time.Duration
	Logger *slog.Logger
}

const (
	defaultQuiet = 5 * time.Second
	// idle is how many times as long as a look took nothing is looked at: the
	// members have more urgent things to do with a processor.
	idle = 9
)

// Outlook keeps the newest answer.
type Outlook struct {
	cfg    Config
	newest atomic.Pointer[answer]
	keyed  atomic.Pointer[keyed]
}

// answer is what was found for one key.
type answer struct {
	key      string
	survival *v1.Survival
}

// keyed remembers the key of a state, which is asked for again and again.
type keyed struct {
	state *fsm.State
	key   string
}

// New makes one that knows nothing yet.
func New(cfg Config) *Outlook {
	if cfg.Quiet == 0 {
		cfg.Quiet = defaultQuiet
	}
	if cfg.Look == nil {
		cfg.Look = (*whatif.Cluster).Outlook
	}
	if cfg.Voters == nil {
		cfg.Voters = func() []string { return nil }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Outlook{cfg: cfg}
}

// Of is what is known of a state; nil: it is not known yet, or there is nothing
// to know.
func (o *Outlook) Of(state *fsm.State) *v1.Survival {
	known := o.newest.Load()
	if known == nil || known.key != o.key(state) {
		return nil
	}
	return known.survival
}

// Run looks whenever something changed that decides the answer and nothing of it
// has changed for a while, until ctx ends. It goes by what is, not by what
// changed, so it misses nothing.
func (o *Outlook) Run(ctx context.Context) error {
	for {
		changed := o.cfg.Machine.Changed()
		if key := o.key(o.cfg.Machine.State()); o.newest.Load() == nil || o.newest.Load().key != key {
			if !sleep(ctx, o.cfg.Quiet) {
				return ctx.Err()
			}
			state := o.cfg.Machine.State()
			if o.key(state) != key {
				continue
			}
			took, ok := o.look(ctx, state, key)
			if !ok || !sleep(ctx, idle*took) {
				return ctx.Err()
			}
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
		// Thousands of changes a second that decide nothing must not cost as many
		// comparisons.
		if !sleep(ctx, o.cfg.Quiet) {
			return ctx.Err()
		}
	}
}

// look works the answer out and publishes it. One that nobody waits for any more
// is finished beside, and forgotten.
func (o *Outlook) look(ctx context.Context, state *fsm.State, key string) (took time.Duration, ok bool) {
	began := time.Now()
	found := make(chan *v1.Survival, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				// It is only shown: nothing depends on it.
				o.cfg.Logger.Error("what would be survived cannot be worked out", "panic", p)
				found <- nil
			}
		}()
		if state.Effective() == nil {
			found <- nil
			return
		}
		cluster := o.cfg.Cluster(state)
		cluster.Members = o.members(state)
		found <- o.cfg.Look(cluster)
	}()
	select {
	case <-ctx.Done():
		return 0, false
	case survival := <-found:
		o.newest.Store(&answer{key, survival})
		return time.Since(began), true
	}
}

// members are those of a state, with their votes.
func (o *Outlook) members(state *fsm.State) []*v1.Member {
	voters := o.cfg.Voters()
	members := make([]*v1.Member, 0, len(state.Members()))
	for _, m := range state.Members() {
		shown := proto.CloneOf(m)
		shown.Voter, shown.State = slices.Contains(voters, m.GetId()), v1.MemberState_MEMBER_STATE_UP
		members = append(members, shown)
	}
	return members
}

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
