package whatif

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"roster/fsm/rollout"
	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
)

var drawn = []string{"imap", "jmap", "webdav", "lmtp"}

// drawNodes are a few nodes in a few places; some services change by a restart, and
// not every node can run every service.
func drawNodes(t *rapid.T) []*v1.Node {
	var nodes []*v1.Node
	grouped, choosy := rapid.Bool().Draw(t, "grouped"), rapid.Bool().Draw(t, "choosy")
	for i := range rapid.IntRange(1, 7).Draw(t, "nodes") {
		region := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "region")
		claims := &v1.NodeClaims{}
		for _, service := range drawn {
			if choosy && rapid.IntRange(0, 4).Draw(t, "unable") == 0 {
				continue
			}
			claim := &v1.ServiceClaim{Name: service, ChangeMode: v1.ChangeMode_CHANGE_MODE_LIVE}
			if grouped && rapid.Bool().Draw(t, "restarts") {
				claim.ChangeMode, claim.RestartGroup = v1.ChangeMode_CHANGE_MODE_RESTART, "daemon"
			}
			claims.Services = append(claims.Services, claim)
		}
		nodes = append(nodes, &v1.Node{
			Id: fmt.Sprintf("node-%d", i+1), Region: region, Zone: region + rapid.SampledFrom([]string{"1", "2"}).Draw(t, "zone"),
			Capacity: rapid.SampledFrom([]uint32{100, 100, 200}).Draw(t, "capacity"), Claims: claims,
		})
	}
	return nodes
}

// drawTopology is a valid topology, effective.
func drawTopology(t *rapid.T) *v1.Topology {
	top := &v1.Topology{Name: "drawn", Policy: &v1.Policy{}}
	for i := range rapid.IntRange(1, 4).Draw(t, "pools") {
		p := &v1.Pool{
			Name:     fmt.Sprintf("p%d", i),
			Services: rapid.SliceOfNDistinct(rapid.SampledFrom(drawn), 1, 2, rapid.ID[string]).Draw(t, "services"),
			Priority: rapid.Int32Range(0, 1).Draw(t, "priority"),
		}
		switch rapid.IntRange(0, 5).Draw(t, "size") {
		case 0:
			p.Size = &v1.Pool_All{All: true}
		case 1:
			p.Size = &v1.Pool_Weight{Weight: rapid.Uint32Range(1, 3).Draw(t, "weight")}
		default:
			p.Size = &v1.Pool_Count{Count: rapid.Uint32Range(1, 3).Draw(t, "count")}
		}
		switch rapid.IntRange(0, 5).Draw(t, "bound") {
		case 0:
			p.Where = map[string]*v1.LabelValues{"region": {Values: []string{"a"}}}
		case 1:
			p.Exclude = []string{"node-2"}
		case 2:
			p.Spread = []string{"zone"}
		case 3:
			p.Lend = proto.Bool(false)
		case 4:
			_, counted := p.Size.(*v1.Pool_Count)
			p.Shared = counted
		}
		top.Pools = append(top.Pools, p)
	}
	for _, service := range drawn {
		if !slices.ContainsFunc(top.Pools, func(p *v1.Pool) bool { return slices.Contains(p.Services, service) }) {
			continue
		}
		s := &v1.Service{Name: service, Floor: proto.Uint32(rapid.Uint32Range(0, 3).Draw(t, "floor"))}
		if rapid.IntRange(0, 7).Draw(t, "parts") == 0 {
			s.Floors = []*v1.Floor{{Min: 1, Per: "zone"}}
		}
		if rapid.IntRange(0, 7).Draw(t, "data") == 0 {
			s.Data = v1.Data_DATA_LOCAL
		}
		top.Services = append(top.Services, s)
	}
	if topology.Validate(top) != nil {
		t.Skip("no topology")
	}
	return topology.Effective(top)
}

// drawCluster is a settled cluster, then perhaps with nodes that are down,
// cordoned, drained or observing, and with somebody who has to be asked.
func drawCluster(t *rapid.T, disturbed bool) *Cluster {
	c, err := Offline(drawNodes(t), drawTopology(t), midday)
	if err != nil {
		t.Skip(err)
	}
	if !disturbed {
		return c
	}
	for i, n := range c.Nodes {
		n = proto.CloneOf(n)
		c.Nodes[i] = n
		switch rapid.IntRange(0, 24).Draw(t, "disturbed") {
		case 0:
			n.State, n.StateSince = v1.NodeState_NODE_STATE_DOWN, timestamppb.New(midday.Add(-rapid.SampledFrom([]time.Duration{time.Minute, time.Hour}).Draw(t, "down")))
		case 1:
			n.Settings = &v1.NodeSettings{Cordoned: true}
		case 2:
			n.Settings = &v1.NodeSettings{Drain: &v1.NodeDrain{}}
		case 3:
			n.Mode = v1.AgentMode_AGENT_MODE_OBSERVE
		case 4:
			n.ReturnedAt, n.Flaps = timestamppb.New(midday), 1
		case 5:
			if len(n.Reports) > 0 {
				n.Reports[0].State, n.Reports[0].Since = v1.ServiceState_SERVICE_STATE_FAILING, timestamppb.New(midday)
			}
		}
	}
	switch rapid.IntRange(0, 9).Draw(t, "restrained") {
	case 0:
		c.Topology = proto.CloneOf(c.Topology)
		c.Topology.Policy.Repair = v1.Automation_AUTOMATION_APPROVE
	case 1:
		c.Restraints.Freezes = []*v1.Freeze{{Scope: "pool:p0", Expires: timestamppb.New(midday.Add(time.Hour))}}
	case 2:
		c.Restraints.Freezes = []*v1.Freeze{{Scope: "zone:a1", Expires: timestamppb.New(midday.Add(2 * time.Minute))}}
	}
	return c
}

