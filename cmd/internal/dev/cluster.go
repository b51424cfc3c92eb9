package dev

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"roster/fsm/placement"
	v1 "roster/proto/roster/v1"
)

// Cluster is a running `roster dev`.
type Cluster struct {
	options  Options
	services []string
	members  []*member
	nodes    []*node

	ctx    context.Context
	cancel context.CancelCauseFunc
	once   sync.Once
}

// Start runs members and agents; top says which services the nodes must know.
// It returns when every member has a vote and every agent runs.
func Start(ctx context.Context, o Options, top *v1.Topology) (*Cluster, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	c := &Cluster{options: o, services: servicesOf(top)}
	// The cluster outlives ctx until Close, so that it can end in order.
	c.ctx, c.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	if err := c.start(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context) error {
	free := newPorts()
	if err := c.newMembers(free); err != nil {
		return err
	}
	if err := c.newNodes(free); err != nil {
		return err
	}
	if err := c.startMembers(ctx); err != nil {
		return err
	}
	for _, n := range c.nodes {
		if err := c.startNode(n); err != nil {
			return err
		}
	}
	return nil
}

// Addresses are the members' API addresses.
func (c *Cluster) Addresses() []string {
	out := make([]string, 0, len(c.members))
	for _, m := range c.members {
		out = append(out, m.address)
	}
	return out
}

// Failed is closed when a part of the cluster ended by itself; Err says why.
func (c *Cluster) Failed() <-chan struct{} { return c.ctx.Done() }

// Err is why the cluster ended.
func (c *Cluster) Err() error { return context.Cause(c.ctx) }

func (c *Cluster) fail(err error) { c.cancel(err) }

// Close ends agents first, then members.
func (c *Cluster) Close() {
	c.once.Do(func() {
		for _, n := range c.nodes {
			_ = n.kill() // it may be dead already
		}
		for _, m := range c.members {
			m.end()
		}
		c.cancel(nil)
	})
}

// Kill cuts a node or a member off without goodbye.
func (c *Cluster) Kill(id string) error {
	return c.on(id, func(n *node) error { return n.kill() }, func(m *member) error { return m.kill() })
}

// Revive brings it back over the same data.
func (c *Cluster) Revive(id string) error {
	return c.on(id, c.startNode, func(m *member) error { return c.startMember(c.ctx, m) })
}

func (c *Cluster) on(id string, onNode func(*node) error, onMember func(*member) error) error {
	var known []string
	for _, n := range c.nodes {
		if n.id == id {
			return onNode(n)
		}
		known = append(known, n.id)
	}
	for _, m := range c.members {
		if m.name == id {
			return onMember(m)
		}
		known = append(known, m.name)
	}
	slices.SortFunc(known, placement.Compare)
	return fmt.Errorf("there is no node or member %q here: %s", id, strings.Join(known, ", "))
}
