package raftnode

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"roster/fsm"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// In the log, a command that a member cannot read would stop that member: it is
// refused before.
func TestACommandThatSomeMemberCannotReadIsNotWritten(t *testing.T) {
	machine := fsm.New()
	entry, err := fsm.EncodeEntry([]*storev1.Envelope{{
		Schema: 1, ClusterId: "c", Time: timestamppb.New(time.Unix(0, 0)),
		Command: &storev1.Command{Command: &storev1.Command_InitCluster{InitCluster: &storev1.InitCluster{Cluster: &v1.Cluster{Id: "c", Name: "old", Schema: 1}}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := machine.Apply(1, entry); err != nil {
		t.Fatal(err)
	}
	// A node without a log: what is written here panics.
	n := &Node{cfg: Config{Machine: machine}}
	if got := n.schema(); got != 1 {
		t.Fatalf("the leader writes schema %d", got)
	}
	results, err := n.proposeReadable(t.Context(), nil, []*storev1.Envelope{
		{Command: &storev1.Command{Command: &storev1.Command_DrainNode{DrainNode: &storev1.DrainNode{Id: "node-1", Drained: true}}}},
		{Command: &storev1.Command{Command: &storev1.Command_RaiseEpoch{RaiseEpoch: &storev1.RaiseEpoch{Epoch: 9}}}},
	})
	if err != nil || len(results) != 2 {
		t.Fatalf("%v, %v", results, err)
	}
	for _, r := range results {
		if r.GetRefusal().GetReason() != fsm.ReasonSchema || r.GetIndex() != 1 || r.GetChanged() {
			t.Errorf("result: %v", r)
		}
	}
}
