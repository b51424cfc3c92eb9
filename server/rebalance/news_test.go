package rebalance

import (
	"testing"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/server/internal/fixture"
)

const picky = `name: picky
pools:
  - {name: imap, services: [imap], count: 1, where: {disk: [fast]}, spread: [rack]}
services:
  - {name: imap, floor: 0, floors: [{min: 1, per: hall}]}
`

func TestWhatAPassLooksAtIsNewsAndOtherLabelsAreNot(t *testing.T) {
	label := func(key, value string) func(*fixture.Log) {
		return func(log *fixture.Log) {
			log.Must(&storev1.Command{Command: &storev1.Command_UpdateNode{UpdateNode: &storev1.UpdateNode{
				Id: "node-1", SetLabels: map[string]string{key: value},
			}}})
		}
	}
	for _, c := range []struct {
		name   string
		change func(*fixture.Log)
		news   bool
	}{
		{"a label that nothing looks at", label("bench", "1"), false},
		{"many of them", func(log *fixture.Log) { label("bench", "1")(log); label("bench", "2")(log) }, false},
		{"a label that a pool wants", label("disk", "fast"), true},
		{"a label that a pool is spread over", label("rack", "r1"), true},
		{"a label by which a floor goes", label("hall", "h1"), true},
		{"what is asked of parts of the nodes", func(log *fixture.Log) {
			log.Must(&storev1.Command{Command: &storev1.Command_MoveAssignments{MoveAssignments: &storev1.MoveAssignments{
				TopologyRevision: log.Machine.State().Topology().GetRevision(), WithParts: true,
				Parts: []*storev1.FloorInForce{{Service: "imap", Target: 1, Where: map[string]*v1.LabelValues{"hall": {Values: []string{"h1"}}}}},
			}}})
		}, true},
		{"a rollout that waits", func(log *fixture.Log) {
			log.Must(&storev1.Command{Command: &storev1.Command_PauseRollout{PauseRollout: &storev1.PauseRollout{Paused: true}}})
		}, true},
		{"a label that is no news, then one that is", func(log *fixture.Log) { label("bench", "1")(log); label("disk", "slow")(log) }, true},
		{"a topology", func(log *fixture.Log) { log.Apply(two) }, true},
		{"a new node", func(log *fixture.Log) { log.Register("node-2", "imap") }, true},
		{"another agent", func(log *fixture.Log) {
			log.SetState("node-1", v1.NodeState_NODE_STATE_DOWN)
			log.RegisterAs("node-1", "another", fixture.Claims("imap"))
		}, true},
		{"a node that is gone", func(log *fixture.Log) { log.Remove("node-1") }, true},
		{"a node's state", func(log *fixture.Log) { log.SetState("node-1", v1.NodeState_NODE_STATE_SUSPECT) }, true},
		{"a move", func(log *fixture.Log) { log.Move("node-1", v1.Action_ACTION_START, "imap", "", "imap") }, true},
		{"a report", func(log *fixture.Log) { log.Obey("node-1") }, true},
		{"a cordon", func(log *fixture.Log) {
			log.Must(&storev1.Command{Command: &storev1.Command_CordonNode{CordonNode: &storev1.CordonNode{Id: "node-1", Cordoned: true}}})
		}, true},
		{"a place", func(log *fixture.Log) {
			zone := "z9"
			log.Must(&storev1.Command{Command: &storev1.Command_UpdateNode{UpdateNode: &storev1.UpdateNode{Id: "node-1", Zone: &zone}}})
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			log := fixture.New(t)
			log.Register("node-1", "imap")
			log.Apply(picky)
			l := New(Config{Machine: log.Machine})
			if !l.news(log.Machine.State()) {
				t.Fatal("the first state is no news")
			}
			l.seen = log.Machine.State()
			if l.news(log.Machine.State()) {
				t.Fatal("the same state is news")
			}
			c.change(log)
			if got := l.news(log.Machine.State()); got != c.news {
				t.Errorf("news: %t, want %t", got, c.news)
			}
		})
	}
}
