package fsm

import (
	"fmt"

	storev1 "roster/proto/roster/store/v1"
)

// The gRPC codes that refusals carry, by number: this package does not import
// gRPC. See google/rpc/code.proto.
const (
	codeInvalidArgument    = 3
	codeNotFound           = 5
	codeAlreadyExists      = 6
	codeResourceExhausted  = 8
	codeFailedPrecondition = 9
	codeAborted            = 10
	codeOutOfRange         = 11
	codeInternal           = 13
)

// Reasons of refusals, for programs.
const (
	ReasonInvalid            = "INVALID"
	ReasonNotInitialised     = "NOT_INITIALISED"
	ReasonAlreadyInitialised = "ALREADY_INITIALISED"
	ReasonRequestIDInvalid   = "REQUEST_ID_INVALID"
	ReasonRequestIDReused    = "REQUEST_ID_REUSED"
	ReasonRequestIDTooOld    = "REQUEST_ID_TOO_OLD"
	ReasonRequestIDAhead     = "REQUEST_ID_AHEAD"
	ReasonStaleRevision      = "STALE_REVISION"
	ReasonStaleBasis         = "STALE_BASIS"
	ReasonStaleGeneration    = "STALE_GENERATION"
	ReasonStaleReport        = "STALE_REPORT"
	ReasonWrongCluster       = "WRONG_CLUSTER"
	ReasonRevisionNotKept    = "REVISION_NOT_KEPT"
	ReasonImpossible         = "IMPOSSIBLE"
	ReasonShortage           = "SHORTAGE"
	ReasonNeedsAllowStop     = "NEEDS_ALLOW_STOP"
	ReasonNoNode             = "NO_SUCH_NODE"
	ReasonNodeRemoved        = "NODE_REMOVED"
	ReasonNodeInUse          = "NODE_IN_USE"
	ReasonOtherInstance      = "OTHER_INSTANCE"
	ReasonNoMember           = "NO_SUCH_MEMBER"
	ReasonMemberExists       = "MEMBER_EXISTS"
	ReasonLastMember         = "LAST_MEMBER"
	ReasonSchema             = "SCHEMA"
	ReasonFull               = "FULL"
	ReasonFreezeExists       = "FREEZE_EXISTS"
	ReasonNoFreeze           = "NO_SUCH_FREEZE"
	ReasonObserves           = "OBSERVES"
	ReasonActs               = "ACTS"
	ReasonNotAhead           = "NOT_AHEAD"
	ReasonNoTopology         = "NO_TOPOLOGY"
	ReasonNotAsked           = "NOT_ASKED"
	ReasonStaleOrder         = "STALE_ORDER"
	ReasonStaleEpoch         = "STALE_EPOCH"
	ReasonNoRollout          = "NO_ROLLOUT"
	ReasonNotPaused          = "NOT_PAUSED"
	ReasonAborting           = "ABORTING"
	ReasonNothingBefore      = "NOTHING_BEFORE"
	ReasonUnsettled          = "UNSETTLED"
	ReasonNeedsAcceptGap     = "NEEDS_ACCEPT_GAP"
	ReasonSurvives           = "SURVIVES"
	ReasonInternal           = "INTERNAL"
)

// refused is the result of a command that was not done.
func refused(code uint32, reason, format string, args ...any) *storev1.Result {
	return &storev1.Result{Refusal: &storev1.Refusal{Code: code, Reason: reason, Message: fmt.Sprintf(format, args...)}}
}

// invalid is refused for a command that can never be done as it is written.
func invalid(err error) *storev1.Result {
	return refused(codeInvalidArgument, ReasonInvalid, "%s", err.Error())
}
