package fsm

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
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
	if s.schema >= 3 && s.often() {
		s.mind(t)
	}
	return t
}

// mind adds to a topology what schema 3 brought.
func (s stranger) mind(t *v1.Topology) {
	for i, of := range t.GetServices() {
		if rapid.Bool().Draw(s.t, "per zone") {
			of.Floors = append(of.Floors, &v1.Floor{Min: 1, Per: "zone"})
		}
		if rapid.Bool().Draw(s.t, "in a zone") {
			of.Floors = append(of.Floors, &v1.Floor{Min: 1, Where: labels("zone", "a1", "a2")})
		}
		if rapid.Bool().Draw(s.t, "by label") {
			of.Floors = append(of.Floors, &v1.Floor{Min: 1, Per: "a", Where: labels("zone", "a1")})
		}
		of.Data = v1.Data(rapid.IntRange(0, 2).Draw(s.t, "data"))
		t.Pools[i].Shared = !s.often()
	}
	if rapid.Bool().Draw(s.t, "has canary") {
		t.Policy = &v1.Policy{Rollout: &v1.RolloutPolicy{
			Canary: rapid.Uint32Range(0, 1).Draw(s.t, "canary"), OnFail: v1.OnFail(rapid.IntRange(0, 2).Draw(s.t, "on_fail")),
		}}
	}
}

