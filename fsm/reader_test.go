package fsm

import (
	"bytes"
	"io"
	"sync"
	"testing"

	storev1 "roster/proto/roster/store/v1"
)

// Readers on every side of the state while entries are applied and a snapshot is
// restored: the race detector is the judge, and an old state stays what it was.
func TestReadersNeverMeetTheWriter(t *testing.T) {
	l := standardLimits
	l.events, l.requests = 500, 100
	b := initialisedWith(t, l)
	b.topology(unified("imap"))
	b.nodes(20)
	old := b.m.State()
	want := old.Hash()
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				changed, s := b.m.Changed(), b.m.State()
				_, _, _ = s.Events(0, 100)
				_, _, _ = s.LastEvents(0, 10, nil)
				for _, n := range s.Nodes() {
					Assignments(n)
					Endpoints(n)
				}
				_, _ = s.ChangedNodes(s.Index() / 2)
				_, _ = s.Hash(), s.Basis(nil)
				if _, err := b.m.Snapshot().WriteTo(io.Discard); err != nil {
					t.Error(err)
				}
				select {
				case <-changed:
				case <-done:
					return
				}
			}
		})
	}
	snap := snapshotOf(t, b.m)
	for i := range 300 {
		env := b.request(requestID(uint64(i+1)), operator, nodeID(i))
		if _, err := b.apply(env, b.envelope(&storev1.CordonNode{Id: nodeID(i%20 + 1), Cordoned: i%2 == 0})); err != nil {
			t.Error(err)
		}
		if i == 200 {
			if err := b.m.Restore(bytes.NewReader(snap)); err != nil {
				t.Error(err)
			}
		}
	}
	close(done)
	readers.Wait()
	if !bytes.Equal(old.Hash(), want) {
		t.Fatal("a state changed after it was handed out")
	}
}
