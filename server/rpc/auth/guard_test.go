package auth_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/reflection"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"roster/client"
	"roster/client/identity"
	"roster/integration/leak"
	peerv1 "roster/proto/roster/peer/v1"
	v1 "roster/proto/roster/v1"
	"roster/server/rpc/auth"
	"roster/server/rpc/problem"
)

func TestMain(m *testing.M) { leak.Main(m) }

// nodes answers with the caller that it sees.
type nodes struct {
	v1.UnimplementedNodeServiceServer
}

func (nodes) CordonNode(ctx context.Context, _ *v1.CordonNodeRequest) (*v1.CordonNodeResponse, error) {
	return nil, status.Error(codes.AlreadyExists, auth.Caller(ctx).String())
}

// sessions checks the node of the first Hello, as the real room does.
type sessions struct {
	v1.UnimplementedAgentServiceServer
}

func (sessions) Session(s grpc.BidiStreamingServer[v1.SessionRequest, v1.SessionResponse]) error {
	m, err := s.Recv()
	if err != nil {
		return err
	}
	if err := auth.CheckNode(s.Context(), m.GetHello().GetNode()); err != nil {
		return err
	}
	own, limited := auth.NodeOf(s.Context())
	return s.Send(&v1.SessionResponse{Message: &v1.SessionResponse_Welcome{Welcome: &v1.Welcome{Cluster: own, Epoch: map[bool]uint64{true: 1}[limited]}}})
}

// lines is a log that can be read.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// world is a cluster with one member that only checks its callers.
type world struct {
	authority *identity.Authority
	address   string
	log       *lines
}

func newWorld(t *testing.T, secure bool) *world {
	t.Helper()
	a, err := identity.NewAuthority("c", 0)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{authority: a, log: &lines{}}
	log := slog.New(slog.NewTextHandler(w.log, nil))
	guard := auth.New(auth.Config{ClusterName: "c", ClusterID: func() string { return "id-1" }, Secure: secure, Logger: log})
	options := []grpc.ServerOption{grpc.ChainUnaryInterceptor(guard.Unary), grpc.ChainStreamInterceptor(guard.Stream)}
	if secure {
		config, err := identity.ServerTLS(w.files(t, identity.Member, "m1"), "c")
		if err != nil {
			t.Fatal(err)
		}
		options = append(options, grpc.Creds(auth.Credentials(config, log)))
	}
	s := grpc.NewServer(options...)
	v1.RegisterNodeServiceServer(s, nodes{})
	v1.RegisterAgentServiceServer(s, sessions{})
	v1.RegisterEventServiceServer(s, v1.UnimplementedEventServiceServer{})
	peerv1.RegisterPeerServiceServer(s, peerv1.UnimplementedPeerServiceServer{})
	healthv1.RegisterHealthServer(s, health.NewServer())
	reflection.Register(s)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l) // ends with Stop
	}()
	t.Cleanup(func() {
		s.Stop()
		<-done
	})
	w.address = l.Addr().String()
	return w
}

