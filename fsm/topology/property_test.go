package topology

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	v1 "roster/proto/roster/v1"
)

func TestWhatFormatWritesParseReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		top := drawTopology(t)
		file := Format(top)
		back, err := Parse("formatted.yaml", file)
		if err != nil {
			t.Fatalf("%v\n%s", err, file)
		}
		if diff := cmp.Diff(top, back, protocmp.Transform()); diff != "" {
			t.Fatalf("-written +read\n%s\n%s", diff, file)
		}
		if again := Format(back); !bytes.Equal(file, again) {
			t.Fatalf("the file changes when it is written again:\n%s\n%s", file, again)
		}
	})
}

func TestWhatParseAcceptsValidateAccepts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if err := Validate(drawTopology(t)); err != nil {
			t.Fatal(err)
		}
	})
}

func TestTheDifferenceIsEmptyForEqualTopologiesAndOnlyForThem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawTopology(t), drawTopology(t)
		if d := Diff(a, proto.CloneOf(a)); len(d) != 0 {
			t.Fatalf("a topology differs from itself: %v", d)
		}
		if d := Diff(a, b); (len(d) == 0) != proto.Equal(a, b) {
			t.Fatalf("equal: %v, differences: %v", proto.Equal(a, b), d)
		}
	})
}

func TestTheDifferenceTheOtherWayRoundSaysTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawTopology(t), drawTopology(t)
		back := make(map[string][2]string)
		for _, c := range Diff(b, a) {
			back[c.GetPath()] = [2]string{c.GetAfter(), c.GetBefore()}
		}
		there := make(map[string][2]string)
		for _, c := range Diff(a, b) {
			there[c.GetPath()] = [2]string{c.GetBefore(), c.GetAfter()}
		}
		if diff := cmp.Diff(there, back); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestEffectiveIsCompleteAndStaysWhatItIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		top := drawTopology(t)
		before := proto.CloneOf(top)
		e := Effective(top)
		if !proto.Equal(before, top) {
			t.Fatal("Effective changed its argument")
		}
		if !proto.Equal(e, Effective(e)) {
			t.Fatal("the effective topology has an effective one that differs")
		}
		if err := Validate(e); err != nil {
			t.Fatalf("the effective topology is refused: %v", err)
		}
		entries := make(map[string]*v1.Service)
		for _, s := range e.GetServices() {
			entries[s.GetName()] = s
			if s.Floor == nil || s.Drain == nil {
				t.Fatalf("service %s is not complete", s.GetName())
			}
		}
		for _, p := range e.GetPools() {
			if p.Lend == nil || p.Min == nil {
				t.Fatalf("pool %s is not complete", p.GetName())
			}
			for _, name := range p.GetServices() {
				if entries[name] == nil {
					t.Fatalf("service %s has no entry", name)
				}
			}
		}
		n := e.GetPolicy().ProtoReflect().Descriptor().Fields().Len()
		if r := e.GetPolicy().GetRollout(); r == nil {
			n-- // no canary, unless the file says so
		} else if r.Bake == nil || r.GetOnFail() == v1.OnFail_ON_FAIL_UNSPECIFIED {
			t.Fatalf("the policy's rollout is not complete: %v", r)
		}
		if n != countSet(e.GetPolicy()) {
			t.Fatalf("the policy has %d of %d keys", countSet(e.GetPolicy()), n)
		}
	})
}

func countSet(m proto.Message) int {
	n := 0
	for range setFields(m.ProtoReflect()) {
		n++
	}
	return n
}

// TestPoolsThatNameTheSameNodesAreRefusedJustWhereTheyAreTooMany compares the
// search with Hall's condition, tried on every set of pools.
func TestPoolsThatNameTheSameNodesAreRefusedJustWhereTheyAreTooMany(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := []string{"a", "b", "c", "d", "e", "f"}
		top := &v1.Topology{Name: "hall"}
		for i := range rapid.IntRange(1, 5).Draw(t, "pools") {
			nodes := rapid.SliceOfNDistinct(rapid.SampledFrom(ids), 1, 5, rapid.ID).Draw(t, "nodes")
			top.Pools = append(top.Pools, &v1.Pool{
				Name: string(rune('a' + i)), Services: []string{"imap"}, Nodes: nodes,
				Size: &v1.Pool_Count{Count: rapid.Uint32Range(1, uint32(len(nodes))).Draw(t, "count")},
			})
		}
		possible := true
		for set := 1; set < 1<<len(top.GetPools()); set++ {
			need, union := 0, make(map[string]bool)
			for i, p := range top.GetPools() {
				if set&(1<<i) != 0 {
					need += int(p.GetCount())
					for _, id := range p.GetNodes() {
						union[id] = true
					}
				}
			}
			possible = possible && need <= len(union)
		}
		if err := Validate(top); (err == nil) != possible {
			t.Fatalf("possible: %v, verdict: %v", possible, err)
		}
	})
}
