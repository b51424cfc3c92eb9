package client

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// stream is a stream on one member. It holds the member's connection until it
// ends, and hears the cluster's time.
type stream struct {
	grpc.ClientStream
	client *Client
	member *member
	// serverStreams: more than one message comes back.
	serverStreams bool
	end           sync.Once
	heard         sync.Once
}

func (c *Client) open(ctx context.Context, m *member, desc *grpc.StreamDesc, method string, opts []grpc.CallOption) (grpc.ClientStream, error) {
	conn, err := m.acquire()
	if err != nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	s := &stream{client: c, member: m, serverStreams: desc.ServerStreams}
	// OnFinish also runs where a stream is given up by its context alone.
	own := append(opts[:len(opts):len(opts)], grpc.OnFinish(func(error) { s.end.Do(m.release) }))
	s.ClientStream, err = conn.NewStream(ctx, desc, method, own...)
	if err != nil {
		s.end.Do(m.release)
		return nil, Misdialled(ctx, m.address, c.config.TLS != nil, err, nil)
	}
	return s, nil
}

// RecvMsg receives the next message.
func (s *stream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if status.Code(err) == codes.Unavailable {
		s.client.avoid(s.member)
	}
	if err == nil {
		s.heard.Do(func() {
			// A message came, so its header is here and does not block.
			if header, err := s.Header(); err == nil {
				s.client.hear(header)
			}
		})
	}
	return err
}
