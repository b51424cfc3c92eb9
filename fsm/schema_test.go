package fsm

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// initialisedAt is a machine whose cluster began with an older schema, which its
// leader writes.
func initialisedAt(t testing.TB, schema uint32) *rig {
	b := blank(t, standardLimits)
	b.schema = schema
	b.mustDo(&storev1.InitCluster{Cluster: &v1.Cluster{Id: clusterID, Name: "example", Schema: schema}})
	return b
}

// schema2Commands is one of each command that schema 2 brought.
func schema2Commands() []*storev1.Command {
	var commands []*storev1.Command
	for _, c := range []proto.Message{
		&storev1.DrainNode{}, &storev1.ActivateNode{}, &storev1.AdoptNode{}, &storev1.ReplaceNode{}, &storev1.CreateFreeze{},
		&storev1.DeleteFreezes{}, &storev1.OverrideHold{}, &storev1.DecidePlan{}, &storev1.SettleRollout{}, &storev1.NoteAgent{},
		&storev1.RaiseEpoch{},
		&storev1.MoveAssignments{Nodes: []*storev1.NodeMoves{{Moves: []*v1.Move{{Borrowed: true}}}}},
	} {
		commands = append(commands, wrap(c))
	}
	return commands
}

// schema3Commands is one of each command that schema 3 brought.
func schema3Commands() []*storev1.Command {
	var commands []*storev1.Command
	for _, c := range []proto.Message{
		&storev1.PauseRollout{}, &storev1.AbortRollout{}, &storev1.SettleCanary{},
		&storev1.MoveAssignments{WithParts: true}, &storev1.MoveAssignments{AcceptGap: true}, &storev1.ApplyTopology{AcceptGap: true},
		apply(&v1.Topology{Pools: []*v1.Pool{{Shared: true}}}), apply(&v1.Topology{Survives: &v1.Survives{}}),
		apply(&v1.Topology{Policy: &v1.Policy{Rollout: &v1.RolloutPolicy{}}}),
		apply(&v1.Topology{Services: []*v1.Service{{Floors: []*v1.Floor{{Min: 1}}}}}),
		apply(&v1.Topology{Services: []*v1.Service{{Data: v1.Data_DATA_SHARED}}}),
	} {
		commands = append(commands, wrap(c))
	}
	return commands
}

func TestACommandThatSomeMemberCannotReadIsRefused(t *testing.T) {
	t.Run("of schema 2", func(t *testing.T) { refusesNewer(t, 1, schema2Commands()) })
	t.Run("of schema 3", func(t *testing.T) { refusesNewer(t, 2, schema3Commands()) })
}

func refusesNewer(t *testing.T, schema uint32, commands []*storev1.Command) {
	b := initialisedAt(t, schema)
	for _, id := range []string{"m1", "m2"} {
		old := member(id)
		old.MaxSchema = schema
		b.mustDo(&storev1.PutMember{Member: old})
	}
	b.mustDo(&storev1.PutMember{Member: member("m1")})
	for _, c := range commands {
		if SchemaOf(c) != schema+1 {
			t.Errorf("%v is of schema %d", c, SchemaOf(c))
		}
		env := b.envelope(&storev1.RemoveMember{})
		env.Command = c
		before := b.content()
		r := b.send(env)
		if r.GetRefusal().GetReason() != ReasonSchema || r.GetChanged() || b.content() != before {
			t.Errorf("%s in an entry of schema %d: %v", commandName(env), schema, r)
		}
		told := b.m.State().Unread(c)
		if told.GetRefusal().GetReason() != ReasonSchema || !strings.Contains(told.GetRefusal().GetMessage(), "upgrade name-m2") {
			t.Errorf("the leader does not refuse %s, naming who cannot read it: %v", commandName(env), told)
		}
		if strings.Contains(told.GetRefusal().GetMessage(), "name-m1") {
			t.Errorf("it blames a member that can: %v", told)
		}
	}
	if b.m.State().Unread(wrap(&storev1.CordonNode{})) != nil || New().State().Unread(commands[0]) != nil {
		t.Error("what all can read is refused")
	}
}

