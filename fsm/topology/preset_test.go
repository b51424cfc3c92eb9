package topology

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	v1 "roster/proto/roster/v1"
)

func TestForTenNodesAPresetIsTheExample(t *testing.T) {
	ten, err := ParseNodes("nodes.yaml", ExampleNodes())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ten, LayNodes(10), protocmp.Transform()); diff != "" {
		t.Errorf("ten nodes that are laid out are not those of the examples: -examples +laid\n%s", diff)
	}
	for _, model := range Models() {
		src, _ := Example(model)
		want, err := Parse(model, src)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Preset(model, ten)
		if err != nil {
			t.Errorf("%s: %v", model, err)
			continue
		}
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s: -example +preset\n%s", model, diff)
		}
	}
}

// fewest is how many nodes each model needs, laid out as LayNodes does.
var fewest = map[string]int{unified: 1, serviceSpecific: 5, weighted: 3, paired: 3, geographic: 7}

func TestAPresetOfAnySizeIsItsModelAndReadsBack(t *testing.T) {
	if len(fewest) != len(Models()) {
		t.Fatalf("the models are %v", Models())
	}
	check := func(t interface{ Fatalf(string, ...any) }, model string, nodes []*v1.Node) {
		top, err := Preset(model, nodes)
		if err != nil {
			t.Fatalf("%s for %d nodes: %v", model, len(nodes), err)
		}
		if err := Validate(top); err != nil {
			t.Fatalf("%s for %d nodes: %v", model, len(nodes), err)
		}
		if got := Model(top); got != model {
			t.Fatalf("%s for %d nodes is recognised as %s", model, len(nodes), got)
		}
		src, err := PresetSource(model, nodes, len(nodes)%2 == 0)
		if err != nil {
			t.Fatalf("%v", err)
		}
		back, err := Parse(model+".yaml", src)
		if err != nil {
			t.Fatalf("%v\n%s", err, src)
		}
		if !proto.Equal(top, back) {
			t.Fatalf("the file says something else:\n%s\n%v", src, top)
		}
		if seats := seatsIn(top); seats > len(nodes) {
			t.Fatalf("%s for %d nodes has %d seats", model, len(nodes), seats)
		}
	}
	for model, least := range fewest {
		for n := least; n <= 40; n++ {
			check(t, model, LayNodes(n))
		}
		for n := range least {
			if _, err := Preset(model, LayNodes(n)); !errors.Is(err, ErrTooFewNodes) {
				t.Errorf("%s for %d nodes: %v", model, n, err)
			} else if model != geographic && !strings.Contains(err.Error(), fmt.Sprintf("needs %s", amount(least, "node"))) {
				t.Errorf("%s for %d nodes does not say that %d are needed: %v", model, n, least, err)
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		model := rapid.SampledFrom(Models()).Draw(t, "model")
		n := rapid.IntRange(fewest[model], 3000).Draw(t, "nodes")
		check(t, model, LayNodes(n))
	})
}

// seatsIn is how many nodes the pools with a count want.
func seatsIn(t *v1.Topology) (n int) {
	for _, p := range t.GetPools() {
		n += int(p.GetCount())
	}
	return n
}

func TestAPresetDoesNotDependOnTheOrderOfTheNodes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		model := rapid.SampledFrom(Models()).Draw(t, "model")
		nodes := drawNodes(t)
		one, err := Preset(model, nodes)
		other, errOther := Preset(model, rapid.Permutation(nodes).Draw(t, "order"))
		if (err == nil) != (errOther == nil) || !proto.Equal(one, other) {
			t.Fatalf("%v (%v)\n%v (%v)", one, err, other, errOther)
		}
	})
}

