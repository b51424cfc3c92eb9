package fakemember

import (
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "roster/proto/roster/v1"
)

// Began is the moment of everything in the samples.
var Began = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func at(seconds int) *timestamppb.Timestamp {
	return timestamppb.New(Began.Add(time.Duration(seconds) * time.Second))
}

// Sample is a healthy cluster of ten nodes in six zones with a topology where
// each service has two nodes of its own.
func Sample() *v1.Status {
	services := []string{"imap", "jmap", "webdav", "smtp-inbound", "smtp-outbound"}
	s := &v1.Status{
		State:     v1.StatusState_STATUS_STATE_OK,
		Topology:  &v1.StatusTopology{Name: "service-specific", Revision: 3},
		Settled:   true,
		Services:  map[string]*v1.ServiceStatus{},
		Cluster:   "example-mail",
		ClusterId: "0198f3a2-0000-7000-8000-000000000001",
		Epoch:     1, Index: 421, Term: 2,
		Profile:    v1.TimingProfile_TIMING_PROFILE_LAN,
		AnsweredBy: "m1",
		Time:       at(5),
		Members: []*v1.StatusMember{
			{Id: "id-1", Name: "m1", Address: "127.0.0.1:7101", Voter: true, State: v1.MemberState_MEMBER_STATE_UP, Leader: true},
			{Id: "id-2", Name: "m2", Address: "127.0.0.1:7102", Voter: true, State: v1.MemberState_MEMBER_STATE_UP},
			{Id: "id-3", Name: "m3", Address: "127.0.0.1:7103", Voter: true, State: v1.MemberState_MEMBER_STATE_UP},
		},
	}
	for i := range 10 {
		service := services[i/2]
		id := fmt.Sprintf("node-%d", i+1)
		zone := []string{"a1", "a1", "a2", "b1", "b1", "b2", "c1", "c1", "c2", "c2"}[i]
		s.Nodes = append(s.Nodes, &v1.NodeStatus{
			Id: id, Region: zone[:1], Zone: zone, State: v1.NodeState_NODE_STATE_UP,
			Services: []string{service}, Pools: []string{service},
		})
		s.Endpoints = append(s.Endpoints, &v1.StatusEndpoint{
			Service: service, Node: id, Address: fmt.Sprintf("127.0.0.1:%d", 20001+i), State: v1.EndpointState_ENDPOINT_STATE_READY,
		})
		entry := s.Services[service]
		if entry == nil {
			entry = &v1.ServiceStatus{Floor: 1, FloorInForce: 1}
			s.Services[service] = entry
		}
		entry.Ready++
		entry.Wanted++
		entry.Nodes = append(entry.Nodes, id)
		slices.Sort(entry.Nodes)
	}
	return s
}

// Broken is the sample with node-2 down, node-5 draining, node-7 starting and
// WebDAV under its floor.
func Broken() *v1.Status {
	s := Sample()
	s.State = v1.StatusState_STATUS_STATE_FLOOR_BROKEN
	s.Settled = false
	s.Sentences = []string{
		"node-2 is down since 12:00:01: no member heard it for 10s; its imap is unknown.",
		"webdav has 0 of 1 ready nodes: it starts on node-4.",
	}
	s.Shortages = []*v1.Shortage{{Pool: "imap", Wanted: 2, Got: 1, Reason: "node-2 is down and no other node is free"}}
	s.Nodes[1].State = v1.NodeState_NODE_STATE_DOWN
	s.Nodes[2].Cordoned = true
	s.Nodes[4].Draining, s.Nodes[4].Services = []string{"webdav"}, nil
	s.Nodes[5].State = v1.NodeState_NODE_STATE_SUSPECT
	s.Services["imap"].Ready, s.Services["imap"].Nodes = 1, []string{"node-1"}
	s.Services["webdav"] = &v1.ServiceStatus{Floor: 2, FloorInForce: 1, Wanted: 1}
	s.Services["smtp-inbound"].Ready, s.Services["smtp-inbound"].Nodes = 1, []string{"node-8"}
	s.Endpoints[1].State = v1.EndpointState_ENDPOINT_STATE_UNKNOWN
	s.Endpoints[4].State = v1.EndpointState_ENDPOINT_STATE_DRAINING
	s.Endpoints[5].State = v1.EndpointState_ENDPOINT_STATE_NOT_READY
	return s
}

// Events are a few that go with the samples.
func Events() []*v1.Event {
	return []*v1.Event{
		{Index: 410, Time: at(0), Kind: "topology.applied", Actor: "roster://example-mail/user/local", Revision: 3, Message: "topology service-specific is revision 3"},
		{Index: 415, Time: at(1), Kind: "node.down", Node: "node-2", Message: "node-2 is down", Reason: "no member heard it for 10s"},
		{Index: 415, Ordinal: 1, Time: at(1), Kind: "assignment.start", Node: "node-4", Service: "webdav", Pool: "webdav", Reason: "webdav has one node too few"},
	}
}