func TestTheSchemaIsRaisedOnceEveryMemberReadsMore(t *testing.T) {
	b := initialisedAt(t, 1)
	for _, id := range []string{"m1", "m2", "m3"} {
		old := member(id)
		old.MaxSchema = 1
		b.mustDo(&storev1.PutMember{Member: old})
	}
	for _, id := range []string{"m1", "m2"} {
		b.mustDo(&storev1.PutMember{Member: member(id)})
		if got := b.m.State().Cluster().GetSchema(); got != 1 {
			t.Fatalf("schema %d is written, which m3 cannot read", got)
		}
	}
	header := records(t, snapshotOf(t, b.m))[0].GetHeader()
	if header.GetSchema() != 1 {
		t.Fatalf("a snapshot of schema %d, which m3 cannot read", header.GetSchema())
	}
	b.mustDo(&storev1.RemoveMember{Id: "m3"})
	if got := b.m.State().Cluster().GetSchema(); got != Schema {
		t.Fatalf("schema %d, though every member reads %d", got, Schema)
	}
	b.wantEvent(EventClusterSchema, nil)
	if got := records(t, snapshotOf(t, b.m))[0].GetHeader().GetSchema(); got != Schema {
		t.Fatalf("a snapshot of schema %d", got)
	}
	old := member("m3")
	old.MaxSchema = 1
	b.refuse(ReasonSchema, &storev1.PutMember{Member: old})
	for _, c := range append(schema2Commands(), schema3Commands()...) {
		if r := b.m.State().Unread(c); r != nil {
			t.Errorf("still refused: %v", r)
		}
	}
}

// What schema 2 keeps must not show before every member keeps it.
func TestNothingOfSchema2ShowsInALogOfSchema1(t *testing.T) {
	b := initialisedAt(t, 1)
	c := claims("imap")
	c.Mode, c.Services[0].NeverStop = v1.AgentMode_AGENT_MODE_OBSERVE, true
	b.register("node-1", c)
	b.topology(unified("imap"))
	b.serve("node-1", "imap")
	report := b.reports("node-1", failing, "imap")
	report.Frozen, report.Ahead = "no", &v1.SetVersion{Epoch: 1, Generation: 9}
	b.mustDo(report)
	down := b.state("node-1", v1.NodeState_NODE_STATE_DOWN)
	down.Hold = &storev1.HoldChange{Hold: &v1.Hold{SilentCount: 4, Registered: 10}}
	b.mustDo(down)
	b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_UP))
	b.mustDo(b.wave(stop("node-1", "imap")))
	s := b.m.State()
	n := s.Node("node-1")
	if n.GetMode() != 0 || n.GetFlaps() != 0 || n.GetReturnedAt() != nil || len(n.GetTroubles()) != 0 || n.GetFrozen() != "" || n.GetAhead() != nil ||
		n.GetClaims().GetMode() != 0 || n.GetClaims().GetServices()[0].GetNeverStop() || n.GetUnconfirmed() {
		t.Errorf("node: %v", n)
	}
	if s.Hold() != nil || s.RolloutOrder() != nil || len(s.Freezes()) != 0 || len(s.Approvals()) != 0 {
		t.Error("the state restrains or permits")
	}
}

// What schema 3 keeps must not show before every member keeps it.
func TestNothingOfSchema3ShowsInALogOfSchema2(t *testing.T) {
	b := initialisedAt(t, 2)
	b.register("node-1", claims("imap"))
	local := claims("imap")
	local.Services[0].Data = v1.Data_DATA_LOCAL
	b.register("node-2", local)
	b.topology(unified("imap"))
	b.serve("node-1", "imap")
	b.topology(floor(unified("imap"), "imap", 1))
	b.mustDo(b.wave(rebalance(start("node-2", "imap"))))
	for range 2 {
		if o := b.m.State().RolloutOrder(); !proto.Equal(o, &storev1.RolloutOrder{Order: o.GetOrder(), Open: true}) {
			t.Errorf("order: %v", o)
		}
		b.mustDo(&storev1.DrainNode{Id: "node-1", Drained: true})
	}
	s := b.m.State()
	if n := s.Node("node-1"); len(n.GetHolds()) != 0 {
		t.Errorf("node: %v", n)
	}
	if len(s.Floors()) != 1 || Placement(s, s.Effective(), b.now).Parts != nil {
		t.Errorf("floors: %v", s.Floors())
	}
}
