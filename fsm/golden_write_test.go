package fsm

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// newest is the life of a small cluster in commands of every schema up to the
// newest: it begins with an older one, which its members outgrow.
func newest(t *testing.T) []logged {
	b := initialisedAt(t, 1)
	b.do(&storev1.InitCluster{Cluster: &v1.Cluster{Id: clusterID, Name: "again"}})
	for _, id := range []string{"m1", "m2", "m3"} {
		old := member(id)
		old.MaxSchema = 1
		b.mustDo(&storev1.PutMember{Member: old})
	}
	b.do(freeze("early", "all", time.Hour))
	b.mustDo(&storev1.PutMember{Member: member("m1")})
	b.mustDo(&storev1.PutMember{Member: member("m2")})
	b.mustDo(&storev1.RemoveMember{Id: "m3"})
	b.schema = Schema
	b.do(&storev1.PutMember{Member: &v1.Member{Id: "m4", Name: "name-m1", RaftAddress: "r", Address: "a", MaxSchema: Schema}})
	b.do(&storev1.PutMember{Member: &v1.Member{Id: "m4", Name: "name-m4", RaftAddress: "r", Address: "a", MaxSchema: 1}})
	b.do(&storev1.RemoveMember{Id: "m9"})
	b.goldenNodes()
	b.goldenTopologies()
	b.goldenWaves()
	b.goldenRestraints()
	b.goldenDecisions()
	b.goldenFailover()
	b.goldenRollouts()
	b.goldenRequests()
	return b.log
}

func (b *rig) goldenNodes() {
	for i := range 4 {
		c := claims(allServices...)
		c.Zone, c.Labels, c.Capacity = "a"+nodeID(i % 2)[5:], map[string]string{"disk": "ssd", "rack": nodeID(i)}, uint32(100*i)
		b.register(nodeID(i+1), c)
	}
	b.register("node-5", grouped("imap", "jmap"))
	stays := claims("imap", "jmap")
	stays.Services[0].NeverStop = true
	b.register("node-6", stays)
	b.do(&storev1.RegisterNode{Id: "node-1", Instance: "other"})
	b.do(&storev1.RegisterNode{Id: "Node 1", Instance: "other"})
	b.mustDo(&storev1.NoteAgent{Id: "node-1", Instance: "other", Reason: "another agent is live"})
	b.do(&storev1.NoteAgent{Id: "node-1", Instance: "other"})
	b.mustDo(&storev1.UpdateNode{Id: "node-2", Region: proto.String("b"), SetLabels: map[string]string{"disk": "hdd", "egress": "yes"}, Capacity: proto.Uint32(7)})
	b.mustDo(&storev1.UpdateNode{Id: "node-2", RemoveLabels: []string{"egress"}})
	b.do(&storev1.UpdateNode{Id: "node-2", ExpectedGeneration: proto.Uint64(99)})
	b.do(&storev1.UpdateNode{Id: "node-9"})
	b.mustDo(&storev1.CordonNode{Id: "node-4", Cordoned: true, Reason: "new disk"})
	b.do(&storev1.RemoveNode{Id: "node-3"})
	b.mustDo(b.state("node-3", v1.NodeState_NODE_STATE_DOWN))
	b.mustDo(&storev1.RemoveNode{Id: "node-3"})
	b.do(&storev1.RegisterNode{Id: "node-3", Instance: instance("node-3")})
}

func (b *rig) goldenTopologies() {
	top := floor(unified("imap", "jmap"), "imap", 2)
	top.Services[0].Drain = durationpb.New(90 * time.Second)
	b.topology(top)
	b.do(&storev1.ApplyTopology{Topology: top, ExpectedRevision: proto.Uint64(7)})
	b.do(&storev1.ApplyTopology{Topology: top, Basis: "none"})
	b.do(&storev1.ApplyTopology{RollbackTo: 9})
	b.do(&storev1.ApplyTopology{Topology: &v1.Topology{Name: "short", Pools: []*v1.Pool{
		{Name: "all", Services: []string{"imap", "jmap"}, Size: &v1.Pool_Count{Count: 40}},
	}}})
	b.topology(floor(unified("imap"), "imap", 1))
	b.mustDo(&storev1.ApplyTopology{RollbackTo: 1, AllowStop: true, AcceptShortage: true})
	b.do(&storev1.ApplyTopology{Topology: unified("imap")})
}

