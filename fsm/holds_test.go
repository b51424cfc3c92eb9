package fsm

import (
	"slices"
	"testing"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// tied is a topology whose imap is bound to its data as said.
func tied(data v1.Data) *v1.Topology {
	t := unified("imap", "jmap")
	t.Services = []*v1.Service{{Name: "imap", Data: data}}
	return t
}

func (b *rig) holds(id string, want ...string) {
	b.t.Helper()
	if got := b.m.State().Node(id).GetHolds(); !slices.Equal(got, want) {
		b.t.Fatalf("%s holds the data of %v, not %v", id, got, want)
	}
}

func TestANodeHoldsTheDataOfALocalServiceThatWasReadyThere(t *testing.T) {
	b := initialised(t)
	b.nodes(2)
	b.topology(tied(v1.Data_DATA_LOCAL))
	b.mustDo(b.wave(start("node-1", "imap"), start("node-1", "jmap")))
	b.holds("node-1")
	b.mustDo(b.reports("node-1", serving, "imap", "jmap"))
	b.holds("node-1", "imap")
	b.holds("node-2")
	before := b.m.State().Basis(b.m.State().Topology().GetTopology())
	// It holds it whatever becomes of the service.
	b.mustDo(b.state("node-1", v1.NodeState_NODE_STATE_DOWN))
	b.mustDo(&storev1.RegisterNode{Id: "node-1", Instance: "another", Claims: claims("imap")})
	b.holds("node-1", "imap")
	b.mustDo(&storev1.RemoveNode{Id: "node-1", Force: true})
	b.mustDo(&storev1.RegisterNode{Id: "node-1", Instance: "third", Claims: claims("imap")})
	b.holds("node-1")
	if after := b.m.State().Basis(b.m.State().Topology().GetTopology()); after == before {
		t.Error("a plan does not rely on where data is")
	}
}

func TestWhatIsReadyHoldsItsDataOnceItsServiceBecomesLocal(t *testing.T) {
	b := initialised(t)
	b.nodes(3)
	b.topology(tied(0))
	b.serve("node-1", "imap")
	b.holds("node-1")
	b.topology(tied(v1.Data_DATA_LOCAL))
	b.holds("node-1", "imap")
	b.holds("node-2")
}

func TestAClaimMakesAServiceLocalUnlessTheTopologySaysItIsShared(t *testing.T) {
	for _, c := range []struct {
		data v1.Data
		want []string
	}{{0, []string{"imap"}}, {v1.Data_DATA_SHARED, nil}} {
		b := initialised(t)
		b.nodes(2)
		b.topology(tied(c.data))
		b.serve("node-1", "imap")
		local := claims("imap")
		local.Services[0].Data = v1.Data_DATA_LOCAL
		b.register("node-3", local)
		b.holds("node-1", c.want...)
		b.serve("node-2", "imap")
		b.holds("node-2", c.want...)
		b.serve("node-3", "imap")
		b.holds("node-3", c.want...)
		// With the last claim gone, nothing is bound any more.
		b.mustDo(&storev1.RemoveNode{Id: "node-3", Force: true})
		b.register("node-4", claims("imap"))
		b.serve("node-4", "imap")
		b.holds("node-4")
	}
}

func TestSchema2BindsNoServiceToItsData(t *testing.T) {
	b := initialisedAt(t, 2)
	local := claims("imap")
	local.Services[0].Data = v1.Data_DATA_LOCAL
	b.register("node-1", local)
	s := b.m.State()
	top := topologyOf(unified("imap"))
	if seen := Placement(s, top, b.now); seen.Topology.GetServices()[0].GetData() != v1.Data_DATA_SHARED || top.GetServices()[0].GetData() != 0 {
		t.Errorf("placed by %v", seen.Topology)
	}
	b.schema = 3
	b.mustDo(&storev1.PutMember{Member: member("m1")})
	if seen := Placement(b.m.State(), top, b.now); seen.Topology != top {
		t.Error("schema 3 does not see claims")
	}
}

func TestAClaimThatIsTakenBackTakesNoDataAway(t *testing.T) {
	b := initialised(t)
	local := claims("imap")
	local.Services[0].Data = v1.Data_DATA_LOCAL
	b.register("node-1", local)
	b.topology(tied(v1.Data_DATA_LOCAL))
	b.serve("node-1", "imap")
	b.register("node-1", claims("imap"))
	b.holds("node-1", "imap")
}
