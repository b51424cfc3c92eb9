package problem

import "roster/client"

// Reason is a word for programs. Words are part of the API: they are added,
// never changed. docs/api.md lists them.
type Reason string

// What a member says by itself. Refusals of the state machine bring their own
// words, see package fsm; where both mean the same, they are the same.
const (
	// NoLeader: the members have no leader; nothing was done.
	NoLeader Reason = client.NoLeader
	// NotLeader: the member that was asked does not lead; members only.
	NotLeader Reason = "NOT_LEADER"
	// NoQuorum: it would cost the quorum, or the quorum is lost.
	NoQuorum Reason = "NO_QUORUM"
	// UnknownOutcome: the change may or may not have been made.
	UnknownOutcome Reason = "UNKNOWN_OUTCOME"
	// Deadline: the caller's deadline passed first.
	Deadline Reason = "DEADLINE"

	// InvalidArgument: the request can never be done as it is.
	InvalidArgument Reason = "INVALID"
	// BadTopology: the file is wrong; the message has line and column.
	BadTopology Reason = "BAD_TOPOLOGY"
	// Conflict: the rules contradict each other.
	Conflict Reason = "IMPOSSIBLE"
	// Shortage: today's nodes cannot fill it.
	Shortage Reason = "SHORTAGE"
	// NeedsAllowStop: it stops more than is done without being told.
	NeedsAllowStop Reason = "NEEDS_ALLOW_STOP"
	// NeedsAcceptGap: floors cannot be kept on the way.
	NeedsAcceptGap Reason = "NEEDS_ACCEPT_GAP"
	// Survives: it would not survive what it promises to.
	Survives Reason = "SURVIVES"
	// NotFound: there is no such thing.
	NotFound Reason = "NOT_FOUND"
	// NoTopology: none was applied yet.
	NoTopology Reason = "NO_TOPOLOGY"
	// StaleRevision: another topology is in force than was expected.
	StaleRevision Reason = "STALE_REVISION"
	// StaleBasis: what a plan relied on changed.
	StaleBasis Reason = "STALE_BASIS"
	// StalePlan: it is not what is proposed now.
	StalePlan Reason = "STALE_PLAN"
	// NotAsked: policy does not ask the operator.
	NotAsked Reason = "NOT_ASKED"
	// StaleGeneration: a node's set is another than was expected.
	StaleGeneration Reason = "STALE_GENERATION"
	// RequestIDTooOld: it cannot be told whether it was done before.
	RequestIDTooOld Reason = "REQUEST_ID_TOO_OLD"
	// RequestIDReused: it was used for other content.
	RequestIDReused Reason = "REQUEST_ID_REUSED"
	// Compacted: what was asked for is no longer kept.
	Compacted Reason = "COMPACTED"

	// WrongCluster: the call is for another cluster.
	WrongCluster Reason = "WRONG_CLUSTER"
	// Unauthenticated: it is not known who calls.
	Unauthenticated Reason = "UNAUTHENTICATED"
	// WrongRole: the caller's role may not call this.
	WrongRole Reason = "WRONG_ROLE"
	// WrongNode: an agent spoke for a node that is not its own.
	WrongNode Reason = "WRONG_NODE"

	// Ahead: an agent holds a newer history than the cluster's.
	Ahead Reason = "AHEAD"
	// NodeTaken: another live agent has this node.
	NodeTaken Reason = "NODE_TAKEN"
	// NodeRemoved: the node was removed.
	NodeRemoved Reason = "NODE_REMOVED"
	// Replaced: the agent opened a newer session.
	Replaced Reason = "REPLACED"
	// SlowReader: the other side did not read in time.
	SlowReader Reason = "SLOW_READER"
	// Busy: the member has as many handshakes as it takes a second.
	Busy Reason = "BUSY"
	// Silent: the session's other side said nothing for too long.
	Silent Reason = "SILENT"

	// Internal: a fault of Roster's own.
	Internal Reason = "INTERNAL"
)