// drawNodes draws nodes of some regions, of which some cannot run everything.
func drawNodes(t *rapid.T) []*v1.Node {
	regions := rapid.SampledFrom([][]string{{"a", "b", "c"}, {"eu-west", "us"}, {"1", "Nord", "норд", ""}, {"b0", "bo", "o"}, {"a", "b", "c", "d", "e"}}).Draw(t, "regions")
	var nodes []*v1.Node
	for i := range rapid.IntRange(0, 24).Draw(t, "nodes") {
		claims := &v1.NodeClaims{Region: rapid.SampledFrom(regions).Draw(t, "region")}
		lacks := rapid.SampledFrom([]string{"", "", "imap", "webdav", "smtp-outbound"}).Draw(t, "lacks")
		for _, s := range KnownServices() {
			if s != lacks {
				claims.Services = append(claims.Services, &v1.ServiceClaim{Name: s})
			}
		}
		nodes = append(nodes, &v1.Node{Id: fmt.Sprintf("n%d", i), Region: claims.Region, Claims: claims})
	}
	return nodes
}

func TestAPresetGivesEachPoolANodeThatCanRunIt(t *testing.T) {
	// One node for each service, and five more for imap alone: a second seat of any
	// other pool would stay open.
	var nodes []*v1.Node
	for i, s := range []string{"imap", "jmap", "webdav", "smtp-inbound", "smtp-outbound", "imap", "imap", "imap", "imap", "imap"} {
		nodes = append(nodes, &v1.Node{Id: fmt.Sprintf("n%d", i), Claims: &v1.NodeClaims{Services: []*v1.ServiceClaim{{Name: s}}}})
	}
	top, err := Preset(serviceSpecific, nodes)
	if err != nil {
		t.Fatal(err)
	}
	filled(t, top, nodes)
	if n := top.GetPools()[0].GetCount(); n != 6 {
		t.Errorf("imap has %d seats on the six nodes that run nothing else", n)
	}
	rapid.Check(t, func(t *rapid.T) {
		model := rapid.SampledFrom(Models()).Draw(t, "model")
		nodes := drawNodes(t)
		top, err := Preset(model, nodes)
		if err != nil {
			if !errors.Is(err, ErrTooFewNodes) {
				t.Fatal(err)
			}
			return
		}
		if err := Validate(top); err != nil {
			t.Fatal(err)
		}
		if got := Model(top); got != model {
			t.Fatalf("%s is recognised as %s: %v", model, got, top)
		}
		filled(t, top, nodes)
	})
}

// filled fails unless every seat finds a node of its own, by augmenting paths.
func filled(t interface{ Fatalf(string, ...any) }, top *v1.Topology, nodes []*v1.Node) {
	var seats []*v1.Pool
	for _, p := range top.GetPools() {
		for range max(1, int(p.GetCount())) {
			seats = append(seats, p)
		}
	}
	holder := make(map[int]int) // node → seat
	var augment func(seat int, seen map[int]bool) bool
	augment = func(seat int, seen map[int]bool) bool {
		for i, n := range nodes {
			region := seats[seat].GetWhere()["region"].GetValues()
			if seen[i] || !canRun(n, seats[seat].GetServices()) || len(region) > 0 && region[0] != n.GetRegion() {
				continue
			}
			seen[i] = true
			if other, taken := holder[i]; !taken || augment(other, seen) {
				holder[i] = seat
				return true
			}
		}
		return false
	}
	for seat := range seats {
		if !augment(seat, make(map[int]bool)) {
			t.Fatalf("pool %s does not get its nodes: %v", seats[seat].GetName(), top)
		}
	}
}

