// Package session owns the agents' streams on one member: the handshake, the
// newest set to each agent, what each agent last said, and the relay of who is
// heard to the leader. It does not decide what a node should serve, and it
// writes to the state only through a Proposer. A session dies whole: any error
// ends it, and its agent starts another.
//
// Everything exported is safe for concurrent use; no lock is held across Send.
package session

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
)

// Proposer hands a command to the leader, wherever it is.
type Proposer interface {
	Propose(ctx context.Context, caller, requestID string, command *storev1.Command) (*storev1.Result, error)
}

// Config sets a Hub up.
type Config struct {
	Machine  *fsm.Machine
	Proposer Proposer
	// HasLeader says whether the member knows a leader now.
	HasLeader func() bool
	// Fresh returns when Machine has everything that the cluster knew when it was
	// called; an error: that cannot be told now.
	Fresh func(ctx context.Context) error
	// Heartbeat is how often agents report. Default 2 s.
	Heartbeat time.Duration
	// WriteTimeout ends a session whose agent does not read. Default 10 s.
	WriteTimeout time.Duration
	// Handshakes is how many sessions may begin a second, HandshakeBurst how many
	// at once. Default 500 and 250; Handshakes under 0: no bound.
	Handshakes     int
	HandshakeBurst int
	Logger         *slog.Logger
}

// Validate reports every fault at once.
func (c Config) Validate() error {
	var faults []error
	if c.Machine == nil {
		faults = append(faults, errors.New("session: Machine is missing"))
	}
	if c.Proposer == nil {
		faults = append(faults, errors.New("session: Proposer is missing"))
	}
	if c.HasLeader == nil {
		faults = append(faults, errors.New("session: HasLeader is missing"))
	}
	if c.Fresh == nil {
		faults = append(faults, errors.New("session: Fresh is missing"))
	}
	if c.Heartbeat < 0 || c.WriteTimeout < 0 {
		faults = append(faults, errors.New("session: Heartbeat and WriteTimeout must not be negative"))
	}
	if c.HandshakeBurst < 0 {
		faults = append(faults, errors.New("session: HandshakeBurst must not be negative"))
	}
	return errors.Join(faults...)
}

// Hub holds the sessions of one member.
type Hub struct {
	v1.UnimplementedAgentServiceServer
	cfg       Config
	admission *admission
	turned    turned

	mu       sync.Mutex
	sessions map[string]*live // by node
}

// live is one agent's session, as the hub has it.
type live struct {
	end context.CancelCauseFunc

	// Below: the hub's mutex.
	instance string
	heard    time.Time
}

// Seen is an agent that this member hears.
type Seen struct {
	Node     string
	Instance string
	// Heard is when its last message came.
	Heard time.Time
}

// New makes a Hub without sessions.
func New(cfg Config) (*Hub, error) {
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = DefaultHeartbeat
	}
	if cfg.WriteTimeout == 0 {
		cfg.WriteTimeout = 10 * time.Second
	}
	if cfg.Handshakes == 0 {
		cfg.Handshakes = DefaultHandshakes
	}
	if cfg.HandshakeBurst == 0 {
		cfg.HandshakeBurst = DefaultHandshakeBurst
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Hub{cfg: cfg, admission: newAdmission(cfg.Handshakes, cfg.HandshakeBurst), sessions: map[string]*live{}}, nil
}

// DefaultHeartbeat is how often agents report where nothing else is set.
const DefaultHeartbeat = 2 * time.Second

// Heartbeat is how often agents report.
func (h *Hub) Heartbeat() time.Duration { return h.cfg.Heartbeat }

// Sessions lists the agents that this member hears now.
func (h *Hub) Sessions() []Seen {
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := make([]Seen, 0, len(h.sessions))
	for node, l := range h.sessions {
		seen = append(seen, Seen{Node: node, Instance: l.instance, Heard: l.heard})
	}
	return seen
}

// open enters a session of a node's agent, which was let in; the one before it
// ends. Another instance was let in only because the first one is over.
func (h *Hub) open(node, instance string, l *live) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l.instance, l.heard = instance, time.Now()
	switch old := h.sessions[node]; {
	case old == nil:
	case old.instance == instance:
		old.end(errReplaced)
	default:
		old.end(taken(node, instance))
	}
	h.sessions[node] = l
}

func (h *Hub) close(node string, l *live) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sessions[node] == l {
		delete(h.sessions, node)
	}
}

func (h *Hub) touch(l *live) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l.heard = time.Now()
}

// heard is when a session's agent said something last.
func (h *Hub) heard(l *live) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return l.heard
}

// applied waits until this member's own state has applied an entry.
func (h *Hub) applied(ctx context.Context, index uint64) error {
	for {
		changed := h.cfg.Machine.Changed()
		if h.cfg.Machine.State().Index() >= index {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
