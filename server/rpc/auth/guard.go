package auth

import (
	"context"
	"fmt"
	"log/slog"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"roster/client"
	"roster/client/identity"
	"roster/server/rpc/problem"
)

// LocalUser is the name of everybody where there are no certificates.
const LocalUser = "local"

// Config says whom a Guard lets in.
type Config struct {
	// ClusterName is the cluster that callers must belong to.
	ClusterName string
	// ClusterID is the cluster's id; nil or empty while it is not known yet.
	ClusterID func() string
	// Secure: callers show certificates. Otherwise they must come from loopback.
	Secure bool
	// Inner: the server is reached through memory alone, by the member's own HTTP
	// port, which has checked who calls and says so under CallerKey.
	Inner bool
	// Logger hears who was turned away. Nil: nobody does.
	Logger *slog.Logger
}

// CallerKey is the metadata key under which the HTTP port names the caller to
// an inner server. Any other server ignores it.
const CallerKey = "roster-caller"

// Guard checks each call before its handler runs.
type Guard struct {
	config Config
	log    *slog.Logger
}

// New makes a guard.
func New(config Config) *Guard {
	g := &Guard{config: config, log: config.Logger}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	return g
}

// Unary is a grpc.UnaryServerInterceptor; it goes first.
func (g *Guard) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	ctx, err := g.admit(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

// Stream is a grpc.StreamServerInterceptor; it goes first.
func (g *Guard) Stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx, err := g.admit(stream.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	return handler(srv, &admitted{stream, ctx})
}

// admitted is a stream whose context knows the caller.
type admitted struct {
	grpc.ServerStream
	ctx context.Context
}

func (a *admitted) Context() context.Context { return a.ctx }

// admit decides about one call. Whoever is turned away is told why, and so is
// the local log.
func (g *Guard) admit(ctx context.Context, method string) (context.Context, error) {
	who, err := g.identify(ctx)
	if err == nil {
		err = g.authorise(ctx, method, who)
	}
	if err != nil {
		g.log.WarnContext(ctx, "call denied", "method", method, "caller", who.String(), "peer", peerAddress(ctx), "err", client.Sentence(err))
		return nil, err
	}
	return context.WithValue(ctx, callerKey{}, caller{identity: who, proven: g.config.Secure}), nil
}

// identify says who calls.
func (g *Guard) identify(ctx context.Context) (identity.Identity, error) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return identity.Identity{}, unauthenticated("it is not known where the call comes from")
	}
	if g.config.Inner && g.config.Secure {
		return named(ctx)
	}
	if !g.config.Secure {
		if !g.config.Inner && !fromLoopback(p.Addr) {
			return identity.Identity{}, unauthenticated(fmt.Sprintf("this member has no certificates and answers on loopback only, not to %s", p.Addr))
		}
		return identity.Identity{Cluster: g.config.ClusterName, Role: identity.User, Name: LocalUser}, nil
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok {
		return identity.Identity{}, unauthenticated("the connection has no TLS: show a certificate of this cluster")
	}
	who, err := identity.FromTLS(info.State)
	if err != nil {
		return identity.Identity{}, unauthenticated(err.Error())
	}
	return who, nil
}

// named is the caller as the HTTP port says.
func named(ctx context.Context) (identity.Identity, error) {
	uris := metadata.ValueFromIncomingContext(ctx, CallerKey)
	if len(uris) != 1 {
		return identity.Identity{}, unauthenticated("it is not known who calls")
	}
	who, err := identity.Parse(uris[0])
	if err != nil {
		return identity.Identity{}, unauthenticated(err.Error())
	}
	return who, nil
}

// authorise says whether the caller may make this call.
func (g *Guard) authorise(ctx context.Context, method string, who identity.Identity) error {
	if who.Cluster != g.config.ClusterName {
		return problem.New(codes.PermissionDenied, problem.WrongCluster,
			"%s is of another cluster, this is %q: use a certificate of this cluster", who, g.config.ClusterName)
	}
	roles, ok := allowed(method, who.Role)
	switch {
	case roles == nil:
		return problem.New(codes.PermissionDenied, problem.WrongRole, "%s asked for %s, which nobody may call here", who, method)
	case !ok && g.config.Secure:
		return problem.New(codes.PermissionDenied, problem.WrongRole,
			"%s may not call %s: its role is %s, needed is %s", who, method, who.Role, words(roles))
	}
	return g.rightCluster(ctx)
}

// rightCluster compares the cluster id that the call is meant for, if it says
// one, with ours, if we know it.
func (g *Guard) rightCluster(ctx context.Context) error {
	meant := metadata.ValueFromIncomingContext(ctx, client.ClusterIDKey)
	if len(meant) == 0 || g.config.ClusterID == nil {
		return nil
	}
	ours := g.config.ClusterID()
	for _, id := range meant {
		if ours != "" && id != ours {
			return problem.New(codes.FailedPrecondition, problem.WrongCluster,
				"the call is for cluster id %s, this is %s (%s): check the members' addresses", id, ours, g.config.ClusterName)
		}
	}
	return nil
}

func unauthenticated(why string) error {
	return problem.New(codes.Unauthenticated, problem.Unauthenticated, "%s", why)
}

func words(roles []identity.Role) string {
	out := ""
	for i, r := range roles {
		if i > 0 {
			out += " or "
		}
		out += string(r)
	}
	return out
}

func peerAddress(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		return p.Addr.String()
	}
	return ""
}

// fromLoopback says whether a connection comes from this machine over IP.
func fromLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
