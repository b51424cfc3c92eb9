package client_test

import (
	"context"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"roster/client"
	"roster/integration/leak"
	v1 "roster/proto/roster/v1"
)

func TestMain(m *testing.M) { leak.Main(m) }

// fake is a member that does what a test says.
type fake struct {
	v1.UnimplementedNodeServiceServer
	v1.UnimplementedClusterServiceServer
	v1.UnimplementedEventServiceServer
	address string
	server  *grpc.Server
	done    chan struct{}

	mu sync.Mutex
	// answer decides about a unary call; nil: success.
	answer func(ctx context.Context, m *fake) error
	// calls are the request ids of unary calls, in order.
	calls []string
	// clusterTime goes into replies; 0: none does.
	clusterTime int64
	metadata    metadata.MD
	events      func(*v1.WatchEventsRequest, grpc.ServerStreamingServer[v1.WatchEventsResponse]) error
	members     []string
}

// start runs a member on a free loopback port.
func start(t *testing.T, options ...grpc.ServerOption) *fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return startOn(t, l, options...)
}

func startOn(t *testing.T, l net.Listener, options ...grpc.ServerOption) *fake {
	t.Helper()
	f := &fake{address: l.Addr().String(), server: grpc.NewServer(options...), done: make(chan struct{})}
	v1.RegisterNodeServiceServer(f.server, f)
	v1.RegisterClusterServiceServer(f.server, f)
	v1.RegisterEventServiceServer(f.server, f)
	go func() {
		defer close(f.done)
		_ = f.server.Serve(l) // ends with kill
	}()
	t.Cleanup(f.kill)
	return f
}

// kill cuts every connection, without goodbye.
func (f *fake) kill() {
	f.server.Stop()
	<-f.done
}

func (f *fake) does(answer func(ctx context.Context, m *fake) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

func (f *fake) called() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.calls...)
}

func (f *fake) unary(ctx context.Context, id string) error {
	f.mu.Lock()
	f.calls = append(f.calls, id)
	f.metadata, _ = metadata.FromIncomingContext(ctx)
	answer, now := f.answer, f.clusterTime
	f.mu.Unlock()
	if now != 0 {
		if err := grpc.SetHeader(ctx, metadata.Pairs(client.TimeHeader, strconv.FormatInt(now, 10))); err != nil {
			return err
		}
	}
	if answer != nil {
		return answer(ctx, f)
	}
	return nil
}

func (f *fake) CordonNode(ctx context.Context, r *v1.CordonNodeRequest) (*v1.CordonNodeResponse, error) {
	return &v1.CordonNodeResponse{Index: 7}, f.unary(ctx, r.GetRequestId())
}

func (f *fake) GetNode(ctx context.Context, r *v1.GetNodeRequest) (*v1.GetNodeResponse, error) {
	return &v1.GetNodeResponse{Node: &v1.Node{Id: f.address}}, f.unary(ctx, r.GetId())
}

func (f *fake) TransferLeadership(ctx context.Context, r *v1.TransferLeadershipRequest) (*v1.TransferLeadershipResponse, error) {
	return &v1.TransferLeadershipResponse{}, f.unary(ctx, r.GetId())
}

func (f *fake) ListMembers(ctx context.Context, _ *v1.ListMembersRequest) (*v1.ListMembersResponse, error) {
	out := &v1.ListMembersResponse{}
	for _, m := range f.members {
		out.Members = append(out.Members, &v1.Member{Address: m})
	}
	return out, f.unary(ctx, "")
}

func (f *fake) WatchEvents(r *v1.WatchEventsRequest, s grpc.ServerStreamingServer[v1.WatchEventsResponse]) error {
	f.mu.Lock()
	events := f.events
	f.mu.Unlock()
	if events == nil {
		<-s.Context().Done()
		return nil
	}
	return events(r, s)
}

// noLeader is the answer of a member that knows none.
func noLeader(context.Context, *fake) error {
	s, err := status.New(codes.Unavailable, "no member leads").WithDetails(&errdetails.ErrorInfo{Reason: client.NoLeader, Domain: client.Domain})
	if err != nil {
		return err
	}
	return s.Err()
}

// dead is an address where nobody listens.
func dead(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func newClient(t *testing.T, config client.Config) *client.Client {
	t.Helper()
	c, err := client.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// begin lets the next call begin at an address.
func begin(t *testing.T, c *client.Client, address string) {
	t.Helper()
	for range c.Members() {
		if c.Current() == address {
			return
		}
		c.Rotate()
	}
	t.Fatalf("%s is not among %v", address, c.Members())
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// patient is more time than any call that works needs.
const patient = 20 * time.Second
