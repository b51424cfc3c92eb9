// Package rollout decides the next safe steps from what really is ready towards
// a placement, and refuses every step that would take a service below its
// floor.
//
// It owns waves, floors in force, the definition of ready, and the order of
// start, drain and stop. It must not know how a target was found, how a command
// reaches Raft, or what time it is: the time is an argument. It is pure:
// messages in a view are never changed, and everything that it has to remember
// is in the nodes' records, so a new leader goes on where the last one stopped.
// It keeps no state, so every function may be called from any goroutine.
package rollout

import (
	"slices"
	"time"

	"roster/fsm/placement"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// View is what the next step is decided from.
type View struct {
	// The leader's time.
	Now time.Time
	// Topology revision in force; 0: a topology that is only planned. A drain
	// that another revision began holds up no wave.
	Revision uint64
	// The topology with every default filled in.
	Topology *v1.Topology
	// Who should serve what.
	Target *placement.Target
	// All registered nodes, in any order.
	Nodes []*v1.Node
	// Floors in force by FloorKey; a service without an entry has no floor. Parts
	// that the target no longer asks for do not count, and those that it asks for
	// anew do.
	Floors map[string]*storev1.FloorInForce
	// Heard says whether a node was heard within two heartbeats; nothing is
	// drained or stopped elsewhere. nil: every node was.
	Heard func(node string) bool
	// What keeps moves from being made.
	Restraints Restraints
	// Plans only: who should serve what once other floors are in force. A leader
	// places again whenever there is news. nil: the target stays.
	Retarget func(nodes []*v1.Node, floors map[string]*storev1.FloorInForce) *placement.Target

	// Only moves of this cause, whatever policy says; see Propose.
	only v1.Cause
}

// parts is what its target asks of parts of the nodes.
func (v View) parts() []*storev1.FloorInForce {
	if !slices.ContainsFunc(v.Topology.GetServices(), func(s *v1.Service) bool { return len(s.GetFloors()) > 0 }) {
		return nil
	}
	return PartTargets(v.Topology, v.Target, v.Nodes)
}

// Step is what to propose now.
type Step struct {
	// One wave: its moves are safe together, in any order.
	Moves []*v1.Move
	// What would be done as well, if nothing forbade it.
	Held []Held
	// What is waited for, and what is blocked by which floor, in sentences.
	Waiting []string
	// Every set is the target's, and every node that is up has become ready.
	Done bool
	// The moves are of one node and break a floor, since no order of moves keeps it and
	// the operator accepts it.
	Gap bool
	// Which floor is in the way, in a sentence.
	why string
	// What the target asks of parts of the nodes.
	Parts []*storev1.FloorInForce
}

// Refusal is why one move is not done.
type Refusal struct {
	Node    string
	Service string
	Message string
}
