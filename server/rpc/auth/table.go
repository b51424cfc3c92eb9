package auth

import (
	"slices"

	"roster/client/identity"
	peerv1 "roster/proto/roster/peer/v1"
	v1 "roster/proto/roster/v1"
)

// The sets of roles that methods are open to. Users are administrators for now.
var (
	// readers see the whole cluster: its operators and its members.
	readers = []identity.Role{identity.User, identity.Member}
	// operators change things.
	operators = []identity.Role{identity.User}
	// joiners take a member into the cluster: the operator, or the new member by
	// itself.
	joiners = []identity.Role{identity.User, identity.Member}
	agents  = []identity.Role{identity.Agent}
	members = []identity.Role{identity.Member}
	anybody = []identity.Role{identity.User, identity.Member, identity.Agent}
)

// table is every method that may be called, by its full name. A method that is
// not here is denied to all.
var table = map[string][]identity.Role{
	v1.TopologyService_PlanTopology_FullMethodName:          readers,
	v1.TopologyService_ApplyTopology_FullMethodName:         operators,
	v1.TopologyService_GetTopology_FullMethodName:           readers,
	v1.TopologyService_ListTopologyRevisions_FullMethodName: readers,
	v1.TopologyService_DiffTopology_FullMethodName:          readers,
	v1.TopologyService_RollbackTopology_FullMethodName:      operators,

	v1.NodeService_ListNodes_FullMethodName:   readers,
	v1.NodeService_GetNode_FullMethodName:     readers,
	v1.NodeService_WatchNodes_FullMethodName:  readers,
	v1.NodeService_UpdateNode_FullMethodName:  operators,
	v1.NodeService_UpdateNodes_FullMethodName: operators,
	v1.NodeService_CordonNode_FullMethodName:  operators,
	v1.NodeService_RemoveNode_FullMethodName:  operators,

	v1.NodeService_DrainNode_FullMethodName:    operators,
	v1.NodeService_UndrainNode_FullMethodName:  operators,
	v1.NodeService_ActivateNode_FullMethodName: operators,
	v1.NodeService_AdoptNode_FullMethodName:    operators,
	v1.NodeService_ReplaceNode_FullMethodName:  operators,
	v1.NodeService_CheckStop_FullMethodName:    readers,

	v1.PlanService_ListPlans_FullMethodName:   readers,
	v1.PlanService_GetPlan_FullMethodName:     readers,
	v1.PlanService_ApprovePlan_FullMethodName: operators,
	v1.PlanService_RejectPlan_FullMethodName:  operators,

	v1.RolloutService_GetRollout_FullMethodName:    readers,
	v1.RolloutService_PauseRollout_FullMethodName:  operators,
	v1.RolloutService_ResumeRollout_FullMethodName: operators,
	v1.RolloutService_AbortRollout_FullMethodName:  operators,

	v1.WhatIfService_Simulate_FullMethodName: readers,
	v1.WhatIfService_Survive_FullMethodName:  readers,
	v1.WhatIfService_Explain_FullMethodName:  readers,

	v1.GuardService_CreateFreeze_FullMethodName: operators,
	v1.GuardService_DeleteFreeze_FullMethodName: operators,
	v1.GuardService_GetGuard_FullMethodName:     readers,
	v1.GuardService_OverrideHold_FullMethodName: operators,

	v1.AssignmentService_ListAssignments_FullMethodName:  readers,
	v1.AssignmentService_WatchAssignments_FullMethodName: readers,

	v1.EndpointService_ListEndpoints_FullMethodName:  readers,
	v1.EndpointService_WatchEndpoints_FullMethodName: readers,

	v1.ClusterService_GetStatus_FullMethodName:          readers,
	v1.ClusterService_ListMembers_FullMethodName:        readers,
	v1.ClusterService_JoinMember_FullMethodName:         joiners,
	v1.ClusterService_RemoveMember_FullMethodName:       operators,
	v1.ClusterService_TransferLeadership_FullMethodName: operators,
	v1.ClusterService_SnapshotMember_FullMethodName:     operators,
	// The whole state, every caller's requests included.
	v1.ClusterService_SaveSnapshot_FullMethodName: operators,

	v1.EventService_ListEvents_FullMethodName:  readers,
	v1.EventService_WatchEvents_FullMethodName: readers,

	v1.AgentService_Session_FullMethodName: agents,

	peerv1.PeerService_Propose_FullMethodName:    members,
	peerv1.PeerService_ReadIndex_FullMethodName:  members,
	peerv1.PeerService_Relay_FullMethodName:      members,
	peerv1.PeerService_Promote_FullMethodName:    members,
	peerv1.PeerService_Membership_FullMethodName: members,
	peerv1.PeerService_Contacts_FullMethodName:   members,

	"/grpc.health.v1.Health/Check":                                   anybody,
	"/grpc.health.v1.Health/List":                                    anybody,
	"/grpc.health.v1.Health/Watch":                                   anybody,
	"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo":      anybody,
	"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": anybody,
}

// allowed says whether a role may call a method, and which roles may. The name
// is compared whole, slash included.
func allowed(method string, role identity.Role) (roles []identity.Role, ok bool) {
	roles = table[method]
	return roles, slices.Contains(roles, role)
}
