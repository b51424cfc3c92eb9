package fsm

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// request is a label update under a request id.
func (b *rig) request(id, caller, rack string) *storev1.Envelope {
	env := b.envelope(&storev1.UpdateNode{Id: "node-1", SetLabels: map[string]string{"rack": rack, "row": "1"}})
	env.RequestId, env.Caller = id, caller
	return env
}

func TestARequestIDIsDoneOnce(t *testing.T) {
	b := initialised(t)
	b.nodes(1)
	first := b.send(b.request(requestID(1), operator, "7"))
	b.mustDo(&storev1.UpdateNode{Id: "node-1", SetLabels: map[string]string{"rack": "8"}})
	again := b.send(b.request(requestID(1), operator, "7"))
	if !again.GetRepeated() || again.GetIndex() != first.GetIndex() || !again.GetChanged() {
		t.Fatalf("the repetition says %v, the first %v", again, first)
	}
	if got := b.m.State().Node("node-1").GetLabels()["rack"]; got != "8" {
		t.Fatalf("the repetition was done: rack %s", got)
	}
}

func TestARequestIDIsDoneOnceWithinAnEntry(t *testing.T) {
	b := initialised(t)
	b.nodes(1)
	results, err := b.apply(b.request(requestID(1), operator, "7"), b.request(requestID(1), operator, "7"), b.request(requestID(1), operator, "8"))
	if err != nil {
		t.Fatal(err)
	}
	if results[0].GetRepeated() || !results[1].GetRepeated() || results[2].GetRefusal().GetReason() != ReasonRequestIDReused {
		t.Fatalf("results: %v", results)
	}
}

// A refusal is a result as well: repeating the request must not do it later.
func TestARefusalIsRepeatedUnderItsRequestID(t *testing.T) {
	b := initialised(t)
	first := b.send(b.request(requestID(1), operator, "7"))
	if first.GetRefusal().GetReason() != ReasonNoNode {
		t.Fatalf("want %s, got %v", ReasonNoNode, first)
	}
	b.nodes(1)
	again := b.send(b.request(requestID(1), operator, "7"))
	if !again.GetRepeated() || !proto.Equal(again.GetRefusal(), first.GetRefusal()) {
		t.Fatalf("the repetition says %v", again)
	}
	if b.m.State().Node("node-1").GetLabels()["rack"] != "" {
		t.Fatal("a request that was refused was done when repeated")
	}
}

func TestTheSameRequestIDForSomethingElseIsRefused(t *testing.T) {
	b := initialised(t)
	b.nodes(1)
	b.send(b.request(requestID(1), operator, "7"))
	r := b.send(b.request(requestID(1), operator, "8"))
	if r.GetRefusal().GetReason() != ReasonRequestIDReused {
		t.Fatalf("want %s, got %v", ReasonRequestIDReused, r)
	}
	if got := b.m.State().Node("node-1").GetLabels()["rack"]; got != "7" {
		t.Fatalf("it was done: rack %s", got)
	}
	// Another caller's ids are its own.
	if r := b.send(b.request(requestID(1), "roster://example/user/bob", "8")); r.GetRefusal() != nil || r.GetRepeated() {
		t.Fatalf("another caller: %v", r)
	}
}

func TestARequestIDOlderThanWhatIsKeptIsRefused(t *testing.T) {
	l := standardLimits
	l.requests = 4
	b := initialisedWith(t, l)
	b.nodes(1)
	for i := range uint64(8) {
		b.send(b.request(requestID(i+1), operator, "7"))
	}
	// 1 to 4 were evicted.
	for _, id := range []uint64{1, 4} {
		r := b.send(b.request(requestID(id), operator, "7"))
		if r.GetRefusal().GetReason() != ReasonRequestIDTooOld || r.GetRefusal().GetCode() != codeOutOfRange {
			t.Errorf("id %d: want %s, got %v", id, ReasonRequestIDTooOld, r)
		}
	}
	if r := b.send(b.request(requestID(5), operator, "7")); !r.GetRepeated() {
		t.Errorf("id 5 is kept, yet: %v", r)
	}
	if r := b.send(b.request(requestID(2), "roster://example/user/bob", "7")); r.GetRefusal() != nil {
		t.Errorf("another caller has nothing evicted, yet: %v", r)
	}
	// The newest evicted id counts, whatever order ids came in.
	b2 := initialisedWith(t, l)
	b2.nodes(1)
	for _, n := range []uint64{9, 3, 10, 11, 12, 13} {
		b2.send(b2.request(requestID(n), operator, "7"))
	}
	if r := b2.send(b2.request(requestID(8), operator, "7")); r.GetRefusal().GetReason() != ReasonRequestIDTooOld {
		t.Errorf("9 was evicted, so 8 is too old; got %v", r)
	}
}

func TestRequestIDsAreUUIDv7(t *testing.T) {
	b := initialised(t)
	b.nodes(1)
	for _, id := range []string{
		"1", "not-a-uuid", "019cbc9e-0000-4000-8000-000000000001", "019cbc9e-0000-7000-c000-000000000001",
		"019cbc9e00007000800000000000000001", "019cbc9e-0000-7000-8000-00000000000g", "{19cbc9e-0000-7000-8000-000000000001",
	} {
		if r := b.send(b.request(id, operator, "7")); r.GetRefusal().GetReason() != ReasonRequestIDInvalid {
			t.Errorf("%q: %v", id, r)
		}
	}
	id := requestID(0xabcdef)
	b.send(b.request(strings.ToUpper(id), operator, "7"))
	if r := b.send(b.request(id, operator, "7")); !r.GetRepeated() {
		t.Errorf("the same id in lower case is another one: %v", r)
	}
}

// An id from the far future would lock its caller out once it was evicted.
func TestARequestIDFarAheadOfTheClusterIsRefused(t *testing.T) {
	b := initialised(t)
	b.nodes(1)
	b.now = began.Add(-25 * time.Hour)
	if r := b.send(b.request(requestID(1), operator, "7")); r.GetRefusal().GetReason() != ReasonRequestIDAhead {
		t.Fatalf("want %s, got %v", ReasonRequestIDAhead, r)
	}
	b.now = began
	if r := b.send(b.request(requestID(1), operator, "7")); r.GetRefusal() != nil || r.GetRepeated() {
		t.Fatalf("the id was spent: %v", r)
	}
}

// What a request asked for is compared by content, not by protobuf's bytes,
// whose order of maps differs from one encoding to the next.
func TestTheDigestOfACommandDoesNotDependOnMapOrder(t *testing.T) {
	labels := map[string]string{}
	for _, k := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		labels[k] = k
	}
	c := &storev1.Command{Command: &storev1.Command_RegisterNode{RegisterNode: &storev1.RegisterNode{Claims: &v1.NodeClaims{Labels: labels}}}}
	want := string(digestCommand(c))
	for range 50 {
		if string(digestCommand(proto.CloneOf(c))) != want {
			t.Fatal("two digests of one command")
		}
	}
	labels["a"] = "b"
	if string(digestCommand(c)) == want {
		t.Fatal("two commands have one digest")
	}
}