func TestAPresetThatIsImpossibleSaysWhatItNeeds(t *testing.T) {
	region := func(sizes map[string]int) (nodes []*v1.Node) {
		for _, r := range sortedKeys(sizes) {
			for i := range sizes[r] {
				nodes = append(nodes, &v1.Node{Id: fmt.Sprintf("%s%d", r, i), Region: r})
			}
		}
		return nodes
	}
	imapOnly := func(n int) (nodes []*v1.Node) {
		for i := range n {
			nodes = append(nodes, &v1.Node{Id: fmt.Sprintf("n%d", i), Claims: &v1.NodeClaims{Services: []*v1.ServiceClaim{{Name: "imap"}}}})
		}
		return nodes
	}
	for _, c := range []struct {
		model string
		nodes []*v1.Node
		is    error
		says  string
	}{
		{"weighed", LayNodes(3), ErrUnknownModel, "did you mean weighted?"},
		{"mixed", LayNodes(3), ErrUnknownModel, "the models are unified, service-specific, weighted, paired, geographic"},
		{"unified", nil, ErrTooFewNodes, "it needs 1 node, one for each of its pools everything, and there are 0"},
		{"service-specific", LayNodes(4), ErrTooFewNodes, "it needs 5 nodes, one for each of its pools imap, jmap, webdav, mx, relay, and there are 4"},
		{"paired", imapOnly(5), ErrTooFewNodes, "pool mailbox needs 1 node that runs imap and jmap, and of the 5 nodes 0 can"},
		{"geographic", imapOnly(9), ErrTooFewNodes, "it needs 7 nodes at least, one for each of its pools, in 2 regions or more, and none of the 9 says its region"},
		{"geographic", region(map[string]int{"a": 9}), ErrTooFewNodes, "it needs 7 nodes at least, one for each of its pools, in 2 regions or more, and all 9 are in region a"},
		{"geographic", LayNodes(1), ErrTooFewNodes, "it needs 7 nodes at least, one for each of its pools, in 2 regions or more, and there is 1, in region a"},
		{"geographic", imapOnly(1), ErrTooFewNodes, "it needs 7 nodes at least, one for each of its pools, in 2 regions or more, and there is 1, which says no region"},
		{"geographic", nil, ErrTooFewNodes, "it needs 7 nodes at least, one for each of its pools, in 2 regions or more, and there are 0"},
		{"geographic", region(map[string]int{"a": 1, "b": 1, "c": 1}), ErrTooFewNodes, "7 nodes in all, one for each pool: 2 in region a, 2 in region b, 3 in region c"},
	} {
		_, err := Preset(c.model, c.nodes)
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s for %d nodes: %v\n  wanted: %s", c.model, len(c.nodes), err, c.says)
		}
	}
}

func TestRegionsHaveTheirMixesHoweverManyThereAre(t *testing.T) {
	for _, c := range []struct {
		sizes string // region:nodes
		want  string // pool:count
	}{
		{"a:3 b:3 c:4", "a-imap:1 a-mx:2 b-mailbox:1 b-relay:2 c-files:2 c-jmap:1 c-mail:1"},
		{"eu:2 us:5", "eu-imap:1 eu-mx:1 us-mailbox:1 us-relay:1 us-files:1 us-jmap:1 us-mail:1"},
		{"eu:5 us:2", "eu-mailbox:1 eu-relay:1 eu-files:1 eu-jmap:1 eu-mail:1 us-imap:1 us-mx:1"},
		{"eu:3 us:4", "eu-files:1 eu-jmap:1 eu-mail:1 us-imap:1 us-mx:1 us-mailbox:1 us-relay:1"},
		{"a:2 b:2 c:3 d:3", "a-imap:1 a-mx:1 b-mailbox:1 b-relay:1 c-files:1 c-jmap:1 c-mail:1 d-imap:1 d-mx:2"},
		{"a:3 b:2 c:2", "a-files:1 a-jmap:1 a-mail:1 b-imap:1 b-mx:1 c-mailbox:1 c-relay:1"},
		{"a:6 b:6 c:8", "a-imap:2 a-mx:4 b-mailbox:2 b-relay:4 c-files:4 c-jmap:2 c-mail:2"},
		{"x_1:2 x-1:5", "regionaa-mailbox:1 regionaa-relay:1 regionaa-files:1 regionaa-jmap:1 regionaa-mail:1 regionab-imap:1 regionab-mx:1"},
	} {
		var nodes []*v1.Node
		for _, part := range strings.Fields(c.sizes) {
			name, size, _ := strings.Cut(part, ":")
			var n int
			if _, err := fmt.Sscan(size, &n); err != nil {
				t.Fatal(err)
			}
			for i := range n {
				nodes = append(nodes, &v1.Node{Id: fmt.Sprintf("%s%d", name, i), Region: name})
			}
		}
		top, err := Preset(geographic, nodes)
		if err != nil {
			t.Errorf("%s: %v", c.sizes, err)
			continue
		}
		var got []string
		for _, p := range top.GetPools() {
			got = append(got, fmt.Sprintf("%s:%d", p.GetName(), p.GetCount()))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s gives %v, wanted %s", c.sizes, got, c.want)
		}
		if err := Validate(top); err != nil {
			t.Error(err)
		}
	}
}

