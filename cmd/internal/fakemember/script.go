package fakemember

import (
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	v1 "roster/proto/roster/v1"
)

// ResponseOf reads the response of a method from protojson, so that test
// scripts can say what a member answers.
func ResponseOf(method string, text []byte) (proto.Message, error) {
	name := protoreflect.FullName("roster.v1." + method + "Response")
	kind, err := protoregistry.GlobalTypes.FindMessageByName(name)
	if err != nil {
		return nil, fmt.Errorf("method %s: %w", method, err)
	}
	response := kind.New().Interface()
	if err := protojson.Unmarshal(text, response); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return response, nil
}

// Code reads the word of a gRPC code, as UNAVAILABLE.
func Code(text string) (codes.Code, error) {
	var code codes.Code
	err := code.UnmarshalJSON([]byte(`"` + text + `"`))
	return code, err
}

// Healthy sets answers for a healthy cluster; Answer and Refuse change them.
func (m *Member) Healthy() {
	status := Sample()
	m.Answer("GetStatus", &v1.GetStatusResponse{Status: status})
	m.Answer("ListEvents", &v1.ListEventsResponse{Events: Events(), Index: status.GetIndex(), OldestIndex: 1})
	members := &v1.ListMembersResponse{Index: status.GetIndex()}
	for i, member := range status.GetMembers() {
		members.Members = append(members.Members, &v1.Member{
			Id: member.GetId(), Name: member.GetName(), Address: member.GetAddress(), Leader: member.GetLeader(), Voter: member.GetVoter(),
			RaftAddress: fmt.Sprintf("127.0.0.1:720%d", i+1), Version: "1.0.0", MaxSchema: 1,
		})
	}
	m.Answer("ListMembers", members)
	nodes := &v1.ListNodesResponse{Index: status.GetIndex()}
	assignments := &v1.ListAssignmentsResponse{Index: status.GetIndex()}
	endpoints := &v1.ListEndpointsResponse{Index: status.GetIndex()}
	for i := range status.GetNodes() {
		node := sampleNode(status, i)
		nodes.Nodes = append(nodes.Nodes, node)
		assignments.Nodes = append(assignments.Nodes, &v1.NodeAssignments{
			Node: node.GetId(), Generation: node.GetGeneration(), Index: node.GetIndex(), Assignments: node.GetAssignments(),
			Ready: status.GetNodes()[i].GetServices(),
		})
		for _, claim := range node.GetClaims().GetServices() {
			for _, endpoint := range claim.GetEndpoints() {
				shown := proto.CloneOf(endpoint)
				shown.State = v1.EndpointState_ENDPOINT_STATE_READY
				endpoints.Endpoints = append(endpoints.Endpoints, shown)
			}
		}
	}
	m.Answer("ListNodes", nodes)
	m.Answer("GetNode", &v1.GetNodeResponse{Node: nodes.GetNodes()[0], Index: status.GetIndex()})
	m.Answer("ListAssignments", assignments)
	m.Answer("ListEndpoints", endpoints)
}

// sampleNode is the record of one of the sample's nodes.
func sampleNode(status *v1.Status, i int) *v1.Node {
	short := status.GetNodes()[i]
	service := short.GetServices()[0]
	zone := short.GetZone()
	return &v1.Node{
		Id: short.GetId(), Instance: fmt.Sprintf("instance-%d", i+1), Region: short.GetRegion(), Zone: zone, Capacity: 100,
		Labels: map[string]string{"egress": "yes"},
		Claims: &v1.NodeClaims{Region: short.GetRegion(), Zone: "?", Capacity: 100, Services: []*v1.ServiceClaim{{
			Name: service, ChangeMode: v1.ChangeMode_CHANGE_MODE_LIVE, Driver: "process",
			Endpoints: []*v1.Endpoint{{Service: service, Node: short.GetId(), Host: "127.0.0.1", Port: uint32(20001 + i), Tls: v1.Tls_TLS_NONE}},
		}, {
			Name: "pop3", ChangeMode: v1.ChangeMode_CHANGE_MODE_RESTART, RestartGroup: "mail", Driver: "process",
		}}},
		Settings: &v1.NodeSettings{Zone: &zone, Labels: map[string]string{"egress": "yes"}},
		State:    short.GetState(), StateSince: at(-60), Generation: uint64(i + 1), ReportedGeneration: uint64(i + 1),
		AgentVersion: "1.0.0", RegisteredAt: at(-3600), Index: uint64(400 + i),
		Assignments: []*v1.Assignment{{
			Service: service, Node: short.GetId(), Wanted: v1.Wanted_WANTED_SERVING, Pool: service,
			Reason: "the pool wants two nodes", Since: at(-30), Revision: 3,
		}},
		Reports: []*v1.ServiceReport{{Service: service, State: v1.ServiceState_SERVICE_STATE_SERVING, Since: at(-20), Sessions: 4, Detail: "greeted in 2 ms", Pid: 4711}},
	}
}
