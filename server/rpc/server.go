package rpc

import (
	"context"
	"crypto/tls"
	"log/slog"
	"runtime/debug"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	peerv1 "roster/proto/roster/peer/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/server/raftnode"
	"roster/server/rpc/auth"
	"roster/server/rpc/problem"
	"roster/server/session"
)

// ServerConfig sets the gRPC server of a member up.
type ServerConfig struct {
	// TLS is nil on loopback without certificates.
	TLS         *tls.Config
	ClusterName string
	// Secure: callers have certificates, here or at the HTTP port.
	Secure bool
	// Inner: reached through memory alone, by the HTTP port.
	Inner   bool
	Machine *fsm.Machine
	Logger  *slog.Logger
}

// NewServer makes the gRPC server: limits, keepalive, who may call what.
func NewServer(cfg ServerConfig) *grpc.Server {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	guard := auth.New(auth.Config{
		ClusterName: cfg.ClusterName, Secure: cfg.TLS != nil || cfg.Secure, Inner: cfg.Inner, Logger: cfg.Logger,
		ClusterID: func() string { return cfg.Machine.State().Cluster().GetId() },
	})
	options := []grpc.ServerOption{
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 10 * time.Second, Timeout: 5 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.MaxConcurrentStreams(4096),
		grpc.MaxRecvMsgSize(4 << 20),
		grpc.MaxHeaderListSize(16 << 10),
		grpc.ConnectionTimeout(10 * time.Second),
		grpc.WaitForHandlers(true),
		grpc.ReadBufferSize(4 << 10),
		grpc.WriteBufferSize(4 << 10),
		grpc.ChainUnaryInterceptor(guard.Unary, stampUnary(cfg.Machine), logUnary(cfg.Logger), catchUnary(cfg.Logger)),
		grpc.ChainStreamInterceptor(guard.Stream, stampStream(cfg.Machine), logStream(cfg.Logger), catchStream(cfg.Logger)),
	}
	if cfg.TLS != nil {
		options = append(options, grpc.Creds(auth.Credentials(cfg.TLS, cfg.Logger)))
	}
	return grpc.NewServer(options...)
}

// Services is what a member serves.
type Services struct {
	Self    string
	Name    string
	Gate    *Gate
	Machine *fsm.Machine
	Raft    *raftnode.Node
	Peers   *Peers
	Hub     *session.Hub
	Peer    *Peer
	// Timed is a topology as the leader's loop reads it; nil: as it is.
	Timed func(*v1.Topology) *v1.Topology
	// Survival is what is known of what a state would survive; nil: nothing is.
	Survival func(*fsm.State) *v1.Survival
	// Desk is shared by all servers of a member.
	Desk *Desk
}

// Register puts every service on a gRPC server.
func Register(s *grpc.Server, with Services) {
	cluster := &Cluster{Gate: with.Gate, Machine: with.Machine, Raft: with.Raft, Peers: with.Peers, Self: with.Self, Name: with.Name, Timed: with.Timed, Survival: with.Survival}
	v1.RegisterTopologyServiceServer(s, &Topology{Gate: with.Gate, Machine: with.Machine})
	v1.RegisterNodeServiceServer(s, &Nodes{Gate: with.Gate, Machine: with.Machine, Members: cluster})
	v1.RegisterAssignmentServiceServer(s, &Assignments{Gate: with.Gate, Machine: with.Machine})
	v1.RegisterEndpointServiceServer(s, &Endpoints{Gate: with.Gate, Machine: with.Machine})
	v1.RegisterClusterServiceServer(s, cluster)
	v1.RegisterEventServiceServer(s, &Events{Gate: with.Gate, Machine: with.Machine})
	v1.RegisterPlanServiceServer(s, &Plans{Gate: with.Gate, Machine: with.Machine})
	v1.RegisterGuardServiceServer(s, &Guard{Gate: with.Gate, Machine: with.Machine})
	v1.RegisterRolloutServiceServer(s, &Rollouts{Gate: with.Gate, Machine: with.Machine, Timed: with.Timed})
	v1.RegisterWhatIfServiceServer(s, &WhatIf{Gate: with.Gate, Machine: with.Machine, Members: cluster, Timed: with.Timed, Desk: with.Desk})
	v1.RegisterAgentServiceServer(s, with.Hub)
	peerv1.RegisterPeerServiceServer(s, with.Peer)
	healthv1.RegisterHealthServer(s, health.NewServer())
	reflection.Register(s)
}

// timeHeader carries the cluster's time to callers, who mint request ids from
// it: unix milliseconds.
const timeHeader = "roster-time"

func stamp(machine *fsm.Machine) metadata.MD {
	return metadata.Pairs(timeHeader, strconv.FormatInt(machine.State().Time().UnixMilli(), 10))
}

func stampUnary(machine *fsm.Machine) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		answer, err := handler(ctx, req)
		_ = grpc.SetHeader(ctx, stamp(machine)) // fails only where headers were sent; then the next reply has it
		return answer, err
	}
}

func stampStream(machine *fsm.Machine) grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		_ = stream.SetHeader(stamp(machine)) // as above
		return handler(srv, stream)
	}
}

func logUnary(log *slog.Logger) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		answer, err := handler(ctx, req)
		logCall(ctx, log, info.FullMethod, err)
		return answer, err
	}
}

func logStream(log *slog.Logger) grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		err := handler(srv, stream)
		logCall(stream.Context(), log, info.FullMethod, err)
		return err
	}
}

// A request that makes a handler panic must not take the member down, and with
// it the next one that is asked. What was to be written goes through the log,
// whose own panics stop the member.
func catchUnary(log *slog.Logger) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (answer any, err error) {
		defer func() { err = caught(log, info.FullMethod, recover(), err) }()
		return handler(ctx, req)
	}
}

func catchStream(log *slog.Logger) grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
		defer func() { err = caught(log, info.FullMethod, recover(), err) }()
		return handler(srv, stream)
	}
}

func caught(log *slog.Logger, method string, panicked any, err error) error {
	if panicked == nil {
		return err
	}
	log.Error("a handler panicked", "method", method, "panic", panicked, "stack", string(debug.Stack()))
	return problem.New(codes.Internal, problem.Internal, "a fault of Roster's own, see the log of this member: %v", panicked)
}

// logCall says what failed through the server's own fault; what a caller did
// wrong, the caller is told.
func logCall(ctx context.Context, log *slog.Logger, method string, err error) {
	switch status.Code(err) {
	case codes.Internal, codes.Unknown, codes.DataLoss:
		if ctx.Err() == nil {
			log.Error("call failed", "method", method, "caller", auth.Caller(ctx).URI(), "error", err)
		}
	default:
	}
}
