package fsm

import "testing"

func TestEmptyMachineHasAnEmptyState(t *testing.T) {
	s := New().State()
	if s.Index() != 0 || s.Cluster() != nil || s.Topology() != nil || len(s.Nodes()) != 0 {
		t.Fatalf("a new machine has a state: %+v", s.core)
	}
	if len(s.Hash()) != 32 || s.Basis(nil) == "" {
		t.Fatal("an empty state has no hash or basis")
	}
}
