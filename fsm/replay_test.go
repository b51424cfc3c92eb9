package fsm

import (
	"bytes"
	"fmt"
	"maps"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"roster/fsm/rollout"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// tight limits make everything overflow in a short run.
var tight = limits{events: 40, eventBytes: 20_000, revisions: 3, requests: 6, nodes: 5, members: 3, freezes: 3}

// stranger makes commands, sensible ones and others, against a state.
type stranger struct {
	t *rapid.T
	m *Machine
	// What the leader writes, and every member reads.
	schema uint32
}

func (s stranger) node() string { return nodeID(rapid.IntRange(1, 6).Draw(s.t, "node")) }

func (s stranger) service() string { return rapid.SampledFrom(allServices[:3]).Draw(s.t, "service") }

func (s stranger) services() []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(allServices[:3]), 1, 3, rapid.ID).Draw(s.t, "services")
}

func (s stranger) often() bool { return rapid.IntRange(0, 7).Draw(s.t, "often") != 0 }

func (s stranger) instance(id string) string {
	if n := s.m.State().Node(id); n != nil && s.often() {
		return n.GetInstance()
	}
	return rapid.SampledFrom([]string{"i1", "i2", "i3"}).Draw(s.t, "instance")
}

func (s stranger) basis(id string) *storev1.NodeBasis {
	n := s.m.State().Node(id)
	b := &storev1.NodeBasis{Node: id, Generation: n.GetGeneration(), State: n.GetState()}
	if !s.often() {
		b.Generation += 1
	}
	return b
}

func (s stranger) topology() *v1.Topology {
	t := &v1.Topology{Name: rapid.SampledFrom([]string{"one", "two"}).Draw(s.t, "name")}
	services := s.services()
	for i, service := range services {
		t.Pools = append(t.Pools, &v1.Pool{
			Name: fmt.Sprintf("p%d", i), Services: []string{service}, Size: &v1.Pool_Count{Count: rapid.Uint32Range(1, 2).Draw(s.t, "count")},
		})
		t.Services = append(t.Services, &v1.Service{Name: service, Floor: proto.Uint32(rapid.Uint32Range(0, 2).Draw(s.t, "floor"))})
	}
	return t
}