func (w *world) files(t *testing.T, role identity.Role, name string) identity.Files {
	t.Helper()
	dir := t.TempDir()
	f := identity.Files{CA: filepath.Join(dir, "ca"), Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key")}
	c, err := w.authority.Issue(role, name, identity.Issue{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Save(f.Cert, f.Key); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.CA, w.authority.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

// as is a connection of a caller; an empty role has no certificate.
func (w *world) as(t *testing.T, role identity.Role, name string) *grpc.ClientConn {
	t.Helper()
	creds := insecure.NewCredentials()
	if role != "" {
		config, err := identity.ClientTLS(w.files(t, role, name), "c")
		if err != nil {
			t.Fatal(err)
		}
		creds = credentials.NewTLS(config)
	}
	conn, err := grpc.NewClient("passthrough:///"+w.address, grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// session opens a session for a node and returns what it was told.
func session(t *testing.T, conn *grpc.ClientConn, node string) (*v1.Welcome, error) {
	t.Helper()
	s, err := v1.NewAgentServiceClient(conn).Session(within(t))
	if err != nil {
		return nil, err
	}
	err = s.Send(&v1.SessionRequest{Message: &v1.SessionRequest_Hello{Hello: &v1.Hello{Node: node}}})
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	m, err := s.Recv()
	return m.GetWelcome(), err
}

func TestCallersComeThroughOrAreToldWhatTheyLack(t *testing.T) {
	w := newWorld(t, true)
	write := func(conn *grpc.ClientConn) error {
		_, err := v1.NewNodeServiceClient(conn).CordonNode(within(t), &v1.CordonNodeRequest{})
		return err
	}
	watch := func(conn *grpc.ClientConn) error {
		s, err := v1.NewEventServiceClient(conn).WatchEvents(within(t), &v1.WatchEventsRequest{})
		if err != nil {
			return err
		}
		_, err = s.Recv()
		return err
	}
	peers := func(conn *grpc.ClientConn) error {
		_, err := peerv1.NewPeerServiceClient(conn).Propose(within(t), &peerv1.ProposeRequest{})
		return err
	}
	open := func(conn *grpc.ClientConn) error {
		_, err := session(t, conn, "n1")
		return err
	}
	for _, tt := range []struct {
		role identity.Role
		what string
		call func(*grpc.ClientConn) error
		code codes.Code
		say  string
	}{
		{identity.User, "CordonNode", write, codes.AlreadyExists, "roster://c/user/n1"},
		{identity.Member, "CordonNode", write, codes.PermissionDenied, "needed is user"},
		{identity.Agent, "CordonNode", write, codes.PermissionDenied, "roster://c/agent/n1 may not call /roster.v1.NodeService/CordonNode: its role is agent, needed is user"},
		{identity.User, "WatchEvents", watch, codes.Unimplemented, ""},
		{identity.Member, "WatchEvents", watch, codes.Unimplemented, ""},
		{identity.Agent, "WatchEvents", watch, codes.PermissionDenied, "needed is user or member"},
		{identity.User, "Propose", peers, codes.PermissionDenied, "needed is member"},
		{identity.Agent, "Propose", peers, codes.PermissionDenied, "needed is member"},
		{identity.Member, "Propose", peers, codes.Unimplemented, ""},
		{identity.User, "Session", open, codes.PermissionDenied, "needed is agent"},
		{identity.Member, "Session", open, codes.PermissionDenied, "needed is agent"},
		{identity.Agent, "Session", open, codes.OK, ""},
	} {
		err := tt.call(w.as(t, tt.role, "n1"))
		if status.Code(err) != tt.code || !strings.Contains(client.Sentence(err), tt.say) {
			t.Errorf("%s %s: %v, want %s %q", tt.role, tt.what, err, tt.code, tt.say)
		}
		if tt.code == codes.PermissionDenied && !problem.Is(err, problem.WrongRole) {
			t.Errorf("%s %s: reason %q", tt.role, tt.what, client.Reason(err))
		}
	}
	if log := w.log.String(); strings.Count(log, "call denied") != 7 || !strings.Contains(log, "caller=roster://c/agent/n1") || !strings.Contains(log, "method=/roster.v1.NodeService/CordonNode") {
		t.Errorf("log:\n%s", log)
	}
}

func TestAnAgentSpeaksForItsOwnNodeOnly(t *testing.T) {
	w := newWorld(t, true)
	conn := w.as(t, identity.Agent, "n1")
	if hello, err := session(t, conn, "n1"); err != nil || hello.GetCluster() != "n1" || hello.GetEpoch() != 1 {
		t.Errorf("own node: %v, %v", hello, err)
	}
	for _, other := range []string{"n2", "", "N1", "n1 ", "n11"} {
		_, err := session(t, conn, other)
		if status.Code(err) != codes.PermissionDenied || !problem.Is(err, problem.WrongNode) {
			t.Errorf("node %q: %v", other, err)
		}
	}
}

func TestWhoShowsNoCertificateOrAForeignOneDoesNotConnect(t *testing.T) {
	w := newWorld(t, true)
	plain := w.as(t, "", "")
	_, err := v1.NewNodeServiceClient(plain).GetNode(within(t), &v1.GetNodeRequest{})
	if status.Code(err) != codes.Unavailable {
		t.Errorf("plain: %v", err)
	}
	for name, config := range map[string]*tls.Config{
		"none": {InsecureSkipVerify: true},                               //nolint:gosec // the server has to notice
		"1.2":  {InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}, //nolint:gosec // as above
	} {
		conn, err := grpc.NewClient("passthrough:///"+w.address, grpc.WithTransportCredentials(credentials.NewTLS(config)))
		if err != nil {
			t.Fatal(err)
		}
		_, err = v1.NewNodeServiceClient(conn).GetNode(within(t), &v1.GetNodeRequest{})
		if status.Code(err) != codes.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
		_ = conn.Close()
	}
	if log := w.log.String(); !strings.Contains(log, "connection denied") || !strings.Contains(log, "unsupported versions") {
		t.Errorf("log:\n%s", log)
	}
}

func TestACallForAnotherClusterIsRefused(t *testing.T) {
	w := newWorld(t, true)
	conn := w.as(t, identity.User, "x")
	for _, tt := range []struct {
		ids  []string
		code codes.Code
	}{
		{nil, codes.AlreadyExists}, {[]string{"id-1"}, codes.AlreadyExists},
		{[]string{"id-2"}, codes.FailedPrecondition}, {[]string{"id-1", "id-2"}, codes.FailedPrecondition}, {[]string{""}, codes.FailedPrecondition},
	} {
		ctx := within(t)
		for _, id := range tt.ids {
			ctx = metadata.AppendToOutgoingContext(ctx, client.ClusterIDKey, id)
		}
		_, err := v1.NewNodeServiceClient(conn).CordonNode(ctx, &v1.CordonNodeRequest{})
		if status.Code(err) != tt.code {
			t.Errorf("%q: %v", tt.ids, err)
		}
		if tt.code == codes.FailedPrecondition && !problem.Is(err, problem.WrongCluster) {
			t.Errorf("%q: reason %q", tt.ids, client.Reason(err))
		}
	}
}

func TestHealthAndReflectionAnswerWhoeverIsOfTheCluster(t *testing.T) {
	w := newWorld(t, true)
	for _, role := range identity.Roles() {
		conn := w.as(t, role, "x")
		if _, err := healthv1.NewHealthClient(conn).Check(within(t), &healthv1.HealthCheckRequest{}); err != nil {
			t.Errorf("%s: health: %v", role, err)
		}
		s, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(within(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Send(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}); err != nil {
			t.Fatal(err)
		}
		if m, err := s.Recv(); err != nil || len(m.GetListServicesResponse().GetService()) == 0 {
			t.Errorf("%s: reflection: %v", role, err)
		}
	}
}

func TestWithoutCertificatesLoopbackIsTheLocalUserAndAgentsAreBelieved(t *testing.T) {
	w := newWorld(t, false)
	conn := w.as(t, "", "")
	_, err := v1.NewNodeServiceClient(conn).CordonNode(within(t), &v1.CordonNodeRequest{})
	if client.Sentence(err) != "roster://c/user/local" {
		t.Errorf("caller: %v", err)
	}
	if hello, err := session(t, conn, "n7"); err != nil || hello.GetEpoch() != 0 {
		t.Errorf("session: %v, %v", hello, err)
	}
	if _, err := peerv1.NewPeerServiceClient(conn).Propose(within(t), &peerv1.ProposeRequest{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("member to member: %v", err)
	}
	if err := conn.Invoke(within(t), "/grpc.channelz.v1.Channelz/GetServers", &v1.GetNodeRequest{}, &v1.GetNodeResponse{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("not served: %v", err)
	}
}

// from is a call's context as grpc makes it.
func from(addr net.Addr, info credentials.AuthInfo) context.Context {
	return peer.NewContext(context.Background(), &peer.Peer{Addr: addr, AuthInfo: info})
}

func TestWhatIsNotProvenIsTurnedAway(t *testing.T) {
	loopback := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
	away := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}
	const read = v1.NodeService_GetNode_FullMethodName
	for name, tt := range map[string]struct {
		secure bool
		ctx    context.Context
		method string
		code   codes.Code
	}{
		"plain, from loopback":                    {false, from(loopback, nil), read, codes.OK},
		"plain, from elsewhere":                   {false, from(away, nil), read, codes.Unauthenticated},
		"plain, from a socket":                    {false, from(&net.UnixAddr{Name: "x"}, nil), read, codes.Unauthenticated},
		"plain, from nowhere":                     {false, context.Background(), read, codes.Unauthenticated},
		"plain, method not in the table":          {false, from(loopback, nil), "/roster.v1.NodeService/DropNode", codes.PermissionDenied},
		"plain, method without its slash":         {false, from(loopback, nil), read[1:], codes.PermissionDenied},
		"certificates, connection without TLS":    {true, from(loopback, nil), read, codes.Unauthenticated},
		"certificates, TLS that verified nothing": {true, from(loopback, credentials.TLSInfo{}), read, codes.Unauthenticated},
	} {
		g := auth.New(auth.Config{ClusterName: "c", Secure: tt.secure})
		ran := false
		_, err := g.Unary(tt.ctx, nil, &grpc.UnaryServerInfo{FullMethod: tt.method}, func(context.Context, any) (any, error) {
			ran = true
			return nil, nil
		})
		if status.Code(err) != tt.code || ran != (tt.code == codes.OK) {
			t.Errorf("%s: %v, handler ran: %v", name, err, ran)
		}
	}
}

func TestOutsideOfACallNobodyCalls(t *testing.T) {
	ctx := context.Background()
	if !auth.Caller(ctx).IsZero() {
		t.Error("there is a caller")
	}
	if _, ok := auth.NodeOf(ctx); ok {
		t.Error("there is a node")
	}
	if err := auth.CheckNode(ctx, ""); status.Code(err) != codes.Unauthenticated {
		t.Errorf("CheckNode: %v", err)
	}
}