func TestAModelIsRecognisedUpToNamesAndSizesAlone(t *testing.T) {
	change := func(model string, f func(*v1.Topology)) *v1.Topology {
		top, err := Preset(model, LayNodes(20))
		if err != nil {
			t.Fatal(err)
		}
		f(top)
		return top
	}
	for _, model := range Models() {
		same := map[string]func(*v1.Topology){
			"other names": func(top *v1.Topology) {
				for i, p := range top.Pools {
					p.Name = fmt.Sprintf("p%d", i)
				}
			},
			"other sizes": func(top *v1.Topology) {
				for _, p := range top.Pools {
					p.Size = &v1.Pool_Count{Count: 7}
				}
			},
			"another order": func(top *v1.Topology) { slices.Reverse(top.Pools) },
			"floors, labels and a policy": func(top *v1.Topology) {
				top.Services = []*v1.Service{{Name: "imap", Floor: proto.Uint32(2)}}
				top.Policy = &v1.Policy{MaxMoving: &v1.Percent{Value: 50}}
				top.Pools[0].Spread = []string{"zone"}
			},
		}
		for what, f := range same {
			if got := Model(change(model, f)); got != model {
				t.Errorf("%s with %s is %s", model, what, got)
			}
		}
		other := map[string]func(*v1.Topology){
			"a service more": func(top *v1.Topology) { top.Pools[0].Services = append(top.Pools[0].Services, "pop3") },
			"a shared pool":  func(top *v1.Topology) { top.Pools[0].Shared = true },
			"a pool less":    func(top *v1.Topology) { top.Pools = top.Pools[1:] },
			"a pool without a region": func(top *v1.Topology) {
				top.Pools = append(top.Pools, &v1.Pool{Name: "more", Services: []string{"imap"}})
			},
			"a region for one pool": func(top *v1.Topology) {
				top.Pools[0].Where = map[string]*v1.LabelValues{"region": {Values: []string{"a", "b"}}}
			},
		}
		for what, f := range other {
			if model == geographic && (what == "a service more" || what == "a pool less") {
				continue // a region's mix is its own
			}
			if got := Model(change(model, f)); got != MixedModel {
				t.Errorf("%s with %s is %s", model, what, got)
			}
		}
	}
	src, _ := Example("mixed")
	mixed, err := Parse("mixed", src)
	if err != nil {
		t.Fatal(err)
	}
	everywhere := &v1.Topology{Name: "each region the same", Pools: []*v1.Pool{
		{Name: "a", Services: []string{"imap"}, Where: map[string]*v1.LabelValues{"region": {Values: []string{"a"}}}},
		{Name: "b", Services: []string{"imap"}, Where: map[string]*v1.LabelValues{"region": {Values: []string{"b"}}}},
	}}
	for _, top := range []*v1.Topology{mixed, everywhere, nil, {}} {
		if got := Model(top); got != MixedModel {
			t.Errorf("%s is %s", top.GetName(), got)
		}
	}
}