func (b *rig) goldenWaves() {
	for _, id := range []string{"node-1", "node-2", "node-6"} {
		b.serve(id, "imap", "jmap")
	}
	b.serve("node-5", "imap")
	late := b.reports("node-5", serving, "imap")
	b.mustDo(b.wave(start("node-5", "jmap")))
	b.mustDo(late)
	b.mustDo(b.reports("node-5", serving, "imap", "jmap"))
	b.do(late)
	stale := b.wave(drain("node-1", "imap"))
	b.mustDo(stale)
	b.do(stale)
	b.do(b.wave(drain("node-2", "imap"), drain("node-5", "imap"), drain("node-6", "imap")))
	b.mustDo(b.reports("node-1", drained, "imap"))
	b.mustDo(b.wave(stop("node-1", "imap")))
	b.mustDo(b.wave(drain("node-1", "jmap")))
	b.mustDo(b.wave(undrain("node-1", "jmap")))
	b.do(&storev1.MoveAssignments{TopologyRevision: 1})
	b.mustDo(b.state("node-2", v1.NodeState_NODE_STATE_SUSPECT))
	b.mustDo(b.state("node-2", v1.NodeState_NODE_STATE_DOWN))
	b.register("node-2", claims("imap", "jmap"))
	b.do(&storev1.ReportNode{Id: "node-2", Instance: "other"})
	b.do(&storev1.SetNodeStates{Changes: []*storev1.NodeStateChange{{Id: "node-2", Instance: "other", State: v1.NodeState_NODE_STATE_DOWN}}})
}

func (b *rig) goldenRestraints() {
	for _, c := range []*storev1.CreateFreeze{
		freeze("f1", "all", time.Minute), freeze("f2", "node:node-1", time.Hour), freeze("f3", "service:jmap", 2*time.Hour),
		freeze("f1", "all", time.Minute), freeze("f4", "zone:none", time.Minute), freeze("f5", "", 0),
	} {
		b.do(c)
	}
	b.do(b.wave(loan("node-1", "imap")))
	b.now = b.now.Add(2 * time.Minute)
	b.do(b.wave(loan("node-1", "imap"), drain("node-5", "jmap")))
	b.mustDo(&storev1.DeleteFreezes{Expired: true})
	b.mustDo(&storev1.DeleteFreezes{Scope: "node:node-1"})
	b.do(&storev1.DeleteFreezes{Id: "f9"})
	many := hold(3, false, "node-2", "node-5")
	many.Changes = b.state("node-2", v1.NodeState_NODE_STATE_DOWN).GetChanges()
	b.mustDo(many)
	b.mustDo(hold(4, true, "node-2"))
	b.mustDo(&storev1.OverrideHold{Reason: "it is real", Within: durationpb.New(time.Minute)})
	b.do(hold(4, false))
	b.do(&storev1.OverrideHold{})
	b.now = b.now.Add(2 * time.Minute)
	b.mustDo(hold(4, false, "node-2"))
	b.mustDo(noHold("they were heard"))
	b.register("node-2", claims("imap", "jmap"))
	b.mustDo(b.reports("node-2", serving, "imap", "jmap"))
}

