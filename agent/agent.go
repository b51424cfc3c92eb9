// Package agent is the part of Roster that runs on a mail host: it holds a session
// with any member, keeps the node's newest set on disk, and makes it true with
// drivers. It owns the data folder and the drivers; it must not know how members
// decide, and never imports server or fsm.
//
// New starts nothing; Run starts one goroutine per service, one for the sessions and
// one that takes sets in, and waits for all of them. What they share is in board
// (reports) and orders (the set that is held), each behind its own lock.
package agent

import (
	"context"

	v1 "roster/proto/roster/v1"
)

// Agent makes one node's set true.
type Agent struct{ cfg Config }

// New checks the config.
func New(cfg Config) (*Agent, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Agent{cfg: cfg}, nil
}

// Run serves until ctx ends. Services of drivers that can outlive the agent run on.
func (a *Agent) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Reports are the services as the agent sees them now, sorted by service.
func (a *Agent) Reports() []*v1.ServiceReport { return nil }

// Held returns epoch and generation of the set that the agent acts on.
func (a *Agent) Held() (epoch, generation uint64) { return 0, 0 }
