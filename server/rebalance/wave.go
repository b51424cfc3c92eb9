package rebalance

import (
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/fsm/rollout"
)

// wave names what the moves rely on: the nodes they touch, and every node that
// counts for the floor of a service of which they end one, also by a restart.
func wave(state *fsm.State, step rollout.Step) *storev1.MoveAssignments {
	command := &storev1.MoveAssignments{TopologyRevision: state.Topology().GetRevision(), AcceptGap: step.Gap}
	withParts(command, state, step.Parts)
	at := map[string]int{}
	lowered := map[string]bool{}
	for _, m := range step.Moves {
		node := state.Node(m.GetNode())
		i, ok := at[m.GetNode()]
		if !ok {
			i = len(command.Nodes)
			at[m.GetNode()] = i
			command.Nodes = append(command.Nodes, &storev1.NodeMoves{Basis: basis(node)})
		}
		command.Nodes[i].Moves = append(command.Nodes[i].Moves, m)
		for _, service := range rollout.Losses(node, m.GetService(), m.GetAction()) {
			lowered[service] = true
		}
	}
	if len(lowered) == 0 {
		return command
	}
	for _, n := range state.Nodes() {
		if _, moved := at[n.GetId()]; !moved && counts(n, lowered) {
			command.Counted = append(command.Counted, basis(n))
		}
	}
	return command
}

// counts says that a node is ready for one of the services.
func counts(n *v1.Node, services map[string]bool) bool {
	for _, a := range n.GetAssignments() {
		if services[a.GetService()] && rollout.Ready(n, a.GetService()) {
			return true
		}
	}
	return false
}

func basis(n *v1.Node) *storev1.NodeBasis {
	return &storev1.NodeBasis{Node: n.GetId(), Generation: n.GetGeneration(), State: n.GetState()}
}
