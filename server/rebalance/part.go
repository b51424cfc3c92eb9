package rebalance

import (
	storev1 "roster/proto/roster/store/v1"

	"roster/fsm"
	"roster/fsm/placement"
	"roster/fsm/rollout"
)

// schemaOfParts is the first whose readers know floors over parts of the nodes.
const schemaOfParts = 3

// partsDiffer says whether the target asks for other floors over parts of the
// nodes than the state knows of. The state has to be told, with moves or
// without: it keeps what it knows.
func partsDiffer(state *fsm.State, asked []*storev1.FloorInForce) bool {
	if state.Cluster().GetSchema() < schemaOfParts {
		return false
	}
	known := 0
	for _, f := range state.Floors() {
		if len(f.GetWhere()) > 0 {
			known++
		}
	}
	if known != len(asked) {
		return true
	}
	for _, p := range asked {
		f := state.Floors()[rollout.FloorKey(p.GetService(), placement.PartName(p.GetWhere()))]
		if f == nil || f.GetTarget() != p.GetTarget() {
			return true
		}
	}
	return false
}

// withParts tells the state what is asked of parts of the nodes, where it knows
// or is to know of any.
func withParts(command *storev1.MoveAssignments, state *fsm.State, asked []*storev1.FloorInForce) {
	if len(asked) > 0 && state.Cluster().GetSchema() >= schemaOfParts || partsDiffer(state, asked) {
		command.Parts, command.WithParts = asked, true
	}
}

// sameParts says whether two states keep the same floors over parts of the nodes:
// placement goes by them, and they may change where no node does.
func sameParts(a, b *fsm.State) bool {
	before, now, parts := a.Floors(), b.Floors(), 0
	for key, f := range now {
		if len(f.GetWhere()) == 0 {
			continue
		}
		parts++
		if was := before[key]; was != f && (was.GetFloor() != f.GetFloor() || was.GetTarget() != f.GetTarget()) {
			return false
		}
	}
	for _, f := range before {
		if len(f.GetWhere()) > 0 {
			parts--
		}
	}
	return parts == 0
}
