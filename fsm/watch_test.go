package fsm

import (
	"bytes"
	"sync"
	"sync/atomic"
	"testing"

	storev1 "roster/proto/roster/store/v1"
)

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func watchOf(s *State, node string) <-chan struct{} {
	_, watch := s.NodeAndWatch(node)
	return watch
}

func TestChangedFiresForEachEntryAndRestore(t *testing.T) {
	b := initialised(t)
	c := b.m.Changed()
	if closed(c) {
		t.Fatal("it fired before anything changed")
	}
	b.nodes(1)
	if !closed(c) {
		t.Fatal("it did not fire for an entry")
	}
	var snap bytes.Buffer
	if _, err := b.m.Snapshot().WriteTo(&snap); err != nil {
		t.Fatal(err)
	}
	c = b.m.Changed()
	if err := b.m.Restore(&snap); err != nil {
		t.Fatal(err)
	}
	if !closed(c) {
		t.Fatal("it did not fire for a restore")
	}
}

func TestAWatchOnANodeWakesForThatNodeAlone(t *testing.T) {
	b := initialised(t)
	b.nodes(200)
	s := b.m.State()
	one, two, unborn := watchOf(s, "node-1"), watchOf(s, "node-2"), watchOf(s, "node-900")
	b.mustDo(&storev1.CordonNode{Id: "node-2", Cordoned: true})
	if closed(one) || !closed(two) {
		t.Fatal("the wrong one woke")
	}
	b.register("node-900", claims("imap"))
	if !closed(unborn) {
		t.Fatal("whoever waits for a node to appear was not woken")
	}
	gone := watchOf(b.m.State(), "node-3")
	b.mustDo(&storev1.RemoveNode{Id: "node-3", Force: true})
	if !closed(gone) {
		t.Fatal("whoever watches a node was not woken by its removal")
	}
}

// Watchers are not told to look elsewhere after a restore: their channel fires.
func TestAWatchOnANodeWakesForARestore(t *testing.T) {
	b := initialised(t)
	b.nodes(3)
	var snap bytes.Buffer
	if _, err := b.m.Snapshot().WriteTo(&snap); err != nil {
		t.Fatal(err)
	}
	other := initialised(t)
	other.nodes(2)
	s := other.m.State()
	watches := []<-chan struct{}{watchOf(s, "node-1"), watchOf(s, "node-3")}
	if err := other.m.Restore(&snap); err != nil {
		t.Fatal(err)
	}
	for i, w := range watches {
		if !closed(w) {
			t.Fatalf("watch %d did not fire", i)
		}
	}
	if len(s.Nodes()) != 2 || len(other.m.State().Nodes()) != 3 {
		t.Fatal("the old state changed, or the new one is not there")
	}
}

func TestChangedNodesAreThoseAfterAnIndex(t *testing.T) {
	b := initialised(t)
	b.nodes(5)
	after := b.index
	b.mustDo(&storev1.CordonNode{Id: "node-4", Cordoned: true})
	b.mustDo(&storev1.CordonNode{Id: "node-2", Cordoned: true})
	nodes, removed := b.m.State().ChangedNodes(after)
	if len(nodes) != 2 || nodes[0].GetId() != "node-4" || nodes[1].GetId() != "node-2" || len(removed) != 0 {
		t.Fatalf("changed: %v, removed: %v", nodes, removed)
	}
	if nodes, _ := b.m.State().ChangedNodes(0); len(nodes) != 5 {
		t.Fatalf("%d nodes changed since ever", len(nodes))
	}
	if nodes, _ := b.m.State().ChangedNodes(^uint64(0)); len(nodes) != 0 {
		t.Fatal("something changed after the end of time")
	}
}

func TestWhoeverAWatchWakesFindsTheNewerState(t *testing.T) {
	b := initialised(t)
	b.nodes(1)
	var missed atomic.Int64
	for i := range 300 {
		s := b.m.State()
		node, watch := s.NodeAndWatch("node-1")
		if node != s.Node("node-1") {
			t.Fatal("the watch came with another record")
		}
		var watchers sync.WaitGroup
		for range 8 {
			watchers.Go(func() {
				<-watch
				if b.m.State() == s {
					missed.Add(1)
				}
			})
		}
		b.mustDo(&storev1.CordonNode{Id: "node-1", Cordoned: i%2 == 0})
		watchers.Wait()
	}
	if n := missed.Load(); n > 0 {
		t.Errorf("%d of 2400 wake-ups found the state as it was", n)
	}
}
