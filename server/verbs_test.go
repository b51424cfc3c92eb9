package server

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"roster/fsm"
	v1 "roster/proto/roster/v1"
)

// What is asked of a follower is done by the leader, and every member tells of
// it; who may be stopped follows from who answers now.
func TestTheVerbsOfFailoverWorkOnEveryMember(t *testing.T) {
	t.Parallel() // it waits most of the time
	g := startGroup(t, 3, nil)
	follower, leader := g.follower(), g.leader()
	asked := g.client("", follower.address)
	made, err := v1.NewGuardServiceClient(asked).CreateFreeze(g.within(), &v1.CreateFreezeRequest{
		RequestId: asked.RequestID(), For: durationpb.New(time.Hour), Reason: "storage is moved",
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range g.members {
		c := g.client("", r.address)
		guard, err := v1.NewGuardServiceClient(c).GetGuard(g.within(), &v1.GetGuardRequest{})
		if err != nil || len(guard.GetFreezes()) != 1 || guard.GetFreezes()[0].GetId() != made.GetFreeze().GetId() {
			t.Errorf("member %s: %v, %v", r.name, guard, err)
		}
		status, err := v1.NewClusterServiceClient(c).GetStatus(g.within(), &v1.GetStatusRequest{})
		if err != nil || status.GetStatus().GetState() != v1.StatusState_STATUS_STATE_FROZEN || !strings.HasPrefix(status.GetStatus().GetSentences()[0], "Frozen: all until") {
			t.Errorf("member %s: %v, %v", r.name, status, err)
		}
	}

	stream, err := v1.NewClusterServiceClient(asked).SaveSnapshot(g.within(), &v1.SaveSnapshotRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var file []byte
	for {
		piece, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		file = append(file, piece.GetData()...)
	}
	restored := fsm.New()
	if err := restored.Restore(bytes.NewReader(file)); err != nil || len(restored.State().Freezes()) != 1 {
		t.Errorf("restored from what was saved: %v, %v", restored.State().Freezes(), err)
	}

	check := func(members ...string) *v1.CheckStopResponse {
		t.Helper()
		answer, err := v1.NewNodeServiceClient(g.client("", leader.address)).CheckStop(g.within(), &v1.CheckStopRequest{Members: members})
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	var third *running
	for _, r := range g.members {
		if r != follower && r != leader {
			third = r
		}
	}
	if one := check(third.name); !one.GetOk() {
		t.Errorf("one of three: %v", one.GetReasons())
	}
	if two := check(third.name, leader.name); two.GetOk() {
		t.Errorf("two of three: %v", two.GetReasons())
	}
	g.end(follower)
	if one := check(third.name); one.GetOk() || !strings.Contains(strings.Join(one.GetReasons(), ""), follower.name+": silent already") {
		t.Errorf("one of three, where another is silent: %v", one.GetReasons())
	}
}