func (s stranger) command() proto.Message {
	id := s.node()
	switch rapid.IntRange(0, 24).Draw(s.t, "command") {
	case 0:
		m := member(rapid.SampledFrom([]string{"m1", "m2", "m3", "m4"}).Draw(s.t, "member"))
		m.MaxSchema = s.schema
		return &storev1.PutMember{Member: m}
	case 1:
		return &storev1.RemoveMember{Id: rapid.SampledFrom([]string{"m1", "m2"}).Draw(s.t, "member")}
	case 2:
		c := apply(s.topology())
		c.AllowStop, c.AcceptShortage = s.often(), s.often()
		if !s.often() {
			c = &storev1.ApplyTopology{RollbackTo: rapid.Uint64Range(1, 5).Draw(s.t, "rollback"), AllowStop: true, AcceptShortage: true}
		}
		return c
	case 3, 4:
		c := claims(s.services()...)
		if s.often() {
			c = grouped(s.services()...)
		}
		c.Mode = v1.AgentMode(rapid.IntRange(0, 2).Draw(s.t, "mode"))
		c.Services[0].NeverStop = !s.often()
		return &storev1.RegisterNode{Id: id, Instance: s.instance(id), Claims: c, ReportedGeneration: rapid.Uint64Range(0, 4).Draw(s.t, "generation")}
	case 5, 6, 7:
		n := s.m.State().Node(id)
		c := &storev1.ReportNode{Id: id, Instance: s.instance(id), ReportedGeneration: n.GetGeneration()}
		if !s.often() && c.GetReportedGeneration() > 0 {
			c.ReportedGeneration--
		}
		for _, service := range s.services() {
			state := serving
			if !s.often() {
				state = v1.ServiceState(rapid.IntRange(1, 6).Draw(s.t, "state"))
			}
			c.Reports = append(c.Reports, &v1.ServiceReport{Service: service, State: state, Sessions: rapid.Uint32Range(0, 1).Draw(s.t, "sessions")})
		}
		if !s.often() {
			c.Frozen, c.Ahead = "by hand", &v1.SetVersion{Epoch: 1, Generation: rapid.Uint64Range(0, 90).Draw(s.t, "ahead")}
		}
		return c
	case 8:
		c := &storev1.SetNodeStates{Changes: []*storev1.NodeStateChange{
			{Id: id, Instance: s.instance(id), State: v1.NodeState(rapid.IntRange(0, 3).Draw(s.t, "state"))},
			{Id: s.node(), Instance: "i1", State: v1.NodeState_NODE_STATE_DOWN},
		}}
		if !s.often() {
			c.Hold = &storev1.HoldChange{Reason: "they were heard"}
			if rapid.Bool().Draw(s.t, "holds") {
				c.Hold.Hold = &v1.Hold{SilentCount: rapid.Uint32Range(3, 4).Draw(s.t, "silent"), Registered: 6, Slow: !s.often(), Silent: []string{id}}
			}
		}
		return c
	case 9:
		return &storev1.UpdateNode{Id: id, SetLabels: map[string]string{"a": s.service(), "b": "c"}, Capacity: proto.Uint32(rapid.Uint32Range(0, 2).Draw(s.t, "capacity"))}
	case 10:
		return &storev1.CordonNode{Id: id, Cordoned: rapid.Bool().Draw(s.t, "cordoned")}
	case 11:
		return &storev1.RemoveNode{Id: id, Force: rapid.Bool().Draw(s.t, "force")}
	case 12, 13, 14:
		return s.failover(id)
	default:
		return s.wave()
	}
}

// failover makes commands that schema 2 brought.
func (s stranger) failover(id string) proto.Message {
	scope := rapid.SampledFrom([]string{"", "all", "node:" + id, "service:imap", "region:a", "pool:p0"}).Draw(s.t, "scope")
	freeze := rapid.SampledFrom([]string{"f1", "f2", "f3", "f4"}).Draw(s.t, "freeze")
	within := durationpb.New(time.Duration(rapid.IntRange(0, 30).Draw(s.t, "within")) * time.Second)
	switch rapid.IntRange(0, 10).Draw(s.t, "failover") {
	case 0:
		return &storev1.DrainNode{Id: id, Drained: rapid.Bool().Draw(s.t, "drained"), Within: within}
	case 1:
		return &storev1.ActivateNode{Id: id, Observe: rapid.Bool().Draw(s.t, "observe")}
	case 2:
		return &storev1.AdoptNode{Id: id}
	case 3:
		return &storev1.ReplaceNode{Id: id, Force: s.often()}
	case 4:
		return &storev1.CreateFreeze{Freeze: &v1.Freeze{Id: freeze, Scope: scope, Reason: "r"}, Within: within}
	case 5:
		c := &storev1.DeleteFreezes{Expired: true}
		if !s.often() {
			c = &storev1.DeleteFreezes{Id: freeze}
		}
		return c
	case 6:
		return &storev1.OverrideHold{Reason: "r", Within: within}
	case 7:
		c := &storev1.DecidePlan{Approval: &v1.Approval{Id: freeze, Cause: v1.Cause(rapid.IntRange(0, 2).Draw(s.t, "cause")), Rejected: !s.often()}}
		c.Approval.Moves = s.moves(id)
		return c
	case 8:
		c := &storev1.SettleRollout{Revision: s.m.State().Topology().GetRevision(), Order: s.m.State().RolloutOrder().GetOrder()}
		if !s.often() {
			c.Order--
		}
		return c
	case 9:
		return &storev1.NoteAgent{Id: id, Instance: "i9", Reason: "r"}
	default:
		if s.often() {
			return &storev1.NoteAgent{Id: id, Instance: "i9", Reason: "r"}
		}
		return &storev1.RaiseEpoch{Epoch: s.m.State().Cluster().GetEpoch() + rapid.Uint64Range(0, 1).Draw(s.t, "epoch")}
	}
}

