package fsm

import (
	v1 "roster/proto/roster/v1"
)

// Kinds of events.
const (
	EventClusterInitialised = "cluster.initialised"
	EventTopologyApplied    = "topology.applied"
	EventTopologyRolledBack = "topology.rolled_back"
	EventNodeRegistered     = "node.registered"
	EventNodeUp             = "node.up"
	EventNodeSuspect        = "node.suspect"
	EventNodeDown           = "node.down"
	EventNodeUpdated        = "node.updated"
	EventNodeCordoned       = "node.cordoned"
	EventNodeUncordoned     = "node.uncordoned"
	EventNodeRemoved        = "node.removed"
	EventAssignmentStart    = "assignment.start"
	EventAssignmentDrain    = "assignment.drain"
	EventAssignmentStop     = "assignment.stop"
	EventAssignmentUndrain  = "assignment.undrain"
	EventAssignmentPool     = "assignment.pool"
	EventServiceReady       = "service.ready"
	EventServiceNotReady    = "service.not_ready"
	EventFloorReached       = "floor.reached"
	EventFloorBroken        = "floor.broken"
	EventFloorRestored      = "floor.restored"
	EventMemberAdded        = "member.added"
	EventMemberChanged      = "member.changed"
	EventMemberRemoved      = "member.removed"
	EventClusterSchema      = "cluster.schema"
	EventEpochRaised        = "epoch.raised"
	EventNodeDrain          = "node.drain"
	EventNodeUndrain        = "node.undrain"
	EventNodeDrained        = "node.drained"
	EventNodeActivated      = "node.activated"
	EventNodeObserving      = "node.observing"
	EventNodeAdopted        = "node.adopted"
	EventNodeAhead          = "node.ahead"
	EventNodeReplaced       = "node.replaced"
	EventNodeConfirmed      = "node.confirmed"
	EventNodeFrozen         = "node.frozen"
	EventNodeUnfrozen       = "node.unfrozen"
	EventAgentRefused       = "agent.refused"
	EventAssignmentLoan     = "assignment.loan"
	EventAssignmentReturned = "assignment.returned"
	EventFreezeCreated      = "freeze.created"
	EventFreezeEnded        = "freeze.ended"
	EventFreezeExpired      = "freeze.expired"
	EventHoldBegan          = "hold.began"
	EventHoldChanged        = "hold.changed"
	EventHoldEnded          = "hold.ended"
	EventHoldOverridden     = "hold.overridden"
	EventPlanApproved       = "plan.approved"
	EventPlanRejected       = "plan.rejected"
	EventRolloutSettled     = "rollout.settled"
	EventRolloutPaused      = "rollout.paused"
	EventRolloutResumed     = "rollout.resumed"
	EventRolloutAborted     = "rollout.aborted"
	EventGapAccepted        = "rollout.gap_accepted"
	EventCanaryPassed       = "canary.passed"
	EventCanaryFailed       = "canary.failed"
)

// EventKinds lists every kind.
func EventKinds() []string {
	return []string{
		EventClusterInitialised,
		EventTopologyApplied,
		EventTopologyRolledBack,
		EventNodeRegistered,
		EventNodeUp,
		EventNodeSuspect,
		EventNodeDown,
		EventNodeUpdated,
		EventNodeCordoned,
		EventNodeUncordoned,
		EventNodeRemoved,
		EventAssignmentStart,
		EventAssignmentDrain,
		EventAssignmentStop,
		EventAssignmentUndrain,
		EventAssignmentPool,
		EventServiceReady,
		EventServiceNotReady,
		EventFloorReached,
		EventFloorBroken,
		EventFloorRestored,
		EventMemberAdded,
		EventMemberChanged,
		EventMemberRemoved,
		EventClusterSchema,
		EventEpochRaised,
		EventNodeDrain,
		EventNodeUndrain,
		EventNodeDrained,
		EventNodeActivated,
		EventNodeObserving,
		EventNodeAdopted,
		EventNodeAhead,
		EventNodeReplaced,
		EventNodeConfirmed,
		EventNodeFrozen,
		EventNodeUnfrozen,
		EventAgentRefused,
		EventAssignmentLoan,
		EventAssignmentReturned,
		EventFreezeCreated,
		EventFreezeEnded,
		EventFreezeExpired,
		EventHoldBegan,
		EventHoldChanged,
		EventHoldEnded,
		EventHoldOverridden,
		EventPlanApproved,
		EventPlanRejected,
		EventRolloutSettled,
		EventRolloutPaused,
		EventRolloutResumed,
		EventRolloutAborted,
		EventGapAccepted,
		EventCanaryPassed,
		EventCanaryFailed,
	}
}

// eventOverhead stands for what an event costs beside its names: its sentences
// too, whose length must not decide what is kept, since wording may differ from
// build to build.
const eventOverhead = 512

// eventSize is the part of eventBytes that an event takes: our own count, the
// same in every build.
func eventSize(e *v1.Event) int {
	return eventOverhead + len(e.GetKind()) + len(e.GetActor()) + len(e.GetRequestId()) + len(e.GetNode()) + len(e.GetService()) +
		len(e.GetPool()) + len(e.GetMember())
}

// emit records an event of the command at hand. The caller fills in what it is
// about.
func (d *draft) emit(e *v1.Event) {
	e.Index, e.Ordinal, e.Time = d.index, d.ordinal, d.env.GetTime()
	e.Actor, e.RequestId = d.env.GetCaller(), d.env.GetRequestId()
	d.ordinal++
	d.events.push(e)
	d.eventBytes += eventSize(e)
}

// trimEvents drops the oldest events, whole entries at a time: a reader that
// resumes after an index has then seen all of that entry or none.
func (d *draft) trimEvents() {
	for d.events.len() > 0 {
		oldest := d.events.at(0)
		over := d.events.len() > d.limits.events || d.eventBytes > d.limits.eventBytes
		if !over && oldest.GetIndex() != d.eventsDropped {
			return
		}
		d.events.pop()
		d.eventBytes -= eventSize(oldest)
		d.eventsDropped = oldest.GetIndex()
	}
}