func (b *rig) goldenDecisions() {
	b.do(decision("p0", v1.Cause_CAUSE_REPAIR, start("node-1", "imap")))
	top := proto.CloneOf(b.m.State().Topology().GetTopology())
	top.Name, top.Policy = "asking", &v1.Policy{Repair: approve, Rebalance: off}
	b.topology(top)
	b.do(b.settle())
	b.do(&storev1.SettleRollout{Revision: 1, Order: 1})
	b.do(decision("p1", v1.Cause_CAUSE_REBALANCE, start("node-1", "imap")))
	b.do(&storev1.DecidePlan{})
	b.mustDo(decision("p1", v1.Cause_CAUSE_REPAIR, start("node-9", "imap")))
	b.mustDo(b.settle())
	b.mustDo(decision("p2", v1.Cause_CAUSE_REPAIR, loan("node-1", "imap"), drain("node-6", "jmap")))
}

func (b *rig) goldenFailover() {
	b.mustDo(b.wave(loan("node-1", "imap")))
	report := b.reports("node-1", failing, "imap")
	report.Frozen = "by hand"
	b.mustDo(report)
	b.do(b.wave(stop("node-1", "imap")))
	b.mustDo(b.reports("node-1", failing, "imap"))
	b.mustDo(b.wave(stop("node-1", "imap")))
	b.do(b.wave(reseat("node-2", "jmap", "", true)))
	b.do(b.wave(drain("node-6", "imap")))
	b.mustDo(drainOf("node-5", time.Minute))
	b.mustDo(&storev1.DeleteFreezes{Id: "f3"})
	b.mustDo(b.wave(reseat("node-2", "jmap", "", true), drain("node-5", "jmap")))
	b.mustDo(&storev1.DrainNode{Id: "node-5"})
	b.do(drainOf("node-9", 0))
	b.register("node-7", observing("imap", "webdav"))
	b.mustDo(b.reports("node-7", serving, "imap", "webdav"))
	b.do(drainOf("node-7", 0))
	b.do(b.wave(drain("node-7", "imap")))
	b.mustDo(b.reports("node-7", serving, "imap"))
	b.mustDo(&storev1.ActivateNode{Id: "node-7", AllowStop: true})
	b.do(&storev1.ActivateNode{Id: "node-6", Observe: true})
	newer := b.reports("node-6", serving, "imap", "jmap")
	newer.ReportedGeneration, newer.Ahead = 40, &v1.SetVersion{Epoch: 7, Generation: 40}
	b.mustDo(newer)
	b.mustDo(&storev1.AdoptNode{Id: "node-6"})
	b.do(&storev1.AdoptNode{Id: "node-6"})
	b.do(&storev1.ReplaceNode{Id: "node-2"})
	b.mustDo(&storev1.ReplaceNode{Id: "node-2", Force: true})
	b.do(&storev1.RegisterNode{Id: "node-2", Instance: instance("node-2"), Claims: claims("imap", "jmap")})
	b.mustDo(&storev1.RegisterNode{Id: "node-2", Instance: "next", Claims: claims("imap", "jmap")})
	b.mustDo(&storev1.RaiseEpoch{Epoch: b.m.State().Cluster().GetEpoch() + 1, Reason: "restored"})
	b.do(&storev1.RaiseEpoch{Epoch: 1})
	b.do(b.wave(drain("node-6", "jmap")))
	b.mustDo(b.reports("node-1", serving, "imap", "jmap"))
	b.mustDo(&storev1.RegisterNode{Id: "node-8", Instance: "i", Claims: claims("imap"), ReportedGeneration: 9})
	first := b.reports("node-8", serving, "imap")
	first.ReportedGeneration = 9
	b.mustDo(first)
}