func (s stranger) command() proto.Message {
	id := s.node()
	switch rapid.IntRange(0, 28).Draw(s.t, "command") {
	case 0:
		m := member(rapid.SampledFrom([]string{"m1", "m2", "m3", "m4"}).Draw(s.t, "member"))
		m.MaxSchema = s.schema
		return &storev1.PutMember{Member: m}
	case 1:
		return &storev1.RemoveMember{Id: rapid.SampledFrom([]string{"m1", "m2"}).Draw(s.t, "member")}
	case 2:
		c := apply(s.topology())
		c.AllowStop, c.AcceptShortage, c.AcceptGap = s.often(), s.often(), s.schema >= 3 && !s.often()
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
		c.Services[0].Data = v1.Data(rapid.IntRange(0, 2).Draw(s.t, "data"))
		c.Zone = rapid.SampledFrom([]string{"a1", "a2", "a3"}).Draw(s.t, "zone")
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
		c := &storev1.UpdateNode{Id: id, SetLabels: map[string]string{"a": s.service(), "b": "c"}, Capacity: proto.Uint32(rapid.Uint32Range(0, 2).Draw(s.t, "capacity"))}
		if rapid.Bool().Draw(s.t, "moves house") {
			c.Zone = proto.String(rapid.SampledFrom([]string{"", "a1", "a4"}).Draw(s.t, "zone"))
		}
		return c
	case 10:
		return &storev1.CordonNode{Id: id, Cordoned: rapid.Bool().Draw(s.t, "cordoned")}
	case 11:
		return &storev1.RemoveNode{Id: id, Force: rapid.Bool().Draw(s.t, "force")}
	case 12, 13, 14:
		return s.failover(id)
	case 15, 16, 17:
		return s.steer()
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

// steer makes commands that schema 3 brought.
func (s stranger) steer() proto.Message {
	state := s.m.State()
	switch rapid.IntRange(0, 4).Draw(s.t, "steer") {
	case 0, 1:
		return &storev1.PauseRollout{Paused: rapid.Bool().Draw(s.t, "paused"), Reason: "r"}
	case 2:
		return &storev1.AbortRollout{Reason: "r"}
	default:
		c := &storev1.SettleCanary{Revision: state.Topology().GetRevision(), Order: state.RolloutOrder().GetOrder(), Passed: !s.often()}
		if rapid.Bool().Draw(s.t, "failed") {
			c.Failure = "a node went down"
		}
		if rapid.Bool().Draw(s.t, "well") {
			c.WellSince = timestamppb.New(began)
		}
		if !s.often() {
			c.Order--
		}
		return c
	}
}

// asks says what a leader would of parts of the nodes: of all values of a label
// that it may have seen.
func (s stranger) asks(c *storev1.MoveAssignments) {
	effective := s.m.State().Effective()
	c.WithParts = true
	for _, of := range effective.GetServices() {
		for _, f := range of.GetFloors() {
			if f.GetPer() == "" {
				c.Parts = append(c.Parts, &storev1.FloorInForce{Service: of.GetName(), Where: f.GetWhere()})
				continue
			}
			for _, value := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a1", "a2", "imap"}), 0, 3, rapid.ID).Draw(s.t, "values") {
				where := maps.Clone(f.GetWhere())
				if where == nil {
					where = map[string]*v1.LabelValues{}
				}
				where[f.GetPer()] = &v1.LabelValues{Values: []string{value}}
				c.Parts = append(c.Parts, &storev1.FloorInForce{Service: of.GetName(), Where: where})
			}
		}
	}
	if !s.often() {
		c.Parts = append(c.Parts, &storev1.FloorInForce{Service: "imap", Where: labels("b", "c")})
	}
}

func (s stranger) wave() *storev1.MoveAssignments {
	state := s.m.State()
	c := &storev1.MoveAssignments{TopologyRevision: state.Topology().GetRevision(), Counted: []*storev1.NodeBasis{s.basis(s.node())}}
	if s.schema >= 3 {
		if rapid.Bool().Draw(s.t, "with parts") {
			s.asks(c)
		}
		c.AcceptGap = !s.often()
	}
	for range rapid.IntRange(0, 3).Draw(s.t, "nodes") {
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
		moves = append(moves, &v1.Move{Service: service, Pool: pool, Node: id, Action: action, Borrowed: !s.often(), Cause: v1.Cause(rapid.IntRange(1, 2).Draw(s.t, "cause"))})
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

// older checks that nothing of schema 3 shows in a state of a schema before it.
func older(t *rapid.T, s *State) {
	for key, f := range s.floors {
		if len(f.GetWhere()) > 0 || key != f.GetService() {
			t.Fatalf("a floor over a part before schema 3: %v", f)
		}
	}
	for _, n := range s.Nodes() {
		if len(n.GetHolds()) > 0 {
			t.Fatalf("a node that holds data before schema 3: %v", n)
		}
	}
	if o := s.RolloutOrder(); !proto.Equal(o, &storev1.RolloutOrder{Order: o.GetOrder(), Open: o.GetOpen()}) && o != nil {
		t.Fatalf("an order before schema 3: %v", o)
	}
	if !s.parts.None() {
		t.Fatal("parts before schema 3")
	}
}

// orderly checks that an order says nothing that contradicts itself or the state.
func orderly(t *rapid.T, s *State) {
	o := s.RolloutOrder()
	rest := copyOrder(o)
	rest.Order = 0
	switch {
	case o == nil:
	case !o.GetOpen() && !proto.Equal(rest, &storev1.RolloutOrder{}):
		t.Fatalf("a closed order: %v", o)
	case o.GetOrder() > s.Index(), o.GetFromRevision() > s.revision(), o.GetAborting() && (o.GetFromRevision() == 0 || o.GetCanary() != nil && o.GetCanary().GetFailure() != ""),
		!slices.IsSorted(o.GetCanary().GetNodes()), o.GetCanary() != nil && s.Effective().GetPolicy().GetRollout().GetCanary() == 0:
		t.Fatalf("the order in force, of revision %d: %v", s.revision(), o)
	case o.GetCanary().GetFailure() != "" && o.GetPause() == nil:
		t.Fatalf("a canary failed, and its rollout goes on: %v", o)
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
	demands := demandsOf(s.effective)
	for key, f := range s.floors {
		if key != partKey(f) {
			t.Fatalf("the floor %v is known by %q", f, key)
		}
		if len(f.GetWhere()) > 0 && demands.of(f.GetService(), f.GetWhere()) != f.GetTarget() {
			t.Fatalf("nobody asks for the floor %v", f)
		}
	}
	for _, f := range demands.fixed() {
		if s.floors[partKey(f)] == nil {
			t.Fatalf("no floor %v, though the topology asks for it", f)
		}
	}
	unconfirmed, local := 0, map[string]int{}
	for _, n := range s.Nodes() {
		for _, service := range localClaimsOf(n) {
			local[service]++
		}
		unconfirmed += counts(n.GetUnconfirmed())
		copied := copyNode(n)
		takeEffect(copied)
		if !proto.Equal(copied, n) {
			t.Fatalf("what is in force of a node is %v, it should be %v", n, copied)
		}
	}
	if len(local) != len(s.localClaims) || len(local) > 0 && !maps.Equal(local, s.localClaims) {
		t.Fatalf("local data is claimed %v times, counted %v", local, s.localClaims)
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
			orderly(t, applied.State())
			if schema == 1 {
				old(t, applied.State())
			}
			if schema < 3 {
				older(t, applied.State())
			} else {
				dataStays(t, before, applied.State())
			}
			if wave := envelopes[0].GetCommand().GetMoveAssignments(); len(envelopes) == 1 && wave != nil {
				if !wave.GetAcceptGap() || !before.RolloutOrder().GetAcceptGap() {
					keepsFloors(t, before, applied.State())
				}
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
		if after.floors[service] == nil {
			continue // no longer asked for
		}
		if least := min(f.GetFloor(), before.ready[service]); after.ready[service] < least {
			t.Fatalf("a wave left %d of %s ready; before it %d were, and its floor is %d", after.ready[service], service, before.ready[service], f.GetFloor())
		}
	}
}

// dataStays checks that a node forgets no data while it is there, and that data
// is noted where a service that is bound to it is ready.
func dataStays(t *rapid.T, before, after *State) {
	for _, n := range before.Nodes() {
		now := after.Node(n.GetId())
		if now == nil || after.Removed(n.GetId()).GetIndex() > before.Index() {
			continue
		}
		for _, service := range n.GetHolds() {
			if !slices.Contains(now.GetHolds(), service) {
				t.Fatalf("%s forgot the data of %s", n.GetId(), service)
			}
		}
	}
	for _, s := range after.Effective().GetServices() {
		for _, n := range after.Nodes() {
			if s.GetData() == v1.Data_DATA_LOCAL && rollout.Ready(n, s.GetName()) && !slices.Contains(n.GetHolds(), s.GetName()) {
				t.Fatalf("%s is ready on %s, which does not hold its data", s.GetName(), n.GetId())
			}
		}
	}
}

func labels(key string, values ...string) map[string]*v1.LabelValues {
	return map[string]*v1.LabelValues{key: {Values: values}}
}
