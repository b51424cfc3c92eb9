package fsm

import (
	"bytes"
	"maps"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"roster/fsm/rollout"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// tight limits make everything overflow in a short run.
var tight = limits{events: 40, eventBytes: 20_000, revisions: 3, requests: 6, nodes: 5, members: 3, freezes: 3}

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
	demands := rollout.DemandsOf(s.effective)
	for key, f := range s.floors {
		if key != rollout.KeyOf(f) {
			t.Fatalf("the floor %v is known by %q", f, key)
		}
		if len(f.GetWhere()) > 0 && demands.Of(f.GetService(), f.GetWhere()) != f.GetTarget() {
			t.Fatalf("nobody asks for the floor %v", f)
		}
	}
	for _, f := range demands.Fixed() {
		if s.floors[rollout.KeyOf(f)] == nil {
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