func (b *rig) goldenRollouts() {
	for _, n := range b.m.State().Nodes() {
		if n.GetUnconfirmed() {
			b.mustDo(b.reports(n.GetId(), serving, "imap"))
		}
	}
	b.mustDo(b.settle())
	b.do(&storev1.PauseRollout{Paused: true})
	for i := range 4 {
		c := claims("imap", "webdav")
		c.Zone = []string{"c1", "d1"}[i%2]
		b.register(nodeID(i+11), c)
	}
	top := unified("imap", "webdav")
	top.Services = []*v1.Service{
		{Name: "imap", Floor: proto.Uint32(1), Floors: []*v1.Floor{{Min: 1, Per: "zone"}, {Min: 1, Where: labels("zone", "c1")}}},
		{Name: "webdav", Floor: proto.Uint32(0), Data: v1.Data_DATA_LOCAL},
	}
	top.Policy = &v1.Policy{Rollout: &v1.RolloutPolicy{Canary: 1, Bake: durationpb.New(time.Minute)}}
	b.topology(top)
	first := b.wave(start("node-11", "imap"), start("node-11", "webdav"))
	for _, m := range first.GetNodes()[0].GetMoves() {
		rebalance(m)
	}
	b.mustDo(tell(first, inZone("c1"), inZone("d1")))
	b.mustDo(b.reports("node-11", serving, "imap", "webdav"))
	b.do(tell(b.wave(), &storev1.FloorInForce{Service: "imap", Where: labels("rack", "1")}))
	b.do(b.settle())
	well := b.verdict()
	well.WellSince = timestamppb.New(b.now)
	b.mustDo(well)
	b.mustDo(&storev1.PauseRollout{Paused: true, Reason: "lunch"})
	b.do(b.verdict())
	b.do(b.settle())
	b.mustDo(&storev1.PauseRollout{Reason: "after lunch"})
	b.do(&storev1.PauseRollout{})
	stale := b.verdict()
	stale.Revision--
	b.do(stale)
	failed := b.verdict()
	failed.Failure = "node-11 is down"
	b.mustDo(failed)
	b.mustDo(&storev1.PauseRollout{Reason: "it was the switch"})
	passed := b.verdict()
	passed.Passed = true
	b.mustDo(passed)
	b.mustDo(&storev1.UpdateNode{Id: "node-12", Zone: proto.String("c1")})
	b.mustDo(b.wave(start("node-13", "imap")))
	b.mustDo(b.reports("node-13", serving, "imap"))
	b.mustDo(&storev1.UpdateNode{Id: "node-13", Zone: proto.String("d1")})
	b.do(b.wave(drain("node-11", "imap")))
	gap := b.wave(drain("node-11", "imap"))
	gap.AcceptGap = true
	b.do(gap)
	b.mustDo(&storev1.ApplyTopology{Topology: top, Source: []byte("name: unified"), AcceptGap: true})
	b.mustDo(gap)
	b.mustDo(&storev1.AbortRollout{Reason: "enough"})
	b.do(&storev1.AbortRollout{})
	b.mustDo(b.settle())
	b.do(&storev1.AbortRollout{})
	reverts := proto.CloneOf(top)
	reverts.Name, reverts.Policy.Rollout.OnFail = "reverts", v1.OnFail_ON_FAIL_REVERT
	reverts.Pools = append(reverts.Pools, &v1.Pool{Name: "more", Services: []string{"webdav"}, Size: &v1.Pool_Count{Count: 1}, Shared: true})
	reverts.Survives = &v1.Survives{Nodes: 1}
	b.topology(reverts)
	failed = b.verdict()
	failed.Failure = "webdav did not start"
	b.mustDo(failed)
	// The last order is in progress: a snapshot has all of it.
	b.topology(top)
	b.mustDo(drainOf("node-12", time.Hour))
}

func (b *rig) goldenRequests() {
	for _, env := range []*storev1.Envelope{
		b.request(requestID(1), operator, "1"), b.request(requestID(1), operator, "1"), b.request(requestID(1), operator, "2"),
		b.request("odd", operator, "1"), b.request(requestID(2), "roster://example/user/bob", "3"),
	} {
		b.send(env)
	}
	if _, err := b.apply(
		b.envelope(&storev1.CordonNode{Id: "node-4"}), b.request(requestID(3), operator, "4"), b.envelope(&storev1.RemoveNode{Id: "node-4", Force: true}),
	); err != nil {
		b.t.Fatal(err)
	}
}
