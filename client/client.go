package client

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
)

// ErrClosed says that the client was closed.
var ErrClosed = errors.New("client is closed")

// Client is a connection to any member of a cluster.
type Client struct {
	config Config
	log    *slog.Logger
	clock  clusterClock
	ids    minter

	mu      sync.Mutex
	closed  bool
	members []*member
	// preferred is the index of the member to ask first.
	preferred int
	// others are members that only On asked for, by address.
	others map[string]*member
}

var _ grpc.ClientConnInterface = (*Client)(nil)

// New checks the configuration. It opens no connection.
func New(config Config) (*Client, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	c := &Client{config: config, log: config.Logger}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	for _, address := range config.Members {
		if !slices.ContainsFunc(c.members, func(m *member) bool { return m.address == address }) {
			c.members = append(c.members, newMember(address, c))
		}
	}
	// Many clients begin at once when a cluster starts: they spread by chance.
	c.preferred = rand.IntN(len(c.members))
	return c, nil
}

// Members are the addresses that calls may go to.
func (c *Client) Members() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]string, len(c.members))
	for i, m := range c.members {
		out[i] = m.address
	}
	return out
}

// SetMembers replaces the addresses that calls may go to. Connections to
// members that stay are kept. An empty list changes nothing, and an address that
// may not be dialled is an error that changes nothing.
func (c *Client) SetMembers(addresses []string) error {
	if len(addresses) == 0 {
		return nil
	}
	for _, a := range addresses {
		if err := c.config.checkMember(a); err != nil {
			return err
		}
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return ErrClosed
	}
	before := c.members
	first := before[c.preferred]
	var next []*member
	for _, a := range addresses {
		same := func(m *member) bool { return m.address == a }
		if slices.ContainsFunc(next, same) {
			continue
		}
		if i := slices.IndexFunc(before, same); i >= 0 {
			next = append(next, before[i])
		} else {
			next = append(next, newMember(a, c))
		}
	}
	c.members = next
	c.preferred = max(0, slices.Index(next, first))
	c.mu.Unlock()
	for _, m := range before {
		if !slices.Contains(next, m) {
			m.retire()
		}
	}
	return nil
}

// Current is the address that the next call goes to first.
func (c *Client) Current() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.members[c.preferred].address
}

// Rotate lets the next call begin with another member. An agent calls it when
// its member has had no leader for a while.
func (c *Client) Rotate() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.preferred = (c.preferred + 1) % len(c.members)
}

// RequestID mints a request id for one write: a UUIDv7 whose time is the
// cluster's, as told by the newest reply, so that ids of different machines sort
// alike. Before any reply it is this machine's. Ids of one client always rise.
// The same write tried again keeps its id; a changed one needs a new id.
func (c *Client) RequestID() string {
	return c.ids.next(c.clock.now(time.Now()))
}

// Close closes every connection; calls in progress end. It may be called twice.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	members := slices.AppendSeq(slices.Clone(c.members), maps.Values(c.others))
	c.mu.Unlock()
	var errs []error
	for _, m := range members {
		errs = append(errs, m.close())
	}
	return errors.Join(errs...)
}

// round lists the members in the order in which a call asks them.
func (c *Client) round() ([]*member, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	return slices.Concat(c.members[c.preferred:], c.members[:c.preferred]), nil
}

// prefer remembers who answered.
func (c *Client) prefer(m *member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.members, m); i >= 0 {
		c.preferred = i
	}
}

// avoid moves on from a member that failed, if calls still begin with it.
func (c *Client) avoid(m *member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.members[c.preferred] == m {
		c.preferred = (c.preferred + 1) % len(c.members)
	}
}