// drawKinds are some of the kinds of losses that there are.
func drawKinds(t *rapid.T, s *survey, most int) []*kind {
	pairs, _ := s.pairs(false)
	all := slices.Concat(s.single(), pairs, s.zones(), s.regions())
	var some []*kind
	for range min(most, len(all)) {
		some = append(some, all[rapid.IntRange(0, len(all)-1).Draw(t, "kind")])
	}
	return some
}

// names are the nodes of a loss.
func (s *survey) names(nodes []int) []string {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = s.nodes[n].GetId()
	}
	return names
}

func (c *Cluster) print() string {
	var b strings.Builder
	for _, p := range c.Topology.GetPools() {
		fmt.Fprintln(&b, p)
	}
	for _, s := range c.Topology.GetServices() {
		fmt.Fprintln(&b, s)
	}
	for _, n := range c.Nodes {
		fmt.Fprintln(&b, n.GetId(), n.GetZone(), n.GetCapacity(), n.GetState(), n.GetSettings(), n.GetMode(), n.GetAssignments(), n.GetReports())
	}
	return b.String()
}

func TestWhatIsRecoveredIsWhatASimulationReaches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t, true)
		before := proto.CloneOf(&v1.ListNodesResponse{Nodes: c.Nodes})
		s := c.survey()
		for _, k := range drawKinds(t, s, 3) {
			lost := s.names(k.nodes)
			told, err := c.Simulate(lost, false)
			if err != nil {
				t.Fatal(err)
			}
			worked := &v1.Loss{Services: s.services(s.outcome(k.nodes))}
			if shown := (&v1.Loss{Services: told.GetLoss().GetServices()}); !proto.Equal(worked, shown) {
				t.Fatalf("without %v: worked out %v, simulated %v, of\n%s", lost, worked, told, c.print())
			}
		}
		if !proto.Equal(before, &v1.ListNodesResponse{Nodes: c.Nodes}) {
			t.Fatalf("a record was changed")
		}
	})
}

// Where floors are over parts of the nodes, or something is under way, an id may
// decide which part gets a stand-in: see group.
func TestNodesThatNoRuleTellsApartAreLostAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t, false)
		for _, s := range c.Topology.GetServices() {
			if len(s.GetFloors()) > 0 {
				t.Skip("floors over parts")
			}
		}
		s := c.survey()
		_, classes := c.classes(s.nodes)
		one := func(class int) int {
			return classes[class][rapid.IntRange(0, len(classes[class])-1).Draw(t, "one of them")]
		}
		a, b := rapid.IntRange(0, len(classes)-1).Draw(t, "class"), rapid.IntRange(0, len(classes)-1).Draw(t, "class")
		lost, like := []int{one(a), one(b)}, []int{one(a), one(b)}
		if lost[0] == lost[1] || like[0] == like[1] {
			lost, like = lost[:1], like[:1]
		}
		want, got := s.outcome(lost), s.outcome(like)
		if !slices.Equal(want.ready, got.ready) || !slices.Equal(want.recovered, got.recovered) {
			t.Fatalf("without %v: %v, without %v: %v, of\n%s", s.names(lost), want, s.names(like), got, c.print())
		}
	})
}

func TestALossOfNothingChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t, false)
		told, err := c.Simulate(nil, true)
		if err != nil {
			t.Fatal(err)
		}
		for _, stage := range told.GetStages() {
			if len(stage.GetWaves()) > 0 {
				t.Fatalf("%v, of\n%s", stage, c.print())
			}
		}
		for _, s := range told.GetLoss().GetServices() {
			if s.GetReady() != s.GetRecovered() {
				t.Fatalf("%v", told)
			}
		}
	})
}

func TestLosingMoreNeverLeavesMoreReadyAtOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t, true)
		var ids []string
		for _, n := range c.Nodes {
			ids = append(ids, n.GetId())
		}
		some := rapid.SliceOfDistinct(rapid.SampledFrom(ids), rapid.ID[string]).Draw(t, "some")
		more := append(rapid.SliceOfDistinct(rapid.SampledFrom(ids), rapid.ID[string]).Draw(t, "more"), some...)
		few, err := c.Simulate(some, false)
		if err != nil {
			t.Fatal(err)
		}
		many, err := c.Simulate(more, false)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range few.GetLoss().GetServices() {
			if other := many.GetLoss().GetServices()[i]; other.GetReady() > s.GetReady() || s.GetReady() > s.GetFloor()+uint32(len(ids)) {
				t.Fatalf("without %v: %v, without %v: %v", some, s, more, other)
			}
		}
	})
}