func (s stranger) wave() *storev1.MoveAssignments {
	state := s.m.State()
	c := &storev1.MoveAssignments{TopologyRevision: state.Topology().GetRevision(), Counted: []*storev1.NodeBasis{s.basis(s.node())}}
	for range rapid.IntRange(1, 3).Draw(s.t, "parts") {
		id := s.node()
		c.Nodes = append(c.Nodes, &storev1.NodeMoves{Basis: s.basis(id), Moves: s.moves(id)})
	}
	return c
}

func (s stranger) moves(id string) (moves []*v1.Move) {
	state := s.m.State()
	for range rapid.IntRange(1, 3).Draw(s.t, "moves") {
		service, pool := s.service(), ""
		for _, p := range state.Effective().GetPools() {
			if p.GetServices()[0] == service {
				pool = p.GetName()
			}
		}
		action := v1.Action_ACTION_START
		if have := assignment(state.Node(id), service); have != nil || !s.often() {
			action = v1.Action(rapid.IntRange(0, 5).Draw(s.t, "action"))
		}
		moves = append(moves, &v1.Move{Service: service, Pool: pool, Node: id, Action: action, Borrowed: !s.often()})
	}
	return moves
}

// old checks that nothing of schema 2 shows in a state of schema 1.
func old(t *rapid.T, s *State) {
	if len(s.Freezes()) > 0 || s.Hold() != nil || s.HoldOverride() != nil || len(s.Approvals()) > 0 || s.RolloutOrder() != nil {
		t.Fatal("a state of schema 1 restrains or permits")
	}
	for _, n := range s.Nodes() {
		if n.GetMode() != 0 || n.GetReturnedAt() != nil || n.GetFlaps() != 0 || len(n.GetTroubles()) > 0 || n.GetAhead() != nil || n.GetFrozen() != "" ||
			n.GetSupersedes() != nil || n.GetUnconfirmed() || n.GetSettings().GetDrain() != nil || n.GetSettings().GetActivated() {
			t.Fatalf("a node of schema 1: %v", n)
		}
		for _, a := range n.GetAssignments() {
			if a.GetBorrowed() {
				t.Fatalf("an assignment of schema 1: %v", a)
			}
		}
	}
}

// restrained checks that a wave left alone what nobody may touch: everything
// while all is frozen, and nodes whose agents only observe or have not told.
func restrained(t *rapid.T, before, after *State, now time.Time) {
	frozen := false
	for _, f := range before.Freezes() {
		frozen = frozen || f.GetScope() == "all" && f.GetExpires().AsTime().After(now)
	}
	for _, n := range before.Nodes() {
		if (frozen || observes(n) || n.GetUnconfirmed()) && after.Node(n.GetId()).GetGeneration() != n.GetGeneration() {
			t.Fatalf("a wave touched %v", n)
		}
	}
}

// mirrors checks what a state says against a walk over all of it.
func mirrors(t *rapid.T, s *State) {
	if want := rollout.ReadyCounts(s.Nodes(), s.floors); !maps.Equal(want, s.ReadyCounts()) {
		t.Fatalf("ready counts %v, by walking %v", s.ReadyCounts(), want)
	}
	if s.nodeCount != len(s.Nodes()) {
		t.Fatalf("%d nodes counted, there are %d", s.nodeCount, len(s.Nodes()))
	}
	floors := rollout.AdvanceFloors(s.floors, s.effective, rollout.PartsOf(s.floors), s.ready)
	for service, f := range floors {
		if !proto.Equal(f, s.floors[service]) {
			t.Fatalf("the floor of %s in force is %v, it should be %v", service, s.floors[service], f)
		}
	}
	if len(floors) != len(s.floors) {
		t.Fatalf("floors %v, they should be %v", s.floors, floors)
	}
	unconfirmed := 0
	for _, n := range s.Nodes() {
		unconfirmed += counts(n.GetUnconfirmed())
		copied := copyNode(n)
		takeEffect(copied)
		if !proto.Equal(copied, n) {
			t.Fatalf("what is in force of a node is %v, it should be %v", n, copied)
		}
	}
	if unconfirmed != s.unconfirmed {
		t.Fatalf("%d nodes counted as unconfirmed, there are %d", s.unconfirmed, unconfirmed)
	}
}

