package auth

import (
	"context"

	"google.golang.org/grpc/codes"

	"roster/client/identity"
	"roster/server/rpc/problem"
)

// callerKey finds the caller in a call's context.
type callerKey struct{}

type caller struct {
	identity identity.Identity
	// proven by a certificate; otherwise it is whoever is on this machine.
	proven bool
}

// Caller is who makes the call. It is no identity at all outside of a guarded
// call; what needs one must not go on then.
func Caller(ctx context.Context) identity.Identity {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c.identity
}

// NodeOf is the node that the caller is limited to: its own, for an agent. ok is
// false for callers that are not limited.
func NodeOf(ctx context.Context) (node string, ok bool) {
	c, _ := ctx.Value(callerKey{}).(caller)
	if c.identity.Role != identity.Agent {
		return "", false
	}
	return c.identity.Name, true
}

// CheckNode says whether the caller may speak for a node as its agent. Without
// certificates everybody on the machine may; outside of a guarded call nobody.
func CheckNode(ctx context.Context, node string) error {
	c, known := ctx.Value(callerKey{}).(caller)
	own, isAgent := NodeOf(ctx)
	switch {
	case !known:
		return unauthenticated("it is not known who calls")
	case !c.proven, isAgent && own == node:
		return nil
	case isAgent:
		return problem.New(codes.PermissionDenied, problem.WrongNode,
			"%s may not speak for node %q: an agent's certificate has the name of its own node", c.identity, node)
	}
	return problem.New(codes.PermissionDenied, problem.WrongRole,
		"%s may not speak for node %q: its role is %s, needed is agent", c.identity, node, c.identity.Role)
}
