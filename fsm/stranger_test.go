package fsm

import (
	"fmt"
	"maps"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

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
