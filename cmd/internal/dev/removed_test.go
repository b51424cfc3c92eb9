package dev

import (
	"context"
	"strings"
	"testing"
	"time"

	"roster/client"
	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
)

func TestARemovedMemberIsGoneAndTheRestRunsOn(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	source, _ := topology.Example("unified")
	top, err := topology.Parse("unified.yaml", source)
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := NodesFrom("2")
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := Start(ctx, Options{Members: 3, Nodes: nodes, Dir: t.TempDir(), Version: "test"}, top)
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	api, err := client.New(client.Config{Members: cluster.Addresses()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = api.Close() }()
	members := v1.NewClusterServiceClient(api)
	list, err := members.ListMembers(ctx, &v1.ListMembersRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list.GetMembers() {
		if m.GetVersion() != "test" {
			t.Errorf("member %s says that it is version %q", m.GetName(), m.GetVersion())
		}
		if m.GetName() != "m1" {
			continue
		}
		if _, err := members.RemoveMember(ctx, &v1.RemoveMemberRequest{RequestId: api.RequestID(), Id: m.GetId()}); err != nil {
			t.Fatal(err)
		}
	}
	gone := cluster.members[0]
	err = until(ctx, func() (bool, error) {
		gone.mu.Lock()
		defer gone.mu.Unlock()
		return gone.removed, cluster.ctx.Err()
	})
	if err != nil {
		t.Fatalf("m1 does not end: %v", err)
	}
	select {
	case <-cluster.Failed():
		t.Fatalf("the cluster ended with it: %v", cluster.Err())
	default:
	}
	if list, err = members.ListMembers(ctx, &v1.ListMembersRequest{}); err != nil || len(list.GetMembers()) != 2 {
		t.Errorf("members are %v, %v", list, err)
	}
	if err := cluster.Revive("m1"); err == nil || !strings.Contains(err.Error(), "was removed from the cluster") {
		t.Errorf("reviving it: %v", err)
	}
	if err := cluster.Kill("m1"); err == nil {
		t.Error("it is killed a second time")
	}
}
