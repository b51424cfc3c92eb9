package fakemember

import (
	"context"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"roster/client"
	v1 "roster/proto/roster/v1"
)

// Member answers every public call with the response that was set for it.
type Member struct {
	// Address is where it listens.
	Address string

	mu        sync.Mutex
	responses map[string][]answer
	calls     []Call
	delay     map[string]chan struct{}
}

// Call is one request that came.
type Call struct {
	Method    string
	Request   proto.Message
	ClusterID string
}

type answer struct {
	response proto.Message
	err      error
}

// Start serves on a loopback port until the test ends.
func Start(t testing.TB) *Member {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &Member{Address: listener.Addr().String(), responses: map[string][]answer{}, delay: map[string]chan struct{}{}}
	server := grpc.NewServer(grpc.UnaryInterceptor(m.unary), grpc.StreamInterceptor(m.stream))
	v1.RegisterTopologyServiceServer(server, v1.UnimplementedTopologyServiceServer{})
	v1.RegisterNodeServiceServer(server, v1.UnimplementedNodeServiceServer{})
	v1.RegisterAssignmentServiceServer(server, v1.UnimplementedAssignmentServiceServer{})
	v1.RegisterEndpointServiceServer(server, v1.UnimplementedEndpointServiceServer{})
	v1.RegisterClusterServiceServer(server, v1.UnimplementedClusterServiceServer{})
	v1.RegisterEventServiceServer(server, v1.UnimplementedEventServiceServer{})
	v1.RegisterPlanServiceServer(server, v1.UnimplementedPlanServiceServer{})
	v1.RegisterGuardServiceServer(server, v1.UnimplementedGuardServiceServer{})
	v1.RegisterRolloutServiceServer(server, v1.UnimplementedRolloutServiceServer{})
	v1.RegisterWhatIfServiceServer(server, v1.UnimplementedWhatIfServiceServer{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		server.Stop()
		<-done
	})
	return m
}

// Answer sets what a method, as GetStatus, answers from now on. Several are
// given one after the other; the last one stays.
func (m *Member) Answer(method string, responses ...proto.Message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.responses[method] = nil
	for _, response := range responses {
		m.responses[method] = append(m.responses[method], answer{response: response})
	}
}

// Add appends to what a method answers.
func (m *Member) Add(method string, response proto.Message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.responses[method] = append(m.responses[method], answer{response: response})
}

// Refuse lets a method fail from now on; what is added then is answered after
// one refusal.
func (m *Member) Refuse(method string, code codes.Code, reason, message string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.responses[method] = []answer{{err: refusal(code, reason, message)}}
}

func refusal(code codes.Code, reason, message string) error {
	s := status.New(code, message)
	if reason == "" {
		return s.Err()
	}
	detailed, err := s.WithDetails(&errdetails.ErrorInfo{Reason: reason, Domain: client.Domain})
	if err != nil {
		panic(err)
	}
	return detailed.Err()
}

// Hang lets a method never answer.
func (m *Member) Hang(method string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.delay[method] = make(chan struct{})
}

// Calls are the requests that came for a method.
func (m *Member) Calls(method string) []Call {
	m.mu.Lock()
	defer m.mu.Unlock()
	var calls []Call
	for _, call := range m.calls {
		if call.Method == method {
			calls = append(calls, call)
		}
	}
	return calls
}

// AllCalls are the methods of all requests that came, in their order.
func (m *Member) AllCalls() (methods []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, call := range m.calls {
		methods = append(methods, call.Method)
	}
	return methods
}

func (m *Member) next(ctx context.Context, method string, request proto.Message) (proto.Message, error) {
	m.mu.Lock()
	var id string
	if md, ok := metadata.FromIncomingContext(ctx); ok {
		if ids := md.Get("roster-cluster-id"); len(ids) > 0 {
			id = ids[0]
		}
	}
	m.calls = append(m.calls, Call{Method: method, Request: request, ClusterID: id})
	hang := m.delay[method]
	answers := m.responses[method]
	if len(answers) > 1 {
		m.responses[method] = answers[1:]
	}
	m.mu.Unlock()
	if hang != nil {
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	if len(answers) == 0 {
		return nil, status.Errorf(codes.Unimplemented, "the test set no answer for %s", method)
	}
	return answers[0].response, answers[0].err
}

func shortName(full string) string {
	for i := len(full) - 1; i >= 0; i-- {
		if full[i] == '/' {
			return full[i+1:]
		}
	}
	return full
}

func (m *Member) unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, _ grpc.UnaryHandler) (any, error) {
	_ = grpc.SetHeader(ctx, metadata.Pairs(client.TimeHeader, strconv.FormatInt(Began.UnixMilli(), 10)))
	return m.next(ctx, shortName(info.FullMethod), request.(proto.Message))
}

// stream answers a watch with its responses in their order, each stream with
// one, and then breaks it off; the last one stays open.
func (m *Member) stream(_ any, stream grpc.ServerStream, info *grpc.StreamServerInfo, _ grpc.StreamHandler) error {
	method := shortName(info.FullMethod)
	request := requestOf(method)
	if err := stream.RecvMsg(request); err != nil {
		return err
	}
	if method == "SaveSnapshot" {
		return m.pieces(stream, method, request)
	}
	m.mu.Lock()
	last := len(m.responses[method]) <= 1
	m.mu.Unlock()
	response, err := m.next(stream.Context(), method, request)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(response); err != nil {
		return err
	}
	if !last {
		return status.Error(codes.Unavailable, "the test breaks the stream")
	}
	<-stream.Context().Done()
	return nil
}

// pieces answers with all responses that were set, and ends: with an error where
// one is a refusal. They are set for every call.
func (m *Member) pieces(stream grpc.ServerStream, method string, request proto.Message) error {
	m.mu.Lock()
	m.calls = append(m.calls, Call{Method: method, Request: request})
	answers := slices.Clone(m.responses[method])
	m.mu.Unlock()
	for _, answer := range answers {
		if answer.err != nil {
			return answer.err
		}
		if err := stream.SendMsg(answer.response); err != nil {
			return err
		}
	}
	return nil
}

func requestOf(method string) proto.Message {
	switch method {
	case "SaveSnapshot":
		return &v1.SaveSnapshotRequest{}
	case "WatchEvents":
		return &v1.WatchEventsRequest{}
	case "WatchNodes":
		return &v1.WatchNodesRequest{}
	case "WatchAssignments":
		return &v1.WatchAssignmentsRequest{}
	default:
		return &v1.WatchEndpointsRequest{}
	}
}
