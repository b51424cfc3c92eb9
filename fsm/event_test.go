package fsm

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"testing"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

func TestEventsSayWhoAndWhyAndCanBeResumed(t *testing.T) {
	b := initialised(t)
	b.nodes(2)
	env := b.envelope(&storev1.CordonNode{Id: "node-1", Cordoned: true, Reason: "new disk"})
	env.RequestId = requestID(1)
	b.send(env)
	events, oldest, err := b.m.State().Events(b.index-1, 0)
	if err != nil || len(events) != 1 || oldest != 1 {
		t.Fatalf("%v, oldest %d, %v", events, oldest, err)
	}
	e := events[0]
	if e.GetActor() != operator || e.GetRequestId() != requestID(1) || e.GetReason() != "new disk" || e.GetIndex() != b.index || e.GetOrdinal() != 0 || e.GetTime() == nil || e.GetMessage() == "" {
		t.Fatalf("event: %v", e)
	}
	if events, _, _ := b.m.State().Events(b.index, 0); len(events) != 0 {
		t.Fatalf("events of the future: %v", events)
	}
}

// Resuming after an index must neither lose nor repeat: pages end where entries
// end.
func TestPagesOfEventsNeverCutAnEntry(t *testing.T) {
	b := initialised(t)
	for e := range 5 {
		var envs []*storev1.Envelope
		for i := range 7 {
			envs = append(envs, b.envelope(&storev1.RegisterNode{Id: nodeID(e*7 + i), Instance: "i"}))
		}
		if _, err := b.apply(envs...); err != nil {
			t.Fatal(err)
		}
	}
	all, _, _ := b.m.State().Events(0, 0)
	var paged []*v1.Event
	for after := uint64(0); ; {
		page, _, err := b.m.State().Events(after, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		paged = append(paged, page...)
		after = page[len(page)-1].GetIndex()
	}
	if len(paged) != len(all) || len(all) != 36 {
		t.Fatalf("%d events in pages, %d in all", len(paged), len(all))
	}
	for i, e := range all {
		if paged[i] != e {
			t.Fatalf("event %d differs", i)
		}
		if i > 0 && all[i-1].GetIndex() == e.GetIndex() && all[i-1].GetOrdinal()+1 != e.GetOrdinal() {
			t.Fatalf("ordinals: %v after %v", e, all[i-1])
		}
	}
	last, _, err := b.m.State().LastEvents(0, 2, func(e *v1.Event) bool { return e.GetNode() != "node-34" })
	if err != nil || len(last) != 2 || last[1].GetNode() != "node-33" || last[0].GetNode() != "node-32" {
		t.Fatalf("the last two but one: %v, %v", last, err)
	}
}

func TestOldEventsAreDroppedAndSaidToBe(t *testing.T) {
	for name, change := range map[string]func(*limits){
		"by number": func(l *limits) { l.events = 10 },
		"by size":   func(l *limits) { l.eventBytes = 10 * (eventOverhead + 40) },
	} {
		t.Run(name, func(t *testing.T) {
			l := standardLimits
			change(&l)
			b := initialisedWith(t, l)
			b.nodes(1)
			for i := range 40 {
				b.mustDo(&storev1.CordonNode{Id: "node-1", Cordoned: i%2 == 0})
			}
			s := b.m.State()
			kept, oldest, err := s.Events(0, 0)
			if err != nil || len(kept) == 0 || len(kept) > 11 || oldest != kept[0].GetIndex() || kept[len(kept)-1].GetIndex() != b.index {
				t.Fatalf("%d kept, oldest %d, %v", len(kept), oldest, err)
			}
			if _, again, err := s.Events(oldest-2, 0); !errors.Is(err, ErrCompacted) || again != oldest {
				t.Fatalf("oldest %d, %v", again, err)
			}
			if _, _, err := s.LastEvents(oldest-2, 5, nil); !errors.Is(err, ErrCompacted) {
				t.Fatalf("%v", err)
			}
			if events, _, err := s.Events(oldest-1, 0); err != nil || len(events) != len(kept) {
				t.Fatalf("nothing was lost after %d: %d of %d, %v", oldest-1, len(events), len(kept), err)
			}
			size := 0
			for _, e := range kept {
				size += eventSize(e)
			}
			if size != s.eventBytes {
				t.Fatalf("%d bytes counted, %d kept", s.eventBytes, size)
			}
		})
	}
}

func TestAnOldStateKeepsItsEvents(t *testing.T) {
	l := standardLimits
	l.events = 3
	b := initialisedWith(t, l)
	b.nodes(1)
	old := b.m.State()
	before, _, _ := old.Events(0, 0)
	for i := range 3 * chunkSize {
		b.mustDo(&storev1.CordonNode{Id: "node-1", Cordoned: i%2 == 0})
	}
	after, _, _ := old.Events(0, 0)
	if len(before) != len(after) {
		t.Fatalf("%d events before, %d after", len(before), len(after))
	}
	for i := range before {
		if before[i] != after[i] {
			t.Fatal("an old state's events changed")
		}
	}
	if n := len(b.m.State().events.chunks); n > 2 {
		t.Fatalf("%d chunks hold 3 events", n)
	}
}

func TestEventKindsListsEveryKind(t *testing.T) {
	source, err := os.ReadFile("event.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := regexp.MustCompile(`(?m)^\tEvent\w+ += "([a-z_.]+)"$`).FindAllStringSubmatch(string(source), -1)
	if len(declared) == 0 || len(declared) != len(EventKinds()) {
		t.Errorf("%d kinds are declared, %d listed", len(declared), len(EventKinds()))
	}
	for _, kind := range declared {
		if !slices.Contains(EventKinds(), kind[1]) {
			t.Errorf("%s is not listed", kind[1])
		}
	}
}