// Any stream of commands does the same on a machine that applied all of it and
// on one that was restored from a snapshot somewhere on the way: results, state,
// and the snapshot's bytes. Along the way no wave takes a service under its
// floor, and what is counted by difference is what a walk would count.
func TestApplyingAndRestoringAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		applied := newMachine(tight)
		restored := newMachine(tight)
		schema := rapid.Uint32Range(1, Schema).Draw(t, "schema")
		s := stranger{t, applied, schema}
		now := began
		for index := range rapid.Uint64Range(10, 80).Draw(t, "entries") {
			index++
			var envelopes []*storev1.Envelope
			for range rapid.IntRange(1, 3).Draw(t, "commands") {
				var command proto.Message = &storev1.InitCluster{Cluster: &v1.Cluster{Id: clusterID, Name: "example"}}
				if index > 1 {
					command = s.command()
				}
				env := &storev1.Envelope{Schema: schema, ClusterId: clusterID, Caller: rapid.SampledFrom([]string{"ada", "bob"}).Draw(t, "caller"), Time: timestamppb.New(now), Command: wrap(command)}
				if rapid.Bool().Draw(t, "with id") {
					env.RequestId = requestID(rapid.Uint64Range(index, index+3).Draw(t, "id"))
				}
				envelopes = append(envelopes, env)
			}
			now = now.Add(time.Second)
			entry, err := EncodeEntry(envelopes)
			if err != nil {
				t.Fatal(err)
			}
			before := applied.State()
			one, err := applied.Apply(index, entry)
			if err != nil {
				t.Fatal(err)
			}
			two, err := restored.Apply(index, entry)
			if err != nil {
				t.Fatal(err)
			}
			for i := range one {
				if !proto.Equal(one[i], two[i]) {
					t.Fatalf("entry %d: %v and %v", index, one[i], two[i])
				}
			}
			if !bytes.Equal(applied.State().Hash(), restored.State().Hash()) {
				t.Fatalf("entry %d: the states differ", index)
			}
			mirrors(t, applied.State())
			if schema == 1 {
				old(t, applied.State())
			}
			if len(envelopes) == 1 && envelopes[0].GetCommand().GetMoveAssignments() != nil {
				keepsFloors(t, before, applied.State())
				restrained(t, before, applied.State(), now.Add(-time.Second))
			}
			if rapid.IntRange(0, 4).Draw(t, "restore") == 0 {
				var snap, again bytes.Buffer
				if _, err := applied.Snapshot().WriteTo(&snap); err != nil {
					t.Fatal(err)
				}
				if rapid.Bool().Draw(t, "into a new one") {
					restored = newMachine(tight)
				}
				if err := restored.Restore(bytes.NewReader(snap.Bytes())); err != nil {
					t.Fatal(err)
				}
				if _, err := restored.Snapshot().WriteTo(&again); err != nil || !bytes.Equal(snap.Bytes(), again.Bytes()) {
					t.Fatalf("the snapshot of the restored machine is another one (%v)", err)
				}
			}
		}
	})
}

func keepsFloors(t *rapid.T, before, after *State) {
	for service, f := range before.floors {
		if least := min(f.GetFloor(), before.ready[service]); after.ready[service] < least {
			t.Fatalf("a wave left %d of %s ready; before it %d were, and its floor is %d", after.ready[service], service, before.ready[service], f.GetFloor())
		}
	}
}
