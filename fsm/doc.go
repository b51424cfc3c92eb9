// Package fsm is the replicated state machine: what every member of a cluster
// agrees on, and the only way to change it.
//
// It owns the state (nodes, their sets, topologies, members, events, the
// results kept for request ids), the format of a Raft entry, the rules by which
// a command succeeds or is refused, and snapshots. It must not know Raft, gRPC,
// clocks or randomness: the same entries give the same state on every member,
// whenever and wherever they are applied. Time comes in the envelope.
//
// Two kinds of failure are kept apart. A command that cannot be done is refused:
// a result, equal on all members. An entry that no member can have written (bad
// checksum, undecodable, a schema of the future, another cluster) is a broken
// invariant: Apply returns an error, and the member must stop.
//
// Concurrency: Apply and Restore are called by one goroutine at a time. State,
// Changed and Snapshot may be called by any; a State never changes, and neither
// does any message reached from it: clone before changing one.
package fsm
