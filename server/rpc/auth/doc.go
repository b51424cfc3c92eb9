// Package auth owns who may call what on a member's API port: one table from
// method to roles, and the interceptors that ask it before anything else runs,
// forwarding included.
//
// What is not in the table is denied. A caller is the identity in its verified
// certificate; the interceptors put it into the context, and handlers read it
// with Caller. An agent speaks for its own node: rooms that take a node's name
// from an agent ask CheckNode.
//
// Without certificates, which loopback alone allows, everybody on the machine is
// the user "local", who may do everything, and agents are believed.
//
// The package must not know what the methods do. A Guard is safe for concurrent
// use.
package auth