// A seat that was given away stays where it went, so a floor over a part of the
// nodes may be one over another part; and a seat of a shared pool may be on a node
// that serves the same for another pool, or not. What a floor does not let end is
// waited for, and that is said.
func TestWhenEverybodyIsBackAsManyAreReadyAsBefore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t, false)
		if _, target, err := c.settled(c.Topology); err != nil || len(target.Shortages) > 0 {
			t.Skip("it was short before")
		}
		if slices.ContainsFunc(c.Topology.GetPools(), (*v1.Pool).GetShared) {
			t.Skip("a shared pool")
		}
		for _, f := range c.Floors {
			if f.GetFloor() < f.GetTarget() {
				t.Skip("what stands in may help to reach it")
			}
		}
		s := c.survey()
		for _, k := range drawKinds(t, s, 2) {
			told, err := c.Simulate(s.names(k.nodes), true)
			if err != nil {
				t.Fatal(err)
			}
			last := told.GetStages()[len(told.GetStages())-1]
			for i, service := range last.GetServices() {
				if len(last.GetWaiting()) == 0 && service.GetReady() != s.ready[i] && service.GetPart() == "" {
					t.Fatalf("without %v for a while: %v, before %d, of\n%s\n%v", s.names(k.nodes), service, s.ready[i], c.print(), told)
				}
			}
		}
	})
}

func TestAnOutlookFindsExactlyWhatASurveyFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t, true)
		s := c.survey()
		kinds := slices.Concat(s.single(), s.zones(), s.regions())
		s.look(kinds, SurviveOptions{})
		fatal := map[v1.LossKind]bool{}
		for _, k := range kinds {
			fatal[k.of] = fatal[k.of] || k.harms()
		}
		if o := c.Outlook(); o.GetAnyNode() == fatal[v1.LossKind_LOSS_KIND_NODE] || o.GetAnyZone() == fatal[v1.LossKind_LOSS_KIND_ZONE] ||
			o.GetAnyRegion() == fatal[v1.LossKind_LOSS_KIND_REGION] {
			t.Fatalf("%v, fatal are %v, of\n%s", o, fatal, c.print())
		}
	})
}

func TestTheOrderOfTheNodesTellsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t, true)
		other := *c
		other.Nodes = rapid.Permutation(c.Nodes).Draw(t, "order")
		a, b := c.survey(), other.survey()
		for _, k := range drawKinds(t, a, 3) {
			if x, y := a.outcome(k.nodes), b.outcome(k.nodes); !slices.Equal(x.ready, y.ready) || !slices.Equal(x.recovered, y.recovered) {
				t.Fatalf("without %v: %v, or %v\n%s", a.names(k.nodes), x, y, c.print())
			}
		}
		if rapid.IntRange(0, 19).Draw(t, "everything") > 0 {
			return
		}
		if a, b := c.Survive(SurviveOptions{Pairs: true}), other.Survive(SurviveOptions{Pairs: true}); !proto.Equal(a, b) {
			t.Fatalf("%v\n%v\n%s", a, b, c.print())
		}
	})
}

// Each mend is carried out here, and every loss of its sort is simulated.
func TestEveryMendThatIsNamedWorks(t *testing.T) {
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t, false)
		s := c.survey()
		kinds := drawKinds(t, s, 2)
		s.look(kinds, SurviveOptions{})
		m := s.mender()
		for _, k := range kinds {
			broken := slices.Concat(k.atOnce, k.after)
			words := m.search(k, broken)
			if words == "" {
				continue
			}
			found++
			all := m.candidates(k, broken)
			mend := all[slices.IndexFunc(all, func(c candidate) bool { return c.words == words })]
			top := proto.CloneOf(c.Topology)
			mend.change(top)
			after := *c
			after.Nodes = append(slices.Clone(c.Nodes), mend.nodes...)
			mended, err := after.Under(top)
			if err != nil {
				t.Fatal(err)
			}
			then := mended.survey()
			for _, like := range then.sort(k.of) {
				told, err := mended.Simulate(then.names(like.nodes), false)
				if err != nil {
					t.Fatal(err)
				}
				for _, key := range broken {
					i := slices.IndexFunc(told.GetLoss().GetServices(), func(l *v1.ServiceLoss) bool { return rollout.FloorKey(l.GetService(), l.GetPart()) == s.keys[key] })
					if i < 0 || voided(like, then, i) {
						continue
					}
					if l := told.GetLoss().GetServices()[i]; l.GetReady() == 0 && l.GetBefore()+l.GetFloor() > 0 && l.GetPart() == "" || l.GetRecovered() < l.GetFloor() {
						t.Fatalf("%q for %v: without %v: %v, of\n%s", words, s.names(k.nodes), then.names(like.nodes), l, mended.print())
					}
				}
			}
		}
	})
	t.Logf("%d mends", found)
}

// void: a floor over a part of the nodes, which are lost.
func voided(k *kind, s *survey, key int) bool { return s.outcome(k.nodes).void[key] }
