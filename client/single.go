package client

import (
	"context"

	"google.golang.org/grpc"
)

// single is one member, asked once.
type single struct {
	client *Client
	member *member
}

// On is the one member at an address: no other is asked and nothing is retried.
// A member uses it to forward to the leader, the CLI to ask each member in turn.
// Its connection is closed with the client.
func (c *Client) On(address string) (grpc.ClientConnInterface, error) {
	if err := c.config.checkMember(address); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	for _, m := range c.members {
		if m.address == address {
			return &single{c, m}, nil
		}
	}
	m := c.others[address]
	if m == nil {
		if c.others == nil {
			c.others = map[string]*member{}
		}
		m = newMember(address, c)
		c.others[address] = m
	}
	return &single{c, m}, nil
}

func (s *single) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	_, err := s.client.invoke(s.client.outgoing(ctx), s.member, method, args, reply, opts)
	return err
}

func (s *single) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return s.client.open(s.client.outgoing(ctx), s.member, desc, method, opts)
}
